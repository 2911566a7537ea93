//! Passwords: in normal form KC, bounded, hashed with Argon2id.
//! Never: trimmed, cut, changed in case, printed, or asked for particular characters.
//!
//! Devices compose characters differently, so the text of a password is normalised before it is
//! hashed (NIST SP 800-63B-4 section 3.1.1.2). Hashes of older versions were made of the text as it
//! came: a text that normalisation changes is checked in both forms.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use portcullis_model::{Denial, Secret, WeakPassword};
use serde::{Deserialize, Deserializer};
use unicode_normalization::{UnicodeNormalization, is_nfkc};

use crate::passwords::common_passwords::is_common;

/// Fewest code points of a new password.
pub const PASSWORD_MIN_CHARS: usize = 8;
/// Most code points of a password.
pub const PASSWORD_MAX_CHARS: usize = 128;
/// Most bytes of a password: four for each code point, and as much again.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// Fewest guesses a new password has to withstand; a log-in is held to far fewer a day.
const GUESSES_MIN: u64 = 1_000_000;

/// Most code points the guesser is given at a time: what it does with one grows with the square of
/// them, and with every character that may stand for a letter.
const GUESSED_MAX_CHARS: usize = 32;

/// Memory of one hash: 19 MiB, two passes, one lane (OWASP password storage, PW-1).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Longest text that is normalised; a longer one is refused, and costs no more than its length.
const NORMALISED_MAX_BYTES: usize = 4 * PASSWORD_MAX_BYTES;

/// A password, in normal form KC.
#[derive(Debug, Clone)]
pub struct Password {
    text: Secret<String>,
    /// As the client sent it, where that is another text.
    raw: Option<Secret<String>>,
}

impl Password {
    /// Takes a text as the client sent it.
    #[must_use]
    pub fn new(text: String) -> Self {
        if text.len() > NORMALISED_MAX_BYTES || is_nfkc(&text) {
            return Self { text: Secret::new(text), raw: None };
        }
        let normalised: String = text.nfkc().collect();
        Self { text: Secret::new(normalised), raw: Some(Secret::new(text)) }
    }

    /// Refuses what no account can have, before anything expensive is done with it.
    ///
    /// # Errors
    /// [`Denial::Schema`] naming the field `password`; the same whoever the user is.
    pub fn check_size(&self) -> Result<(), Denial> {
        let fits = |text: &Secret<String>| {
            let text = text.expose();
            text.len() <= PASSWORD_MAX_BYTES && text.chars().count() <= PASSWORD_MAX_CHARS
        };
        // Either form may be the longer one, and have been accepted.
        let fits = fits(&self.text) || self.raw.as_ref().is_some_and(fits);
        let rule = "password_size";
        if fits { Ok(()) } else { Err(Denial::Schema { field: Some("password"), rule }) }
    }

    /// Rejects what a new password may not be: too short, too long, well known, or made of words
    /// of its context.
    ///
    /// `context` are words an attacker of this account tries first: its name, names of the site.
    ///
    /// # Errors
    /// The rule that rejects it.
    pub fn check_new(&self, context: &[&str]) -> Result<(), WeakPassword> {
        let text = self.text.expose();
        let allowed = PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS;
        if text.len() > PASSWORD_MAX_BYTES || !allowed.contains(&text.chars().count()) {
            return Err(WeakPassword::Length);
        }
        let is_weak = |context: &[&str]| is_common(text, context) || is_guessed(text, context);
        if !is_weak(context) {
            return Ok(());
        }
        Err(if is_weak(&[]) { WeakPassword::Guessable } else { WeakPassword::Context })
    }

    /// The text, in normal form KC.
    pub(crate) fn normalised(&self) -> &str {
        self.text.expose()
    }

    fn bytes(&self) -> &[u8] {
        self.text.expose().as_bytes()
    }

    fn raw_bytes(&self) -> Option<&[u8]> {
        self.raw.as_ref().map(|raw| raw.expose().as_bytes())
    }
}

/// What checking a password comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordMatch {
    /// It is another one.
    No,
    /// It is the one that was hashed.
    Yes,
    /// It is, and the hash was made of the text as it came: it has to be made again.
    AsSent,
}

/// Whether a guesser with lists of leaked passwords, names and words gets there in a million tries:
/// with the beginning, and with the end.
fn is_guessed(text: &str, context: &[&str]) -> bool {
    let guessed = |part: &str| zxcvbn::zxcvbn(part, context).guesses() < GUESSES_MIN;
    let starts = || text.char_indices().map(|(at, _)| at);
    let Some(end) = starts().nth(GUESSED_MAX_CHARS) else { return guessed(text) };
    let start = starts().rev().nth(GUESSED_MAX_CHARS - 1).unwrap_or(0);
    let (first, _) = text.split_at(end);
    let (_, last) = text.split_at(start);
    guessed(first) && guessed(last)
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Makes and checks hashes. One hash takes 19 MiB and tens of milliseconds.
#[derive(Debug, Clone)]
pub struct PasswordHashing {
    parameters: Params,
}

impl PasswordHashing {
    /// Argon2id with the cost this server uses.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the library refuses the parameters.
    pub fn standard() -> Result<Self, Denial> {
        Self::with_cost(MEMORY_KIB, PASSES)
    }

    fn with_cost(memory_kib: u32, passes: u32) -> Result<Self, Denial> {
        let parameters = Params::new(memory_kib, passes, LANES, None)
            .map_err(|_| Denial::Internal("password_parameters"))?;
        Ok(Self { parameters })
    }

    /// Costs next to nothing and protects nothing.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::with_cost(Params::MIN_M_COST, 1).unwrap()
    }

    /// Hashes a password; the answer is a PHC string that carries salt and parameters.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the memory is not there.
    pub fn hash(&self, password: &Password, salt: &[u8; 16]) -> Result<Secret<String>, Denial> {
        let hashed: PasswordHash = self
            .argon2()
            .hash_password_with_salt(password.bytes(), salt)
            .map_err(|_| Denial::Internal("password_hash"))?;
        Ok(Secret::new(hashed.to_string()))
    }

    /// Whether the password is the one that was hashed; compares in constant time.
    ///
    /// A text that normalisation changes costs two hashes, whichever of them matches, and whether
    /// the user exists: the time depends on nothing but what the client sent. A stored text that is
    /// no hash of ours matches nothing.
    #[must_use]
    pub fn verify(&self, password: &Password, stored: &Secret<String>) -> PasswordMatch {
        let Ok(parsed) = PasswordHash::new(stored.expose()) else {
            tracing::error!("a stored password hash cannot be read; its user cannot log in");
            return PasswordMatch::No;
        };
        let matches = |bytes: &[u8]| self.argon2().verify_password(bytes, &parsed).is_ok();
        let normalised = matches(password.bytes());
        let as_sent = password.raw_bytes().is_some_and(matches);
        match (normalised, as_sent) {
            (true, _) => PasswordMatch::Yes,
            (false, true) => PasswordMatch::AsSent,
            (false, false) => PasswordMatch::No,
        }
    }

    /// Whether a stored hash was made at another cost than today's, or in another way.
    #[must_use]
    pub fn is_outdated(&self, stored: &Secret<String>) -> bool {
        let (memory, passes) = (self.parameters.m_cost(), self.parameters.t_cost());
        let today = format!("$argon2id$v=19$m={memory},t={passes},p={LANES}$");
        !stored.expose().starts_with(&today)
    }

    fn argon2(&self) -> Argon2<'_> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.parameters.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(String::from(text))
    }

    #[test]
    fn t_029_new_passwords_are_bounded_and_otherwise_free() {
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
    fn t_029_the_bounds_are_exact() {
        let pattern = "q8#Lw\u{e9}z!".repeat(200);
        let take = |count| password(&pattern.chars().take(count).collect::<String>());
        for (count, fine) in [(7, false), (8, true), (128, true), (129, false), (1_600, false)] {
            // The repeated pattern itself is no well-known password: it is longer than any rule.
            assert_eq!(take(count).check_new(&[]).is_ok(), fine, "{count}");
            assert_eq!(take(count).check_size().is_ok(), count <= 128, "{count}");
        }
        let mebibyte = password(&"x".repeat(1 << 20));
        assert!(mebibyte.check_size().is_err() && mebibyte.check_new(&[]).is_err());
    }

    #[test]
    fn t_029_a_long_password_is_as_good_as_its_better_end() {
        let weak = "password".repeat(4);
        let good = "kLq9#vw2 stove-lantern Ostrich41";
        let check = |text: String| is_guessed(&text, &["ann"]);
        assert!(check(weak.clone()) && check(weak.repeat(4)) && !check(String::from(good)));
        assert!(!check(format!("{weak}{good}")) && !check(format!("{good}{weak}")));
        let wide =
            (0..60).filter_map(|n| char::from_u32(0x1f300 + n * 7)).flat_map(|c| [c, '\u{e9}']);
        assert!(!check(wide.collect()), "any text can be cut");
    }

    #[test]
    fn nothing_but_the_normal_form_is_folded_before_hashing() {
        let hashing = PasswordHashing::for_tests();
        let stored = hashing.hash(&password("  P\u{e4}ss \0 "), &[7; 16]).unwrap();
        let others = ["P\u{e4}ss \0", "  Pass \0 ", "  p\u{e4}ss \0 ", "  P\u{e4}ss ", ""];
        assert_eq!(hashing.verify(&password("  P\u{e4}ss \0 "), &stored), PasswordMatch::Yes);
        for other in others {
            assert_eq!(hashing.verify(&password(other), &stored), PasswordMatch::No, "{other:?}");
        }
        let not_a_hash = Secret::new(String::from("not a hash"));
        assert_eq!(hashing.verify(&password("x"), &not_a_hash), PasswordMatch::No);
    }

    #[test]
    fn one_password_typed_on_two_devices_is_one_password() {
        let hashing = PasswordHashing::for_tests();
        for (one, other) in [
            ("p\u{e4}ssw\u{f6}rter", "pa\u{308}sswo\u{308}rter"),
            ("teapots \u{ff11}\u{ff12}\u{ff13}", "teapots 123"),
            ("\u{d55c}\u{ae00}", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            ("non\u{a0}breaking", "non breaking"),
            ("\u{fb01}n de si\u{e8}cle", "fin de sie\u{300}cle"),
        ] {
            for (made, typed) in [(one, other), (other, one), (one, one), (other, other)] {
                let stored = hashing.hash(&password(made), &[7; 16]).unwrap();
                let outcome = hashing.verify(&password(typed), &stored);
                assert_eq!(outcome, PasswordMatch::Yes, "{made} {typed}");
            }
            assert_eq!(password(one).check_new(&[]), password(other).check_new(&[]));
        }
    }

    #[test]
    fn hashes_of_texts_as_they_came_keep_working() {
        let hashing = PasswordHashing::for_tests();
        let raw = "pa\u{308}sswo\u{308}rter";
        let as_it_came = Password { text: Secret::new(String::from(raw)), raw: None };
        let stored = hashing.hash(&as_it_came, &[7; 16]).unwrap();
        assert_eq!(hashing.verify(&password(raw), &stored), PasswordMatch::AsSent);
        assert_eq!(hashing.verify(&password("passworter"), &stored), PasswordMatch::No);
    }

    #[test]
    fn t_029_both_forms_of_a_password_have_the_same_bounds() {
        let decomposed = "q8L\u{1e69}z".nfd().collect::<String>().repeat(13);
        assert!(decomposed.chars().count() > 78 && password(&decomposed).check_size().is_ok());
        let long = "a\u{308}".repeat(128);
        assert!(password(&long).check_size().is_ok(), "128 characters");
        assert!(password(&"a\u{308}".repeat(129)).check_size().is_err());
        // One character that becomes eighteen: it was accepted as it came.
        assert!(password(&"\u{fdfa}".repeat(128)).check_size().is_ok());
        assert!(password(&"\u{fdfa}".repeat(129)).check_size().is_err());
        assert!(password(&"\u{fdfa}".repeat(100_000)).check_size().is_err());
    }

    #[test]
    fn the_standard_cost_is_written_in_the_hash() {
        let hashing = PasswordHashing::standard().unwrap();
        let stored = hashing.hash(&password("any"), &[1; 16]).unwrap();
        assert!(stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[test]
    fn a_password_is_not_printed() {
        for text in ["hunter22", "hu\u{308}nter22"] {
            assert!(!format!("{:?}", password(text)).contains("nter22"));
        }
    }
}
