//! Buckets by key, in a table of fixed size.
//! Never: a table that grows, or a full table that admits.

use parking_lot::Mutex;

use crate::tables::rate::{NS_A_MS, PERIOD_MAX_MS, Rate};

/// What a rejected attempt costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RejectionCost {
    /// Nothing: a client that waits for the reported time is admitted.
    Free,
    /// A quarter of an accepted one, until the wait is a period longer. A client that backs off
    /// gets through; repeated attempts block only their sender.
    Charged,
}

const SHARDS: usize = 64;
const WAYS: usize = 8;

#[derive(Clone, Copy, Default)]
pub(crate) struct Bucket {
    key: u64,
    /// The time at which the bucket has drained: then it is empty and free.
    pub(crate) arrival_ns: u64,
}

type Set = [Bucket; WAYS];

/// A two-way skewed, eight-slot set-associative table: a key has sixteen possible slots.
pub(crate) struct Table {
    shards: Box<[Mutex<Box<[Set]>>]>,
}

impl Table {
    pub(crate) fn new(keys_max: usize) -> Self {
        let sets = keys_max.div_ceil(SHARDS * WAYS).max(1);
        let shard = || Mutex::new(vec![[Bucket::default(); WAYS]; sets].into_boxed_slice());
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Disjoint bits choose the shard and the two sets of it.
    fn places(key: u64, sets: usize) -> [u64; 2] {
        let count = sets as u64;
        [(key & 0x1fff_ffff) % count, ((key >> 29) & 0x1fff_ffff) % count]
    }

    /// When the bucket of the key has drained; 0 when there is none.
    pub(crate) fn arrival_ns(&self, key: u64) -> u64 {
        let Some(shard) = self.shards.get((key >> 58) as usize) else { return u64::MAX };
        let sets = shard.lock();
        let places = Self::places(key, sets.len()).into_iter();
        let mut buckets = places.filter_map(|place| sets.get(place as usize)).flatten();
        buckets.find(|bucket| bucket.key == key).map_or(0, |bucket| bucket.arrival_ns)
    }

    /// Caps the arrival time of a key at `most_ns`, and returns it.
    pub(crate) fn capped_ns(&self, key: u64, most_ns: u64) -> u64 {
        let mut capped_ns = 0;
        self.change(key, |arrival_ns| {
            capped_ns = arrival_ns.min(most_ns);
            capped_ns
        });
        capped_ns
    }

    /// The numbers of used buckets and of all buckets. Reads one part at a time.
    pub(crate) fn fill(&self, now_ns: u64) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(used, max), shard| {
            let sets = shard.lock();
            let buckets = sets.iter().flatten();
            let full = buckets.filter(|bucket| bucket.arrival_ns > now_ns).count();
            (used + full, max + sets.len() * WAYS)
        })
    }

    pub(crate) fn clear(&self, key: u64) {
        self.change(key, |_| 0);
    }

    /// Sets when the bucket of a key has drained, where there is one.
    pub(crate) fn change(&self, key: u64, arrival_ns: impl FnOnce(u64) -> u64) {
        let Some(shard) = self.shards.get((key >> 58) as usize) else { return };
        let mut sets = shard.lock();
        for place in Self::places(key, sets.len()) {
            let mut buckets = sets.get_mut(place as usize).into_iter().flatten();
            if let Some(bucket) = buckets.find(|bucket| bucket.key == key) {
                bucket.arrival_ns = arrival_ns(bucket.arrival_ns);
                return;
            }
        }
    }

    /// Uses the bucket of a key, a new one where there is none.
    pub(crate) fn with(
        &self,
        key: u64,
        now_ns: u64,
        using: impl FnOnce(&mut Bucket) -> Result<(), u64>,
    ) -> Result<(), u64> {
        let Some(shard) = self.shards.get((key >> 58) as usize) else { return Err(PERIOD_MAX_MS) };
        let mut sets = shard.lock();
        let places = Self::places(key, sets.len());
        let mut free = None;
        let mut soonest_ns = u64::MAX;
        for place in places {
            let Some(set) = sets.get(place as usize) else { continue };
            for (way, bucket) in set.iter().enumerate() {
                if bucket.key == key {
                    let found = sets.get_mut(place as usize).and_then(|set| set.get_mut(way));
                    return found.map_or(Err(PERIOD_MAX_MS), using);
                }
                if bucket.arrival_ns <= now_ns && free.is_none() {
                    free = Some((place as usize, way));
                }
                soonest_ns = soonest_ns.min(bucket.arrival_ns);
            }
        }
        // A full set rejects: the new key waits until a bucket is empty.
        let full = Err(soonest_ns.saturating_sub(now_ns).div_ceil(NS_A_MS).max(1));
        let Some((place, way)) = free else { return full };
        let Some(bucket) = sets.get_mut(place).and_then(|set| set.get_mut(way)) else {
            return full;
        };
        *bucket = Bucket { key, arrival_ns: 0 };
        using(bucket)
    }
}

impl Bucket {
    /// Takes one of a rate without debts; an arrival time of a former rate is capped.
    pub(crate) fn take_capped(&mut self, rate: &Rate, now_ns: u64) -> Result<(), u64> {
        self.arrival_ns = self.arrival_ns.min(rate.used_up_ns(now_ns));
        self.take(rate, now_ns, RejectionCost::Free)
    }

    pub(crate) fn take(
        &mut self,
        rate: &Rate,
        now_ns: u64,
        refused: RejectionCost,
    ) -> Result<(), u64> {
        let longest = now_ns.saturating_add(rate.period_ns().saturating_mul(2));
        if refused == RejectionCost::Charged {
            // An arrival time of a former rate can be later.
            self.arrival_ns = self.arrival_ns.min(longest);
        }
        let outcome = rate.step(self.arrival_ns, now_ns);
        match (outcome, refused) {
            (Ok(next), _) => {
                self.arrival_ns = next;
                Ok(())
            }
            (Err(wait_ms), RejectionCost::Free) => Err(wait_ms),
            (Err(wait_ms), RejectionCost::Charged) => {
                let charged = self.arrival_ns.saturating_add(rate.interval_ns() / 4);
                self.arrival_ns = self.arrival_ns.max(charged.min(longest));
                Err(wait_ms)
            }
        }
    }
}
