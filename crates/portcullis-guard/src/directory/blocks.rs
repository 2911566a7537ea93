//! Networks that administrators have blocked: which clients of them are rejected.
//! Never: a query of the store; a block that is in force after its end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;
use portcullis_model::{BlockScope, Denial, Now};

use crate::capacity::client_class::ClientClass;
use crate::directory::block_rules::BlockedNetwork;
use crate::tables::network_table::NetworkTable;

/// Most blocked networks; about 0.5 MiB.
const BLOCKS_MAX: usize = 4_096;

/// A blocked network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockFacts {
    /// The network.
    pub network: BlockedNetwork,
    /// Which clients are rejected.
    pub scope: BlockScope,
    /// The end of the block, in milliseconds since 1970.
    pub until_unix_ms: i64,
}

/// A block, and how many clients it has rejected since the start.
#[derive(Debug)]
struct Block {
    facts: BlockFacts,
    rejected: Arc<AtomicU64>,
}

/// The blocked networks. A lookup without blocks is one load.
///
/// If several blocks cover an address, a block of all clients takes precedence over narrower
/// blocks of unauthenticated clients: no block is an exemption from another one.
#[derive(Debug, Default)]
pub struct Blocks {
    has_any: AtomicBool,
    table: RwLock<NetworkTable<Block>>,
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
        let in_force = |block: &&Block| block.facts.until_unix_ms > now.unix_ms;
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
    pub fn put(&self, block: BlockFacts) {
        let mut all: Vec<_> = self.facts();
        all.retain(|known| known.network != block.network);
        all.push(block);
        self.replace(all);
    }

    /// Removes the block of a network.
    pub fn remove(&self, network: BlockedNetwork) {
        let mut all: Vec<_> = self.facts();
        all.retain(|known| known.network != network);
        self.replace(all);
    }

    /// Replaces all blocks; `true` if they differ from the ones before.
    ///
    /// The store limits their number. Blocks above the limit have no effect.
    pub fn replace(&self, blocks: Vec<BlockFacts>) -> bool {
        let mut table = self.table.write();
        let known: HashMap<_, _> = table
            .values()
            .map(|block| (block.facts.network, (block.facts.clone(), Arc::clone(&block.rejected))))
            .collect();
        let by_network: HashMap<_, _> =
            blocks.into_iter().map(|block| (block.network, block)).take(BLOCKS_MAX).collect();
        let is_same = by_network.len() == known.len()
            && by_network
                .values()
                .all(|block| known.get(&block.network).is_some_and(|(facts, _)| facts == block));
        if is_same {
            return false;
        }
        self.has_any.store(!by_network.is_empty(), Ordering::Release);
        *table = NetworkTable::build(by_network.into_values().map(|facts| {
            let rejected = known.get(&facts.network).map(|(_, rejected)| Arc::clone(rejected));
            (facts.network.network(), Block { rejected: rejected.unwrap_or_default(), facts })
        }));
        true
    }

    /// How many clients the block of a network has rejected since the start of the server.
    #[must_use]
    pub fn rejected(&self, network: BlockedNetwork) -> u64 {
        let table = self.table.read();
        let mut around = table.around(network.network().network());
        let block = around.find(|block| block.facts.network == network);
        block.map_or(0, |block| block.rejected.load(Ordering::Relaxed))
    }

    /// The number of blocks that have not ended, and the largest possible number.
    #[must_use]
    pub fn count(&self, now: Now) -> (usize, usize) {
        let table = self.table.read();
        let in_force = table.values().filter(|block| block.facts.until_unix_ms > now.unix_ms);
        (in_force.count(), BLOCKS_MAX)
    }

    fn facts(&self) -> Vec<BlockFacts> {
        self.table.read().values().map(|block| block.facts.clone()).collect()
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
        blocks.put(block("203.0.113.0/24", BlockScope::Unauthenticated, 100));
        blocks.put(block("2001:db8::/48", BlockScope::All, 50));
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
        blocks.remove(BlockedNetwork::parse("203.0.113.0/24").unwrap());
        assert!(!is_rejected(&blocks, "203.0.113.7", Unauthenticated, 0));
    }

    #[test]
    fn narrower_block_is_not_an_exemption_and_an_ended_one_hides_nothing() {
        use ClientClass::{Returning, Unauthenticated};
        let blocks = Blocks::default();
        blocks.put(block("203.0.113.0/24", BlockScope::All, 100));
        blocks.put(block("203.0.113.7", BlockScope::Unauthenticated, 50));
        assert!(is_rejected(&blocks, "203.0.113.7", Returning, 0));
        assert!(is_rejected(&blocks, "203.0.113.7", Unauthenticated, 60));
        blocks.put(block("203.0.113.0/24", BlockScope::Unauthenticated, 100));
        assert!(!is_rejected(&blocks, "203.0.113.7", Returning, 0));
        let narrow = BlockedNetwork::parse("203.0.113.7").unwrap();
        let rejected = blocks.rejected(narrow);
        assert!(!blocks.replace(vec![
            block("203.0.113.7", BlockScope::Unauthenticated, 50),
            block("203.0.113.0/24", BlockScope::Unauthenticated, 100),
        ]));
        assert!(blocks.replace(vec![block("203.0.113.7", BlockScope::Unauthenticated, 70)]));
        assert_eq!(blocks.rejected(narrow), rejected, "a changed block keeps its count");
    }

    #[test]
    fn full_table_rejects_only_the_blocked_addresses() {
        let blocks = Blocks::default();
        let of = |number: u32| IpAddr::from((0x2000_0000_u32 + 2 * number).to_be_bytes());
        let all = (0..5_000)
            .map(|number| block(&of(number).to_string(), BlockScope::Unauthenticated, 100));
        assert!(blocks.replace(all.collect()));
        assert_eq!(blocks.count(at(0)), (4_096, 4_096));
        let rejects = |address| blocks.check(address, ClientClass::Unauthenticated, at(0)).is_err();
        assert!((0..4_096).all(|number| rejects(of(number))));
        assert!(!rejects(of(4_096)) && !rejects(IpAddr::from([32, 0, 0, 1])));
    }
}
