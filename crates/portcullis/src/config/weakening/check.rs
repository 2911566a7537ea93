//! Values in force that are weaker than the profile's default: named by `check` and at the start.
//! Never: a reason to stop; what is too weak for that is rejected, or needs a key of `[danger]`.

use std::path::Path;

use portcullis_guard::{Action, Rate};
use toml::{Table, Value};

use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::settings::{Settings, Sources};
use crate::config::warning::Warning;
use crate::config::weakening::table::KEYS;

/// Which values of a key are weaker than its default. The texts say why that matters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    /// None that the server accepts; the text says why.
    Safe(#[expect(dead_code, reason = "for readers of the table")] &'static str),
    /// Those that the server rejects, or accepts only with the key of `[danger]` in the text.
    Rejected(#[expect(dead_code, reason = "for readers of the table")] &'static str),
    /// A key of `[danger]`: its name says it, and `danger.rs` names it.
    Danger,
    /// Those that the section's own file finds, by [`Settings::warnings`].
    Warned,
    /// `true` where `false` is the default.
    On(&'static str),
    /// `false` where `true` is the default.
    Off(&'static str),
    /// Numbers above so many times the default.
    MoreThan(u64, &'static str),
    /// Numbers below this part of the default.
    LessThanPart(u64, &'static str),
    /// Numbers below this one.
    LessThan(u64, &'static str),
    /// Rates that let so many times the default pass, at once or over time.
    Faster(u32, &'static str),
    /// These words, weakest last, unless the default is as weak.
    Words(&'static [&'static str], &'static str),
    /// What a function finds; its texts say it all.
    Judged(fn(&Facts<'_>) -> Vec<String>),
}

/// What a decision is made from.
pub(crate) struct Facts<'a> {
    pub(crate) settings: &'a Settings,
    /// The profile's defaults.
    pub(crate) usual: &'a Settings,
    /// The events that the products declare.
    pub(crate) actions: &'a [Action],
}

/// Enough for a profile to be read: pages, and TLS that something else speaks.
const LEAST: &str = "tls = { mode = \"off\" }\norigin = { allowed = [\"https://chat.example\"] }\n";

impl Settings {
    /// Every weakening in force, in the order of the table; `[danger]` is named by `dangers`.
    ///
    /// # Errors
    /// None that the settings themselves did not have: the defaults of a profile can be read.
    pub(crate) fn weakenings(&self, actions: &[Action]) -> Result<Vec<Warning>, ConfigError> {
        let usual = Self::of_profile(self.profile)?;
        let (seen, defaults) = (self.table(actions), usual.table(&[]));
        let facts = Facts { settings: self, usual: &usual, actions };
        let warnings = self.warnings();
        let mut found = Vec::new();
        for (key, rule) in KEYS {
            let texts = match *rule {
                Rule::Judged(judge) => judge(&facts),
                Rule::Warned => {
                    let of_key = warnings.iter().filter(|warning| warning.key == *key);
                    of_key.map(|warning| warning.text.clone()).collect()
                }
                Rule::Safe(_) | Rule::Rejected(_) | Rule::Danger => continue,
                Rule::On(_)
                | Rule::Off(_)
                | Rule::MoreThan(..)
                | Rule::LessThanPart(..)
                | Rule::LessThan(..)
                | Rule::Faster(..)
                | Rule::Words(..) => {
                    let default = value(&defaults, key);
                    let text = value(&seen, key).and_then(|seen| rule.finds(seen, default));
                    text.into_iter().collect()
                }
            };
            found.extend(texts.into_iter().map(|text| Warning::new(key, text)));
        }
        Ok(found)
    }

    /// Warnings of what weakens nothing and is likely a mistake.
    pub(crate) fn mistakes(&self) -> Vec<Warning> {
        let weakens = |key| KEYS.iter().any(|(known, rule)| *known == key && rule.is_warned());
        self.warnings().into_iter().filter(|warning| !weakens(warning.key)).collect()
    }

    /// The defaults of a profile.
    pub(crate) fn of_profile(profile: Profile) -> Result<Self, ConfigError> {
        let text = match profile {
            Profile::Development => "",
            Profile::Production | Profile::Strict => LEAST,
        };
        let sources = Sources { profile: Some(profile), ..Sources::default() };
        Self::read_text(Path::new("portcullis.toml"), text, &sources)
    }
}

/// The value of a key such as `rate.login_per_user`.
fn value<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.get(name)
}

impl Rule {
    fn is_warned(self) -> bool {
        matches!(self, Self::Warned)
    }

    /// What is weaker about a value, if anything.
    fn finds(self, seen: &Value, default: Option<&Value>) -> Option<String> {
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
            | Self::Judged(_) => None,
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    u64::try_from(value.as_integer()?).ok()
}

fn rate(value: &Value) -> Option<Rate> {
    value.as_str()?.parse().ok()
}

/// Whether more than so many times another rate pass, at once or over time.
pub(crate) fn is_faster(rate: Rate, other: Rate, factor: u32) -> bool {
    let most = u128::from(other.count) * u128::from(factor);
    let count = u128::from(rate.count);
    count > most || count * u128::from(other.period_ms) > most * u128::from(rate.period_ms)
}

/// Whether a word is a weak one, and weaker than another.
fn is_weaker(words: &[&str], seen: &str, default: &str) -> bool {
    let strength = |word| words.iter().position(|known| *known == word);
    strength(seen) > strength(default)
}
