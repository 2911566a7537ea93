//! Unpredictable identifiers, and references that only have to be different.
//! Never: a predictable secret; without randomness, the caller gets a denial.

use std::cell::{Cell, RefCell};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_guard::ReferenceKey;
use portcullis_model::{Answer, Denial, Now, Reference};

/// A secret identifier of `BYTES` random bytes, as base64url text.
///
/// # Errors
/// [`Denial::Internal`] when the system provides no randomness.
pub fn random_id<const BYTES: usize>() -> Result<String, Denial> {
    random_bytes::<BYTES>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Bytes that are read from the generator at once; a connection needs about seventy.
const POOL_BYTES: usize = 1024;

/// Random bytes that are not used yet; used ones are zeroed.
struct Pool {
    bytes: [u8; POOL_BYTES],
    left: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], left: 0 }) };
}

/// Secret random bytes.
pub(crate) fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES], Denial> {
    POOL.with_borrow_mut(|pool| {
        if pool.left < BYTES {
            let filled = SystemRandom::new().fill(&mut pool.bytes);
            filled.map_err(|_| Denial::Internal("randomness"))?;
            pool.left = POOL_BYTES;
        }
        let from = pool.left.checked_sub(BYTES).ok_or(Denial::Internal("randomness"))?;
        let used = pool.bytes.get_mut(from..pool.left).unwrap_or_default();
        let mut bytes = [0u8; BYTES];
        bytes.copy_from_slice(used);
        used.fill(0);
        pool.left = from;
        Ok(bytes)
    })
}

/// Makes the short references that a rejection and its security record share.
#[derive(Debug)]
pub(crate) struct References {
    key: ReferenceKey,
    shard: u16,
    counter: Cell<u64>,
    /// The state of a random generator for jitter (`SplitMix64`).
    state: Cell<u64>,
}

/// A key for references that is valid as long as this process.
pub(crate) fn passing_reference_key() -> ReferenceKey {
    let mut key = [0u8; 16];
    // Without randomness, references can be decrypted; they contain no secret.
    let _drawn = SystemRandom::new().fill(&mut key);
    ReferenceKey::new(key)
}

impl References {
    pub(crate) fn new(key: ReferenceKey, shard: u16) -> Self {
        let mut seed = [0u8; 8];
        // Without a seed, two restarts have the same jitter.
        let _seeded = SystemRandom::new().fill(&mut seed);
        let state = u64::from_le_bytes(seed);
        // After a restart within four seconds, references differ from the earlier ones.
        Self { key, shard, counter: Cell::new(state), state: Cell::new(state) }
    }

    /// An evenly distributed 64-bit number; for jitter, never for secrets.
    pub(crate) fn next_number(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The reference of one denial: its row and the time, encrypted with the key.
    pub(crate) fn next(&self, answer: &Answer, now: Now) -> Option<Reference> {
        let counter = self.counter.get().wrapping_add(1);
        self.counter.set(counter);
        self.key.reference(answer, now, self.shard, counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_differ_and_ids_have_their_full_length() {
        let references = References::new(passing_reference_key(), 0);
        let next = || references.next(&Denial::Busy.answer(), Now::default());
        assert_ne!(next(), next());
        let id = random_id::<20>().unwrap();
        assert_eq!(id.len(), 27);
        assert_ne!(id, random_id::<20>().unwrap());
    }

    #[test]
    fn random_bytes_are_never_reused() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            assert!(seen.insert(random_bytes::<16>().unwrap()));
        }
        let (one, other) = (random_bytes::<512>().unwrap(), random_bytes::<1024>().unwrap());
        assert!(other.windows(16).all(|window| *window != one[..16]));
        assert!(random_bytes::<2048>().is_err(), "more bytes than the pool has");
    }
}
