//! A rule tells which values of a key are weaker than the default of the profile.
//! Never: a reason to stop; values that are too weak are rejected, or need a key of `[danger]`.

use portcullis_guard::{Action, Rate};
use toml::Value;

use crate::config::settings::Settings;

/// The values of a key that are weaker than its default. The texts say why that matters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// No accepted value is weaker; the text says why.
    Safe(#[expect(dead_code, reason = "for readers of the table")] &'static str),
    /// Weaker values are rejected, or need the key of `[danger]` in the text.
    Rejected(#[expect(dead_code, reason = "for readers of the table")] &'static str),
    /// A key of `[danger]`, which `danger.rs` reports.
    Danger,
    /// The file of the section finds them, see [`Settings::warnings`].
    Warned,
    /// `true` where `false` is the default.
    On(&'static str),
    /// `false` where `true` is the default.
    Off(&'static str),
    /// Numbers above this multiple of the default.
    MoreThan(u64, &'static str),
    /// Numbers below this part of the default.
    LessThanPart(u64, &'static str),
    /// Numbers below this one.
    LessThan(u64, &'static str),
    /// Rates above this multiple of the default, at once or over time.
    Faster(u32, &'static str),
    /// These words, weakest last, unless the default is as weak.
    Words(&'static [&'static str], &'static str),
    /// A function finds them, and returns the texts.
    Custom(fn(&Facts<'_>) -> Vec<String>),
}

/// The facts from which a function decides.
pub(crate) struct Facts<'a> {
    pub(crate) settings: &'a Settings,
    /// The defaults of the profile.
    pub(crate) usual: &'a Settings,
    /// The events that the products declare.
    pub(crate) actions: &'a [Action],
}

impl Rule {
    pub(crate) fn is_warned(self) -> bool {
        matches!(self, Self::Warned)
    }

    /// The text for a value that is weaker than the default.
    pub(crate) fn check(self, seen: &Value, default: Option<&Value>) -> Option<String> {
        let shown = default.map_or_else(|| String::from("none"), ToString::to_string);
        let is = |value, wanted: bool| value == Some(wanted);
        let (seen_bool, default_bool) = (seen.as_bool(), default.and_then(Value::as_bool));
        let of_default = |factor: u64| Some(number(default?)?.saturating_mul(factor));
        match self {
            Self::On(why) if is(seen_bool, true) && !is(default_bool, true) => {
                Some(format!("true, and false by default: {why}; leave it out"))
            }
            Self::Off(why) if is(seen_bool, false) && !is(default_bool, false) => {
                Some(format!("false, and true by default: {why}; leave it out"))
            }
            Self::MoreThan(factor, why) if number(seen)? > of_default(factor)? => {
                let most = of_default(factor)?;
                Some(format!(
                    "{seen} is more than {factor} times the default {shown}: {why}; write {most} \
                     or less"
                ))
            }
            Self::LessThanPart(part, why)
                if number(seen)?.saturating_mul(part) < of_default(1)? =>
            {
                let least = of_default(1)?.div_ceil(part);
                Some(format!(
                    "{seen} is less than 1/{part} of the default {shown}: {why}; write {least} or \
                     more"
                ))
            }
            Self::LessThan(least, why) if number(seen)? < least => {
                Some(format!("{seen} is less than {least}: {why}; write {least} or more"))
            }
            Self::Faster(factor, why) if is_faster(rate(seen)?, rate(default?)?, factor) => {
                Some(format!(
                    "{seen} is more than {factor} times the default {shown}: {why}; write a lower \
                     rate, or leave it out"
                ))
            }
            Self::Words(words, why) if is_weaker(words, seen.as_str()?, default?.as_str()?) => {
                Some(format!("{seen}, and {shown} by default: {why}; leave it out"))
            }
            Self::Safe(_)
            | Self::Rejected(_)
            | Self::Danger
            | Self::Warned
            | Self::On(_)
            | Self::Off(_)
            | Self::MoreThan(..)
            | Self::LessThanPart(..)
            | Self::LessThan(..)
            | Self::Faster(..)
            | Self::Words(..)
            | Self::Custom(_) => None,
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    u64::try_from(value.as_integer()?).ok()
}

fn rate(value: &Value) -> Option<Rate> {
    value.as_str()?.parse().ok()
}

/// Whether a rate is above a multiple of another, at once or over time.
pub(crate) fn is_faster(rate: Rate, other: Rate, factor: u32) -> bool {
    let most = u128::from(other.count) * u128::from(factor);
    let count = u128::from(rate.count);
    count > most || count * u128::from(other.period_ms) > most * u128::from(rate.period_ms)
}

/// Whether a word is in the list, and weaker than the default.
fn is_weaker(words: &[&str], seen: &str, default: &str) -> bool {
    let strength = |word| words.iter().position(|known| *known == word);
    strength(seen) > strength(default)
}
