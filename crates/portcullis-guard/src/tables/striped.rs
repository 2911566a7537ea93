//! A map that every shard reads at every decision.
//! Never: a lock held longer than a look-up.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use parking_lot::RwLock;

const STRIPES: usize = 64;

/// A map cut into stripes with a lock each, so that shards seldom wait for one another.
pub(crate) struct StripedMap<K, V> {
    hasher: RandomState,
    stripes: [RwLock<HashMap<K, V>>; STRIPES],
}

impl<K: Eq + Hash, V> StripedMap<K, V> {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), stripes: std::array::from_fn(|_| RwLock::default()) }
    }

    pub(crate) fn read<R>(&self, key: &K, look: impl FnOnce(Option<&V>) -> R) -> R {
        look(self.stripe(key).read().get(key))
    }

    pub(crate) fn write<R>(&self, key: &K, change: impl FnOnce(&mut HashMap<K, V>) -> R) -> R {
        change(&mut self.stripe(key).write())
    }

    /// All keys, read stripe by stripe; not a snapshot of one moment.
    pub(crate) fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        let stripes = self.stripes.iter();
        stripes.flat_map(|stripe| stripe.read().keys().cloned().collect::<Vec<_>>()).collect()
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the number of stripes")]
    fn stripe(&self, key: &K) -> &RwLock<HashMap<K, V>> {
        &self.stripes[self.hasher.hash_one(key) as usize % STRIPES]
    }
}
