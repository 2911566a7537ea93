//! The blocks that belong to the present or the last attack.
//! Never: more than 64 networks, or a block that is not in force any more.

use std::collections::BTreeSet;

use ipnet::IpNet;
use portcullis_model::Now;
use portcullis_server::Services;

use crate::operation::state::attack::blocked_parties::{ActiveBlock, block_covering};

/// Networks that are kept, the first ones of an attack.
const NETWORKS_MAX: usize = 64;

/// The networks whose blocks rejected clients of an attack, or were made while it lasted.
#[derive(Debug, Default)]
pub(crate) struct AttackBlocks {
    /// The beginning of the attack, in Unix milliseconds.
    began_unix_ms: i64,
    networks: BTreeSet<IpNet>,
}

impl AttackBlocks {
    /// Adds blocked networks of an attack; another attack starts anew.
    pub(crate) fn add(&mut self, began_unix_ms: i64, networks: impl IntoIterator<Item = IpNet>) {
        if self.began_unix_ms != began_unix_ms {
            *self = Self { began_unix_ms, networks: BTreeSet::new() };
        }
        for network in networks {
            if self.networks.len() < NETWORKS_MAX {
                self.networks.insert(network);
            }
        }
    }

    /// The blocks that are in force now, the one that ends first comes first.
    pub(crate) fn in_force(&self, services: &Services, now: Now) -> Vec<ActiveBlock> {
        let covering = |network: &IpNet| block_covering(services, *network, now);
        let mut blocks: Vec<ActiveBlock> = self.networks.iter().filter_map(covering).collect();
        blocks.sort_by(|one, other| {
            one.until.cmp(&other.until).then_with(|| one.network.cmp(&other.network))
        });
        blocks.dedup();
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: usize) -> IpNet {
        format!("10.{}.{}.0/24", number / 256, number % 256).parse().unwrap()
    }

    #[test]
    fn networks_are_those_of_one_attack_and_bounded() {
        let mut blocks = AttackBlocks::default();
        blocks.add(1_000, [network(1)]);
        blocks.add(1_000, [network(1), network(2)]);
        assert_eq!(blocks.networks.len(), 2);
        blocks.add(90_000, (0..100).map(network));
        assert_eq!((blocks.began_unix_ms, blocks.networks.len()), (90_000, NETWORKS_MAX));
        assert!(blocks.networks.contains(&network(0)));
    }
}
