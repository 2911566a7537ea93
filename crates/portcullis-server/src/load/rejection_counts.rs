//! Counts of rejections by limit or rule, one table for each shard.
//! Never: a key that a client chose; each key is a word of this program.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Tables; shards with the same remainder share one.
const TABLES: usize = 16;

/// The rejections since the start, by the name of the limit or rule.
///
/// A shard locks its own table, so it does not wait. The key that it counted last is found first:
/// in a flood, a count is one comparison. A table has as many entries as there are words: about
/// 200, so 16 tables take 80 KiB at most.
#[derive(Debug, Default)]
pub(crate) struct RejectionCounts([Mutex<Vec<(&'static str, u64)>>; TABLES]);

impl RejectionCounts {
    /// Counts one rejection.
    pub(crate) fn add(&self, shard: u16, name: &'static str) {
        let Some(table) = self.0.get(usize::from(shard) % TABLES) else { return };
        let mut table = table.lock();
        match table.iter().position(|(known, _)| *known == name) {
            Some(index) => {
                table.swap(0, index);
                if let Some((_, count)) = table.first_mut() {
                    *count += 1;
                }
            }
            None => table.push((name, 1)),
        }
    }

    /// The sums of all shards.
    pub(crate) fn read(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        for table in &self.0 {
            for (name, count) in &*table.lock() {
                *sums.entry(*name).or_default() += *count;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_shards_are_added() {
        let counts = RejectionCounts::default();
        for (shard, name) in [(0, "a"), (0, "b"), (0, "a"), (1, "a"), (16, "b"), (15, "c")] {
            counts.add(shard, name);
        }
        assert_eq!(counts.read(), BTreeMap::from([("a", 3), ("b", 2), ("c", 1)]));
    }
}
