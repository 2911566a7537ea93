//! Recovery codes: 150 random bits each, for users who have lost their device.
//! Never: stored in plain text.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_model::{Denial, Secret};

/// Recovery codes of one user.
const RECOVERY_CODES: usize = 10;
/// Letters of a recovery code, of five bits each.
const RECOVERY_LETTERS: usize = 30;
/// Letters of the codes of older versions; unused ones are still accepted.
const OLD_LETTERS: usize = 20;
/// Crockford's base 32, in which no two letters look alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// The purpose for which the key of recovery codes is derived.
const KEY_PURPOSE: &[u8] = b"portcullis recovery code v2";

/// A text that has the form of a recovery code.
pub(crate) struct RecoveryCode {
    digest: [u8; 32],
    is_old: bool,
}

/// Creates the recovery codes of a user, in the form for the user.
///
/// # Errors
///
/// [`Denial::Internal`] if the system has no random bytes.
pub(crate) fn create_codes() -> Result<Vec<String>, Denial> {
    let random = SystemRandom::new();
    let code = |_| {
        let mut bytes = [0; RECOVERY_LETTERS];
        random.fill(&mut bytes).map_err(|_| Denial::Internal("randomness"))?;
        Ok(format_code(&bytes))
    };
    (0..RECOVERY_CODES).map(code).collect()
}

/// Formats a recovery code for the user: six groups `xxxxx-…`.
fn format_code(random: &[u8; RECOVERY_LETTERS]) -> String {
    let letters = random.iter().map(|byte| ALPHABET.get(usize::from(byte % 32)).copied());
    let mut code = String::new();
    for (index, letter) in letters.enumerate() {
        if index > 0 && index % 5 == 0 {
            code.push('-');
        }
        code.push(char::from(letter.unwrap_or(b'0')));
    }
    code
}

impl RecoveryCode {
    /// Reads a code as users type it, also in capitals or without hyphens.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let plain: String = text.chars().filter(|letter| *letter != '-').collect();
        let plain = plain.to_ascii_lowercase();
        let is_old = plain.len() == OLD_LETTERS;
        let fits = is_old || plain.len() == RECOVERY_LETTERS;
        let is_code = fits && plain.bytes().all(|byte| ALPHABET.contains(&byte));
        is_code.then(|| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(digest(&SHA256, plain.as_bytes()).as_ref());
            Self { digest: bytes, is_old }
        })
    }

    /// The hash that is stored: HMAC-SHA-256 under a key of the second factor of this user.
    ///
    /// The secret of the factor is random, belongs to one user, and is sealed in the database. So
    /// the hash is salted, and the database alone does not reveal if a guess is correct. Codes of
    /// older versions are stored as a plain digest.
    pub(crate) fn stored_hash(&self, factor: &Secret<Vec<u8>>) -> [u8; 32] {
        if self.is_old {
            return self.digest;
        }
        let root = hmac::Key::new(hmac::HMAC_SHA256, factor.expose());
        let key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, KEY_PURPOSE).as_ref());
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&key, &self.digest).as_ref());
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factors::totp::SECRET_BYTES;

    #[test]
    fn recovery_code_is_read_in_capitals_and_without_hyphens() {
        let code = format_code(&std::array::from_fn(|index| u8::try_from(index * 7).unwrap()));
        assert_eq!(code.len(), RECOVERY_LETTERS + 5);
        let factor = Secret::new(vec![7; SECRET_BYTES]);
        let hash_of = |text: &str| RecoveryCode::read(text).map(|code| code.stored_hash(&factor));
        let hash = hash_of(&code).unwrap();
        assert_eq!(hash_of(&code.to_uppercase()), Some(hash));
        assert_eq!(hash_of(&code.replace('-', "")), Some(hash));
        for wrong in ["", "287082", &code[1..], &format!("{code}0"), &code.replace('-', " ")] {
            assert_eq!(hash_of(wrong), None, "{wrong:?}");
        }
        assert_ne!(hash_of(&format_code(&[9; RECOVERY_LETTERS])), Some(hash));
    }

    #[test]
    fn recovery_code_hash_depends_on_the_user_except_for_old_codes() {
        let stored = |text: &str, factor: u8| {
            let factor = Secret::new(vec![factor; SECRET_BYTES]);
            RecoveryCode::read(text).unwrap().stored_hash(&factor)
        };
        let plain = |text: &str| digest(&SHA256, text.as_bytes());
        let code = "0123456789abcdefghjkmnpqrstvwx";
        assert_ne!(stored(code, 1), stored(code, 2), "the same code of two users");
        assert_ne!(stored(code, 1), plain(code).as_ref());
        let old = "0123456789abcdefghjk";
        assert_eq!(stored(old, 1), plain(old).as_ref());
    }
}
