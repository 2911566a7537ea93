//! The number of different values among all records of a trigger, without a key.
//! Never: more than 4,096 values; the count stays there.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::slot::{PARTS, WindowTime};

/// Most values that are counted.
const VALUES_MAX: usize = 4_096;

/// A hasher for keys that are hashes already.
#[derive(Debug, Default)]
pub(crate) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// A map from keyed hashes.
pub(crate) type HashedMap<V> = HashMap<u64, V, BuildHasherDefault<IdentityHasher>>;

/// The values of one trigger. Memory: about 24 bytes a value, 96 KiB.
#[derive(Debug, Default)]
pub(crate) struct DistinctValues {
    parts: HashedMap<u64>,
    newest: u64,
}

impl DistinctValues {
    /// Adds a value, and returns how many the window has.
    pub(crate) fn add(&mut self, hash: u64, time: WindowTime) -> u64 {
        if time.part > self.newest {
            self.newest = time.part;
            let oldest = self.newest.saturating_sub(PARTS - 1);
            self.parts.retain(|_, part| *part >= oldest);
        }
        if self.parts.len() < VALUES_MAX || self.parts.contains_key(&hash) {
            self.parts.insert(hash, self.newest);
        }
        self.parts.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_once_within_a_window_and_are_bounded() {
        let mut values = DistinctValues::default();
        for value in 0..100 {
            assert_eq!(values.add(value, WindowTime::of(value * 100, 60)), value + 1);
            assert_eq!(values.add(value, WindowTime::of(value * 100, 60)), value + 1);
        }
        assert_eq!(values.add(7, WindowTime::of(120_000, 60)), 1);
        for value in 0..10_000 {
            values.add(value, WindowTime::of(120_000, 60));
        }
        assert_eq!(values.add(3, WindowTime::of(120_000, 60)), 4_096);
    }
}
