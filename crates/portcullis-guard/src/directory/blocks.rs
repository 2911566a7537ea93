//! Networks that administrators have blocked, and the check of a client against them.
//! Never: a query of the store; a block that is in force after its end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ipnet::IpNet;
use parking_lot::{Mutex, RwLock};
use portcullis_model::limits::BLOCKS_MAX;
use portcullis_model::{BlockScope, Denial, Now};

use crate::capacity::client_class::ClientClass;
use crate::directory::block_rules::BlockedNetwork;
use crate::tables::network_table::NetworkTable;

/// A blocked network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockFacts {
    /// The network.
    pub network: BlockedNetwork,
    /// The clients that are rejected.
    pub scope: BlockScope,
    /// The end of the block, in milliseconds since 1970.
    pub until_unix_ms: i64,
}

impl BlockFacts {
    fn is_in_force(self, now: Now) -> bool {
        self.until_unix_ms > now.unix_ms
    }
}

/// A block, and how many clients it has rejected since the start.
#[derive(Debug, Clone)]
struct Block {
    facts: BlockFacts,
    rejected: Arc<AtomicU64>,
}

/// The blocked networks, about 0.5 MiB at most. A lookup without blocks is one load.
///
/// If several blocks cover an address, a block of all clients takes precedence over narrower
/// blocks of unauthenticated clients: no block is an exemption from another one.
#[derive(Debug, Default)]
pub struct Blocks {
    has_any: AtomicBool,
    table: RwLock<NetworkTable<Block>>,
    /// Held while a change builds the next table: lookups wait for the exchange only.
    changing: Mutex<()>,
}

impl Blocks {
    /// Checks that no block rejects a client. A signed-in user counts as a returning client.
    ///
    /// # Errors
    /// [`Denial::NetworkBlocked`]; the block counts it.
    pub fn check(&self, client: IpAddr, class: ClientClass, now: Now) -> Result<(), Denial> {
        if !self.has_any.load(Ordering::Acquire) {
            return Ok(());
        }
        let table = self.table.read();
        let in_force = |block: &&Block| block.facts.is_in_force(now);
        let rejects = |block: &&Block| match (block.facts.scope, class) {
            (BlockScope::All, _) | (BlockScope::Unauthenticated, ClientClass::Unauthenticated) => {
                true
            }
            (BlockScope::Unauthenticated, ClientClass::Returning | ClientClass::Admin) => false,
        };
        match table.around(client).filter(in_force).find(rejects) {
            None => Ok(()),
            Some(block) => {
                block.rejected.fetch_add(1, Ordering::Relaxed);
                Err(Denial::NetworkBlocked)
            }
        }
    }

    /// Puts a block in force, in place of an earlier one of the same network.
    ///
    /// The store limits the blocks that have not ended; a block above the limit has no effect.
    pub fn put(&self, block: BlockFacts, now: Now) {
        self.change(|blocks| {
            blocks.retain(|_, known| known.is_in_force(now));
            if blocks.len() < BLOCKS_MAX || blocks.contains_key(&block.network) {
                blocks.insert(block.network, block);
            }
        });
    }

    /// Removes the block of a network.
    pub fn remove(&self, network: BlockedNetwork) {
        self.change(|blocks| {
            blocks.remove(&network);
        });
    }

    /// Replaces all blocks; `true` if they differ from the ones before.
    ///
    /// Blocks that have ended are left out, so they take no space from the ones in force.
    pub fn replace(&self, blocks: Vec<BlockFacts>, now: Now) -> bool {
        let in_force = blocks.into_iter().filter(|block| block.is_in_force(now));
        let after = in_force.map(|block| (block.network, block)).take(BLOCKS_MAX).collect();
        self.change(|blocks| *blocks = after)
    }

    /// Builds the next table beside the current one; `true` if it differs.
    fn change(&self, edit: impl FnOnce(&mut HashMap<BlockedNetwork, BlockFacts>)) -> bool {
        let _one_at_a_time = self.changing.lock();
        let known: HashMap<_, _> =
            self.table.read().values().map(|block| (block.facts.network, block.clone())).collect();
        let before: HashMap<_, _> =
            known.iter().map(|(network, block)| (*network, block.facts)).collect();
        let mut after = before.clone();
        edit(&mut after);
        if after == before {
            return false;
        }
        let has_any = !after.is_empty();
        let table = NetworkTable::build(after.into_values().map(|facts| {
            let rejected = known.get(&facts.network).map(|block| Arc::clone(&block.rejected));
            (facts.network.network(), Block { facts, rejected: rejected.unwrap_or_default() })
        }));
        *self.table.write() = table;
        self.has_any.store(has_any, Ordering::Release);
        true
    }

    /// The block in force that covers a whole network: one of all clients, if there is one.
    #[must_use]
    pub fn covering(&self, network: IpNet, now: Now) -> Option<BlockFacts> {
        if !self.has_any.load(Ordering::Acquire) {
            return None;
        }
        let table = self.table.read();
        let facts = table.around(network.network()).map(|block| block.facts);
        let covers = |facts: &BlockFacts| {
            facts.is_in_force(now) && facts.network.network().contains(&network)
        };
        facts.filter(covers).max_by_key(|facts| facts.scope == BlockScope::All)
    }

    /// The number of clients that the block of a network has rejected since the start.
    #[must_use]
    pub fn rejected(&self, network: BlockedNetwork) -> u64 {
        let table = self.table.read();
        let mut around = table.around(network.network().network());
        let block = around.find(|block| block.facts.network == network);
        block.map_or(0, |block| block.rejected.load(Ordering::Relaxed))
    }

    /// The blocks that have not ended, in no order. Without blocks it is one load.
    #[must_use]
    pub fn in_force(&self, now: Now) -> Vec<BlockFacts> {
        if !self.has_any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let table = self.table.read();
        let facts = table.values().map(|block| block.facts);
        facts.filter(|facts| facts.is_in_force(now)).collect()
    }

    /// The number of blocks that have not ended, and the largest possible number.
    #[must_use]
    pub fn count(&self, now: Now) -> (usize, usize) {
        let table = self.table.read();
        let in_force = table.values().filter(|block| block.facts.is_in_force(now));
        (in_force.count(), BLOCKS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(network: &str, scope: BlockScope, until_unix_ms: i64) -> BlockFacts {
        BlockFacts { network: BlockedNetwork::parse(network).unwrap(), scope, until_unix_ms }
    }

    fn at(unix_ms: i64) -> Now {
        Now { monotonic_ms: 0, unix_ms }
    }

    fn is_rejected(blocks: &Blocks, client: &str, class: ClientClass, unix_ms: i64) -> bool {
        blocks.check(client.parse().unwrap(), class, at(unix_ms)).is_err()
    }

    #[test]
    fn t_406_block_rejects_its_scope_until_its_end() {
        use ClientClass::{Admin, Returning, Unauthenticated};
        let blocks = Blocks::default();
        assert!(!is_rejected(&blocks, "203.0.113.7", Unauthenticated, 0));
        blocks.put(block("203.0.113.0/24", BlockScope::Unauthenticated, 100), at(0));
        blocks.put(block("2001:db8::/48", BlockScope::All, 50), at(0));
        let cases = [
            ("203.0.113.7", Unauthenticated, 0, true),
            ("::ffff:203.0.113.7", Unauthenticated, 0, true),
            ("203.0.113.7", Returning, 0, false),
            ("203.0.113.7", Admin, 0, false),
            ("203.0.113.7", Unauthenticated, 99, true),
            ("203.0.113.7", Unauthenticated, 100, false),
            ("203.0.114.7", Unauthenticated, 0, false),
            ("2001:db8::7", Admin, 0, true),
            ("2001:db8::7", Admin, 50, false),
        ];
        for (client, class, unix_ms, expect) in cases {
            assert_eq!(is_rejected(&blocks, client, class, unix_ms), expect, "{client} {unix_ms}");
        }
        assert_eq!(blocks.rejected(BlockedNetwork::parse("203.0.113.0/24").unwrap()), 3);
        assert_eq!((blocks.count(at(0)).0, blocks.count(at(60)).0), (2, 1));
        let narrow = block("203.0.113.0/24", BlockScope::Unauthenticated, 100);
        assert_eq!(blocks.in_force(at(60)), [narrow]);
        blocks.remove(BlockedNetwork::parse("203.0.113.0/24").unwrap());
        assert!(!is_rejected(&blocks, "203.0.113.7", Unauthenticated, 0));
    }

    #[test]
    fn narrower_block_is_not_an_exemption_and_an_ended_one_hides_nothing() {
        use ClientClass::{Returning, Unauthenticated};
        let blocks = Blocks::default();
        blocks.put(block("203.0.113.0/24", BlockScope::All, 100), at(0));
        blocks.put(block("203.0.113.7", BlockScope::Unauthenticated, 50), at(0));
        assert!(is_rejected(&blocks, "203.0.113.7", Returning, 0));
        assert!(is_rejected(&blocks, "203.0.113.7", Unauthenticated, 60));
        blocks.put(block("203.0.113.0/24", BlockScope::Unauthenticated, 100), at(0));
        assert!(!is_rejected(&blocks, "203.0.113.7", Returning, 0));
        let narrow = BlockedNetwork::parse("203.0.113.7").unwrap();
        let rejected = blocks.rejected(narrow);
        assert!(!blocks.replace(
            vec![
                block("203.0.113.7", BlockScope::Unauthenticated, 50),
                block("203.0.113.0/24", BlockScope::Unauthenticated, 100),
            ],
            at(0)
        ));
        let longer = vec![block("203.0.113.7", BlockScope::Unauthenticated, 70)];
        assert!(blocks.replace(longer, at(0)));
        assert_eq!(blocks.rejected(narrow), rejected, "a changed block keeps its count");
    }

    #[test]
    fn full_table_rejects_only_the_blocked_addresses() {
        let blocks = Blocks::default();
        let of = |number: u32| IpAddr::from((0x2000_0000_u32 + 2 * number).to_be_bytes());
        let all = (0..5_000)
            .map(|number| block(&of(number).to_string(), BlockScope::Unauthenticated, 100));
        assert!(blocks.replace(all.collect(), at(0)));
        assert_eq!(blocks.count(at(0)), (4_096, 4_096));
        let rejects = |address| blocks.check(address, ClientClass::Unauthenticated, at(0)).is_err();
        assert!((0..4_096).all(|number| rejects(of(number))));
        assert!(!rejects(of(4_096)) && !rejects(IpAddr::from([32, 0, 0, 1])));
    }

    #[test]
    fn ended_blocks_take_no_space_from_new_ones() {
        let scope = BlockScope::Unauthenticated;
        let of = |number: u32| IpAddr::from((0x2000_0000_u32 + 2 * number).to_be_bytes());
        let ended = |number| block(&of(number).to_string(), scope, 100);
        let later = block("203.0.113.0/24", scope, 200);
        let is_blocked =
            |blocks: &Blocks| is_rejected(blocks, "203.0.113.7", ClientClass::Unauthenticated, 150);
        let blocks = Blocks::default();
        blocks.replace((0..4_096).map(ended).collect(), at(0));
        blocks.put(later, at(0));
        assert!(!is_blocked(&blocks), "the table is full");
        blocks.put(later, at(100));
        assert!(is_blocked(&blocks));
        assert_eq!(blocks.count(at(0)).0, 1, "the ended blocks are removed");
        let restarted = Blocks::default();
        restarted.replace((0..4_096).map(ended).chain([later]).collect(), at(100));
        assert!(is_blocked(&restarted));
    }

    #[test]
    fn block_that_covers_a_whole_network_is_found_until_it_ends() {
        let blocks = Blocks::default();
        let of = |text: &str| text.parse::<IpNet>().unwrap();
        assert_eq!(blocks.covering(of("203.0.113.0/24"), at(0)), None);
        let wide = block("203.0.112.0/20", BlockScope::Unauthenticated, 2_000);
        let narrow = block("203.0.113.0/24", BlockScope::All, 1_000);
        blocks.replace(vec![wide, narrow], at(0));
        assert_eq!(blocks.covering(of("203.0.113.0/25"), at(0)), Some(narrow));
        assert_eq!(blocks.covering(of("203.0.112.0/23"), at(0)), Some(wide));
        assert_eq!(blocks.covering(of("203.0.0.0/16"), at(0)), None, "it covers only a part");
        assert_eq!(blocks.covering(of("203.0.113.0/24"), at(1_500)), Some(wide));
        assert_eq!(blocks.covering(of("203.0.113.0/24"), at(2_000)), None);
    }
}
