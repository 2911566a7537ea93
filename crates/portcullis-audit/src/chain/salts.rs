//! Random salts for the personal parts of lines, fetched from the system in blocks.
//! Never: a salt twice, or one that follows from salts of other lines.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_model::Secret;

use super::hash::{ChainHash, SALT_BYTES, Salt};
use super::key::KeyError;

/// Bytes of a block: 256 salts.
const BLOCK_BYTES: usize = 256 * SALT_BYTES;
/// Bytes of the secret for salts while the system returns no random bytes.
const SECRET_BYTES: usize = 32;

/// The salts of one process.
pub(crate) struct Salts {
    random: SystemRandom,
    block: Vec<u8>,
    used: usize,
    secret: Secret<Vec<u8>>,
    counter: u128,
}

impl Salts {
    /// # Errors
    /// [`KeyError::Random`] if the system returns no random bytes.
    pub(crate) fn new() -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let mut secret = vec![0; SECRET_BYTES];
        random.fill(&mut secret).map_err(|_| KeyError::Random)?;
        let secret = Secret::new(secret);
        Ok(Self { random, block: vec![0; BLOCK_BYTES], used: BLOCK_BYTES, secret, counter: 0 })
    }

    /// The salt of the next line.
    pub(crate) fn next(&mut self) -> Salt {
        if self.used >= BLOCK_BYTES {
            self.used = 0;
            if self.random.fill(&mut self.block).is_err() {
                self.used = BLOCK_BYTES;
                return self.derive();
            }
        }
        let bytes = self.block.get(self.used..).and_then(|rest| rest.first_chunk::<SALT_BYTES>());
        let salt = bytes.map(|bytes| Salt(*bytes));
        self.used += SALT_BYTES;
        salt.unwrap_or_else(|| self.derive())
    }

    /// A salt from the secret, when the system returns no random bytes.
    fn derive(&mut self) -> Salt {
        self.counter += 1;
        let counter = Salt(self.counter.to_be_bytes());
        let hash = ChainHash::commitment(&counter, self.secret.expose());
        let bytes = hash.as_bytes().first_chunk::<SALT_BYTES>();
        bytes.map_or(counter, |bytes| Salt(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    // T-369
    #[test]
    fn salts_do_not_repeat() {
        let mut salts = Salts::new().unwrap();
        let mut seen: HashSet<_> = (0..2_000).map(|_| salts.next().0).collect();
        seen.extend((0..2_000).map(|_| salts.derive().0));
        assert_eq!(seen.len(), 4_000);
    }
}
