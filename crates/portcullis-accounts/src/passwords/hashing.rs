//! Hashes of passwords: Argon2id, one hash takes 19 MiB and tens of milliseconds.
//! Never: a hash on a thread that serves connections; the pool has threads of its own.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use portcullis_model::{Denial, Secret};

use super::password::Password;

/// Memory of one hash: 19 MiB, with two passes and parallelism 1 (OWASP password storage, PW-1).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const PARALLELISM: u32 = 1;

/// The result of verifying a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordMatch {
    /// It is a different password.
    No,
    /// It is the hashed password.
    Yes,
    /// It is the hashed password, but without normalisation: the hash has to be renewed.
    AsSent,
}

/// Creates and verifies hashes.
#[derive(Debug, Clone)]
pub struct PasswordHashing {
    parameters: Params,
}

impl PasswordHashing {
    /// Argon2id with the cost that this server uses.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the library rejects the parameters.
    pub fn standard() -> Result<Self, Denial> {
        Self::with_cost(MEMORY_KIB, PASSES)
    }

    fn with_cost(memory_kib: u32, passes: u32) -> Result<Self, Denial> {
        let parameters = Params::new(memory_kib, passes, PARALLELISM, None)
            .map_err(|_| Denial::Internal("password_parameters"))?;
        Ok(Self { parameters })
    }

    /// Costs almost nothing and gives no protection.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::with_cost(Params::MIN_M_COST, 1).unwrap()
    }

    /// Hashes a password; the result is a PHC string with salt and parameters.
    ///
    /// # Errors
    /// [`Denial::Internal`] when there is not enough memory.
    pub fn hash(&self, password: &Password, salt: &[u8; 16]) -> Result<Secret<String>, Denial> {
        let hashed: PasswordHash = self
            .argon2()
            .hash_password_with_salt(password.bytes(), salt)
            .map_err(|_| Denial::Internal("password_hash"))?;
        Ok(Secret::new(hashed.to_string()))
    }

    /// Verifies a password against a stored hash, in constant time.
    ///
    /// A text that normalisation changes always costs two hashes. So the time depends on the text
    /// of the client only, not on the match or on whether the user exists. An invalid stored hash
    /// matches nothing.
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

    /// Whether a stored hash has another cost or algorithm than new hashes.
    #[must_use]
    pub fn is_outdated(&self, stored: &Secret<String>) -> bool {
        let (memory, passes) = (self.parameters.m_cost(), self.parameters.t_cost());
        let current = format!("$argon2id$v=19$m={memory},t={passes},p={PARALLELISM}$");
        !stored.expose().starts_with(&current)
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
    fn hashing_normalises_the_password_and_changes_nothing_else() {
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
    fn password_matches_in_the_composed_and_decomposed_form() {
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
    fn hash_of_a_text_without_normalisation_still_verifies() {
        let hashing = PasswordHashing::for_tests();
        let raw = "pa\u{308}sswo\u{308}rter";
        let as_sent = Password::without_normalisation(raw);
        let stored = hashing.hash(&as_sent, &[7; 16]).unwrap();
        assert_eq!(hashing.verify(&password(raw), &stored), PasswordMatch::AsSent);
        assert_eq!(hashing.verify(&password("passworter"), &stored), PasswordMatch::No);
    }

    #[test]
    fn standard_cost_is_part_of_the_hash() {
        let hashing = PasswordHashing::standard().unwrap();
        let stored = hashing.hash(&password("any"), &[1; 16]).unwrap();
        assert!(stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }
}
