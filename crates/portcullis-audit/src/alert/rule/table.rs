//! The keys of one trigger: 4,096 slots, found by a keyed hash.
//! Never: grows; a new key takes the slot of the coldest of eight, and starts at zero.

use super::slot::{PARTS, Slot, WindowTime};

/// Slots of one trigger.
pub(crate) const SLOTS: usize = 4_096;
/// A key can be in so many slots.
const WAYS: usize = 8;

/// The data that decide which key is evicted: eight heads fill two cache lines.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    /// The keyed hash of the key; zero is a free slot.
    hash: u64,
    /// The part in which the key was counted last, and its count then.
    part: u32,
    count: u32,
}

impl Head {
    /// The count, then the age; the lowest is evicted.
    fn heat(&self, time: WindowTime) -> (u32, u32) {
        let age = time.part.saturating_sub(u64::from(self.part));
        let count = if age > PARTS { 0 } else { self.count };
        if self.hash == 0 { (0, 0) } else { (count, self.part.saturating_add(1)) }
    }
}

/// The table, made at the first key. Memory: 4,096 slots of 184 bytes, 736 KiB.
#[derive(Debug, Default)]
pub(crate) struct Table {
    heads: Vec<Head>,
    slots: Vec<Slot>,
}

impl Table {
    /// Counts a record of a key, and a value; returns the slot of the key.
    pub(crate) fn add(&mut self, hash: u64, value: Option<u64>, time: WindowTime) -> Option<&Slot> {
        let hash = hash.max(1);
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::default());
            self.heads.resize(SLOTS, Head::default());
        }
        let buckets = (SLOTS / WAYS) as u64;
        let first = usize::try_from(hash % buckets).unwrap_or(0) * WAYS;
        let heads = self.heads.get_mut(first..first + WAYS)?;
        let known = heads.iter().position(|head| head.hash == hash);
        let coldest = || (0..).zip(&*heads).min_by_key(|(_, head)| head.heat(time));
        let way = known.or_else(|| coldest().map(|(way, _)| way))?;
        let slot = self.slots.get_mut(first + way)?;
        if known.is_none() {
            *slot = Slot::new(time);
        }
        slot.add(1, time);
        if let Some(value) = value {
            slot.add_value(value, time);
        }
        let count = u32::try_from(slot.count(time)).unwrap_or(u32::MAX);
        let part = u32::try_from(time.part).unwrap_or(u32::MAX);
        *heads.get_mut(way)? = Head { hash, part, count };
        Some(slot)
    }

    /// Bytes in use.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * (size_of::<Slot>() + size_of::<Head>())
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
            table.add(hash ^ (hash >> 31), None, time).unwrap();
            if number % 1_000 == 0 {
                heavy_max = heavy_max.max(table.add(42, None, time).unwrap().count(time));
            }
        }
        assert!(table.bytes() <= SLOTS * 192);
        assert!(heavy_max >= 10, "{heavy_max}");
    }

    #[test]
    fn new_key_starts_at_zero() {
        let mut table = Table::default();
        let time = WindowTime::of(0, 60);
        for key in 1..=WAYS as u64 {
            for count in 1..=100 {
                assert_eq!(table.add(key * 512, None, time).unwrap().count(time), count);
            }
        }
        assert_eq!(table.add(9 * 512, None, time).unwrap().count(time), 1);
        assert_eq!(table.add(2 * 512, None, time).unwrap().count(time), 101, "the oldest left");
    }
}
