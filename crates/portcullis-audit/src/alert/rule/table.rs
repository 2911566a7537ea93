//! The keys of one trigger: 4,096 slots, found by a keyed hash.
//! Never: grows; a new key takes the slot of the coldest of eight, and starts at zero.

use super::slot::{Slot, WindowTime};

/// Slots of one trigger.
pub(crate) const SLOTS: usize = 4_096;
/// A key can be in so many slots.
const WAYS: usize = 8;

/// The table, made at the first key. Memory: 4,096 slots of 192 bytes, 768 KiB.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
}

impl Table {
    /// The slot of a key.
    pub(crate) fn slot(&mut self, hash: u64, time: WindowTime) -> Option<&mut Slot> {
        let hash = hash.max(1);
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::default());
        }
        let buckets = (SLOTS / WAYS) as u64;
        let first = usize::try_from(hash % buckets).unwrap_or(0) * WAYS;
        let ways = self.slots.get_mut(first..first + WAYS)?;
        if let Some(way) = ways.iter().position(|slot| slot.hash == hash) {
            return ways.get_mut(way);
        }
        let coldest = ways.iter_mut().min_by_key(|slot| slot.heat(time))?;
        *coldest = Slot::new(hash, time);
        Some(coldest)
    }

    /// Bytes in use.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // T-387
    #[test]
    fn t387_heavy_key_is_found_among_a_million_and_the_table_is_bounded() {
        let mut table = Table::default();
        let mut state = 7_u64;
        let mut heavy_max = 0;
        for number in 0..1_000_000_u64 {
            // SplitMix64: hashes of different keys.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut hash = state;
            hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let time = WindowTime::of(number * 60 / 1_000, 600);
            table.slot(hash ^ (hash >> 31), time).unwrap().add(1, time);
            if number % 1_000 == 0 {
                let slot = table.slot(42, time).unwrap();
                slot.add(1, time);
                heavy_max = heavy_max.max(slot.count(time));
            }
        }
        assert!(table.bytes() <= SLOTS * 192);
        assert!(heavy_max >= 10, "{heavy_max}");
    }

    #[test]
    fn new_key_starts_at_zero() {
        let mut table = Table::default();
        let time = WindowTime::of(0, 60);
        for way in 0..=WAYS as u64 {
            let slot = table.slot((way + 1) * 512, time).unwrap();
            assert_eq!(slot.count(time), 0);
            slot.add(100 + way, time);
        }
    }
}
