//! The text of a password: in normal form KC, with bounds on its size.
//! Never: trimmed, cut, changed in case, printed, or required to contain certain characters.
//!
//! Devices compose characters differently, so a password is normalised before it is hashed (NIST SP
//! 800-63B-4 section 3.1.1.2). Older versions hashed the text without normalisation. So a text that
//! normalisation changes is verified in both forms.

use portcullis_model::{Denial, Secret, WeakPassword};
use serde::{Deserialize, Deserializer};
use unicode_normalization::{UnicodeNormalization, is_nfkc};

use super::common_passwords::is_common;

/// Fewest code points of a new password.
pub const PASSWORD_MIN_CHARS: usize = 8;
/// Most code points of a password.
pub const PASSWORD_MAX_CHARS: usize = 128;
/// Most bytes of a password: eight for each code point.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// Fewest guesses that a new password has to withstand. A login allows far fewer a day.
const GUESSES_MIN: u64 = 1_000_000;

/// Most code points that are estimated at a time. The cost grows with their square, and with each
/// character that can replace a letter.
const ESTIMATED_MAX_CHARS: usize = 32;

/// Longest text that is normalised, in bytes; a longer one is rejected without that cost.
const NORMALISED_MAX_BYTES: usize = 4 * PASSWORD_MAX_BYTES;

/// A password, in normal form KC.
#[derive(Debug, Clone)]
pub struct Password {
    text: Secret<String>,
    /// The text as the client sent it, if normalisation changes it.
    raw: Option<Secret<String>>,
}

impl Password {
    /// Normalises a text that a client sent.
    #[must_use]
    pub fn new(text: String) -> Self {
        if text.len() > NORMALISED_MAX_BYTES || is_nfkc(&text) {
            return Self { text: Secret::new(text), raw: None };
        }
        let normalised: String = text.nfkc().collect();
        Self { text: Secret::new(normalised), raw: Some(Secret::new(text)) }
    }

    /// Rejects a size that no password can have, before anything expensive is done with it.
    ///
    /// # Errors
    /// [`Denial::Schema`] with the field `password`; the same for all users.
    pub fn check_size(&self) -> Result<(), Denial> {
        let fits = |text: &Secret<String>| {
            let text = text.expose();
            text.len() <= PASSWORD_MAX_BYTES && text.chars().count() <= PASSWORD_MAX_CHARS
        };
        // Either form can be the longer one, and both can have been accepted in the past.
        let fits = fits(&self.text) || self.raw.as_ref().is_some_and(fits);
        let rule = "password_size";
        if fits { Ok(()) } else { Err(Denial::Schema { field: Some("password"), rule }) }
    }

    /// Rejects a new password that is too short, too long, well known, or built from context words.
    ///
    /// `context` holds words that an attacker of this account tries first: its name, and names of
    /// the site.
    ///
    /// # Errors
    /// The rule that the password breaks.
    pub fn check_new(&self, context: &[&str]) -> Result<(), WeakPassword> {
        let text = self.text.expose();
        let allowed = PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS;
        if text.len() > PASSWORD_MAX_BYTES || !allowed.contains(&text.chars().count()) {
            return Err(WeakPassword::Length);
        }
        let is_weak = |context: &[&str]| is_common(text, context) || is_guessable(text, context);
        if !is_weak(context) {
            return Ok(());
        }
        Err(if is_weak(&[]) { WeakPassword::Guessable } else { WeakPassword::Context })
    }

    /// As older versions read it.
    #[cfg(test)]
    pub(crate) fn without_normalisation(text: &str) -> Self {
        Self { text: Secret::new(String::from(text)), raw: None }
    }

    /// The text, in normal form KC.
    pub(crate) fn normalised(&self) -> &str {
        self.text.expose()
    }

    /// The bytes in normal form KC.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.expose().as_bytes()
    }

    /// The bytes as the client sent them, if normalisation changes them.
    pub(crate) fn raw_bytes(&self) -> Option<&[u8]> {
        self.raw.as_ref().map(|raw| raw.expose().as_bytes())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Whether an attacker with lists of leaked passwords, names and words needs less than a million
/// guesses, both for the first and for the last characters.
fn is_guessable(text: &str, context: &[&str]) -> bool {
    let is_weak = |part: &str| zxcvbn::zxcvbn(part, context).guesses() < GUESSES_MIN;
    let starts = || text.char_indices().map(|(at, _)| at);
    let Some(end) = starts().nth(ESTIMATED_MAX_CHARS) else { return is_weak(text) };
    let start = starts().rev().nth(ESTIMATED_MAX_CHARS - 1).unwrap_or(0);
    let (first, _) = text.split_at(end);
    let (_, last) = text.split_at(start);
    is_weak(first) && is_weak(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(String::from(text))
    }

    #[test]
    fn t_029_new_password_is_accepted_unless_short_long_or_weak() {
        let cases = [
            ("", false),
            ("sh0rt.x", false),
            ("gr\u{fc}n-elf", true),
            ("  two spaces around  ", true),
            ("nul \0 and tab \t", true),
            ("\u{1f98a}\u{1f4a1}\u{1f6b2}\u{1f3b7}\u{1f9ca}\u{1f335}\u{1f6f0}\u{1f9f2}", true),
            ("correct horse battery staple", true),
            ("password123456789", false),
        ];
        for (text, fine) in cases {
            let outcome = password(text).check_new(&["ann", "portcullis"]);
            assert_eq!(outcome.is_ok(), fine, "{text:?}");
        }
    }

    #[test]
    fn t_029_password_length_bounds_are_exact() {
        let pattern = "q8#Lw\u{e9}z!".repeat(200);
        let take = |count| password(&pattern.chars().take(count).collect::<String>());
        for (count, fine) in [(7, false), (8, true), (128, true), (129, false), (1_600, false)] {
            // The pattern is longer than any unit that counts as repeated.
            assert_eq!(take(count).check_new(&[]).is_ok(), fine, "{count}");
            assert_eq!(take(count).check_size().is_ok(), count <= 128, "{count}");
        }
        let mebibyte = password(&"x".repeat(1 << 20));
        assert!(mebibyte.check_size().is_err() && mebibyte.check_new(&[]).is_err());
    }

    #[test]
    fn t_029_long_password_is_rated_by_its_stronger_end() {
        let weak = "password".repeat(4);
        let good = "kLq9#vw2 stove-lantern Ostrich41";
        let check = |text: String| is_guessable(&text, &["ann"]);
        assert!(check(weak.clone()) && check(weak.repeat(4)) && !check(String::from(good)));
        assert!(!check(format!("{weak}{good}")) && !check(format!("{good}{weak}")));
        let wide =
            (0..60).filter_map(|n| char::from_u32(0x1f300 + n * 7)).flat_map(|c| [c, '\u{e9}']);
        assert!(!check(wide.collect()), "any text can be split");
    }

    #[test]
    fn t_029_length_bounds_apply_to_both_forms_of_a_password() {
        let decomposed = "q8L\u{1e69}z".nfd().collect::<String>().repeat(13);
        assert!(decomposed.chars().count() > 78 && password(&decomposed).check_size().is_ok());
        let long = "a\u{308}".repeat(128);
        assert!(password(&long).check_size().is_ok(), "128 characters");
        assert!(password(&"a\u{308}".repeat(129)).check_size().is_err());
        // One character that normalisation expands to eighteen.
        assert!(password(&"\u{fdfa}".repeat(128)).check_size().is_ok());
        assert!(password(&"\u{fdfa}".repeat(129)).check_size().is_err());
        assert!(password(&"\u{fdfa}".repeat(100_000)).check_size().is_err());
    }

    #[test]
    fn password_debug_output_hides_the_text() {
        for text in ["hunter22", "hu\u{308}nter22"] {
            assert!(!format!("{:?}", password(text)).contains("nter22"));
        }
    }
}
