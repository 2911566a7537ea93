//! Passwords: taken as they are, bounded, hashed with Argon2id.
//! Never: trimmed, normalised, cut, printed, or asked for particular characters.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use portcullis_model::{Denial, Secret};
use serde::{Deserialize, Deserializer};

use crate::password_common::is_common;

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

/// A password as the client sent it.
#[derive(Debug, Clone)]
pub struct Password(Secret<String>);

impl Password {
    /// Takes the text as it is.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// Refuses what no account can have, before anything expensive is done with it.
    ///
    /// # Errors
    /// [`Denial::Schema`] naming the field `password`; the same whoever the user is.
    pub fn check_size(&self) -> Result<(), Denial> {
        let text = self.0.expose();
        let fits = text.len() <= PASSWORD_MAX_BYTES && text.chars().count() <= PASSWORD_MAX_CHARS;
        let rule = "password_size";
        if fits { Ok(()) } else { Err(Denial::Schema { field: Some("password"), rule }) }
    }

    /// Refuses what a new password may not be: too short, too long, or well known.
    ///
    /// `context` are words an attacker of this account tries first: its name, the product's.
    ///
    /// # Errors
    /// [`Denial::PasswordWeak`].
    pub fn check_new(&self, context: &[&str]) -> Result<(), Denial> {
        let text = self.0.expose();
        if text.len() > PASSWORD_MAX_BYTES {
            return Err(Denial::PasswordWeak);
        }
        let allowed = PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS;
        let fits = allowed.contains(&text.chars().count());
        if !fits || is_common(text, context) || is_guessed(text, context) {
            return Err(Denial::PasswordWeak);
        }
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
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
    /// A stored text that is no hash of ours matches nothing.
    #[must_use]
    pub fn verify(&self, password: &Password, stored: &Secret<String>) -> bool {
        let Ok(parsed) = PasswordHash::new(stored.expose()) else {
            tracing::error!("a stored password hash cannot be read; its user cannot log in");
            return false;
        };
        self.argon2().verify_password(password.bytes(), &parsed).is_ok()
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
            assert_eq!(outcome, if fine { Ok(()) } else { Err(Denial::PasswordWeak) }, "{text:?}");
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
    fn nothing_is_folded_before_hashing() {
        let hashing = PasswordHashing::for_tests();
        let stored = hashing.hash(&password("  P\u{e4}ss \0 "), &[7; 16]).unwrap();
        let others = ["P\u{e4}ss \0", "  Pa\u{308}ss \0 ", "  p\u{e4}ss \0 ", "  P\u{e4}ss ", ""];
        assert!(hashing.verify(&password("  P\u{e4}ss \0 "), &stored));
        for other in others {
            assert!(!hashing.verify(&password(other), &stored), "{other:?}");
        }
        assert!(!hashing.verify(&password("x"), &Secret::new(String::from("not a hash"))));
    }

    #[test]
    fn the_standard_cost_is_written_in_the_hash() {
        let hashing = PasswordHashing::standard().unwrap();
        let stored = hashing.hash(&password("any"), &[1; 16]).unwrap();
        assert!(stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", password("hunter22")), "Password(Secret(..))");
    }
}
