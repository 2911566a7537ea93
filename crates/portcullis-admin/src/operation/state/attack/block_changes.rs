//! The blocks that began, changed or ended in the last 24 hours: marks in the charts.
//! Never: more than 64 changes, or a block that was in force at the start.

use std::collections::{BTreeMap, VecDeque};

use ipnet::IpNet;
use portcullis_audit::utc;
use portcullis_guard::BlockFacts;
use portcullis_model::{BlockScope, Now};
use serde_json::{Value, json};

/// Changes that are kept, the newest ones.
const CHANGES_MAX: usize = 64;
/// The time for which a change is kept: that of the longer time line.
const KEPT_MS: i64 = 24 * 3_600 * 1_000;

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChangeKind {
    /// A network was blocked.
    Blocked,
    /// A block concerns other clients than before.
    Rescoped,
    /// A block was removed before its end.
    Removed,
    /// A block ended by itself.
    Ended,
}

impl ChangeKind {
    fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Rescoped => "rescoped",
            Self::Removed => "removed",
            Self::Ended => "ended",
        }
    }
}

/// One change.
#[derive(Debug, Clone, Copy)]
struct BlockChange {
    unix_ms: i64,
    kind: ChangeKind,
    network: IpNet,
    scope: BlockScope,
}

/// The changes of blocks. Memory: 64 changes, and 4,096 blocks of 64 bytes, 0.3 MiB.
#[derive(Default)]
pub(crate) struct BlockChanges {
    /// The blocks of the last sample; none before the first one.
    known: Option<BTreeMap<IpNet, BlockFacts>>,
    changes: VecDeque<BlockChange>,
}

impl BlockChanges {
    /// Adds a sample of the blocks in force.
    pub(crate) fn add(&mut self, in_force: Vec<BlockFacts>, now: Now) {
        let present: BTreeMap<_, _> =
            in_force.into_iter().map(|facts| (facts.network.network(), facts)).collect();
        if let Some(known) = self.known.take() {
            for (network, facts) in &known {
                if !present.contains_key(network) {
                    self.push(end_of(facts, now));
                }
            }
            for (network, facts) in &present {
                let kind = match known.get(network) {
                    None => ChangeKind::Blocked,
                    Some(before) if before.scope != facts.scope => ChangeKind::Rescoped,
                    Some(_) => continue,
                };
                let (network, scope) = (*network, facts.scope);
                self.push(BlockChange { unix_ms: now.unix_ms, kind, network, scope });
            }
        }
        self.known = Some(present);
        self.changes.retain(|change| now.unix_ms - change.unix_ms <= KEPT_MS);
    }

    fn push(&mut self, change: BlockChange) {
        if self.changes.len() >= CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// The networks that were blocked, or blocked for other clients, since a time.
    pub(crate) fn blocked_since(&self, unix_ms: i64) -> impl Iterator<Item = IpNet> {
        let recent = self.changes.iter().filter(move |change| change.unix_ms >= unix_ms);
        let is_block = |kind| matches!(kind, ChangeKind::Blocked | ChangeKind::Rescoped);
        recent.filter(move |change| is_block(change.kind)).map(|change| change.network)
    }

    /// The changes since a time as JSON, oldest first.
    pub(crate) fn since(&self, unix_ms: i64) -> Vec<Value> {
        let recent = self.changes.iter().filter(|change| change.unix_ms >= unix_ms);
        recent
            .map(|change| {
                json!({
                    "at": utc(change.unix_ms),
                    "change": change.kind.name(),
                    "prefix": change.network.to_string(),
                    "scope": change.scope.name(),
                })
            })
            .collect()
    }
}

/// The end of a block that is not in force any more.
fn end_of(facts: &BlockFacts, now: Now) -> BlockChange {
    let has_ended = facts.until_unix_ms <= now.unix_ms;
    let (unix_ms, kind) = if has_ended {
        (facts.until_unix_ms, ChangeKind::Ended)
    } else {
        (now.unix_ms, ChangeKind::Removed)
    };
    BlockChange { unix_ms, kind, network: facts.network.network(), scope: facts.scope }
}

#[cfg(test)]
mod tests {
    use portcullis_guard::BlockedNetwork;

    use super::*;

    fn block(network: &str, scope: BlockScope, until_unix_ms: i64) -> BlockFacts {
        BlockFacts { network: BlockedNetwork::parse(network).unwrap(), scope, until_unix_ms }
    }

    fn at(unix_ms: i64) -> Now {
        Now { monotonic_ms: 0, unix_ms }
    }

    /// The kind and the network of each change.
    fn words(changes: &BlockChanges, since: i64) -> Vec<String> {
        let found = changes.since(since);
        let word = |change: &Value, name: &str| change[name].as_str().unwrap().to_owned();
        found
            .iter()
            .map(|one| {
                let (change, prefix) = (word(one, "change"), word(one, "prefix"));
                format!("{change} {prefix} {}", word(one, "scope"))
            })
            .collect()
    }

    #[test]
    fn changes_are_differences_between_samples() {
        use BlockScope::{All, Unauthenticated};
        let mut changes = BlockChanges::default();
        let old = block("192.0.2.0/24", Unauthenticated, 10_000);
        let flood = block("203.0.113.0/24", Unauthenticated, 60_000);
        let wider = block("203.0.113.0/24", All, 60_000);
        let longer = block("203.0.113.0/24", All, 90_000);
        for (unix_ms, in_force) in [
            (1_000, vec![old]),
            (2_000, vec![old, flood]),
            (3_000, vec![old, wider]),
            (4_000, vec![old, longer]),
            (10_500, vec![longer]),
            (11_000, vec![]),
        ] {
            changes.add(in_force, at(unix_ms));
        }
        let expect = [
            "blocked 203.0.113.0/24 unauthenticated",
            "rescoped 203.0.113.0/24 all",
            "ended 192.0.2.0/24 unauthenticated",
            "removed 203.0.113.0/24 all",
        ];
        assert_eq!(words(&changes, 0), expect);
        assert_eq!(words(&changes, 10_000), expect[2..]);
        let blocked: Vec<_> = changes.blocked_since(2_500).collect();
        assert_eq!(blocked, [wider.network.network()]);
        assert_eq!(changes.since(0)[2]["at"], utc(10_000), "an end has the time of the block");
        changes.add(vec![], at(10_500 + KEPT_MS));
        assert_eq!(words(&changes, 0), expect[3..]);
    }

    #[test]
    fn many_changes_leave_the_newest_ones() {
        let mut changes = BlockChanges::default();
        changes.add(vec![], at(0));
        for number in 0..100_u8 {
            let network = format!("10.0.{number}.0/24");
            let until_unix_ms = 1_000 * (i64::from(number) + 2);
            let facts = block(&network, BlockScope::All, until_unix_ms);
            changes.add(vec![facts], at(1_000 * (i64::from(number) + 1)));
        }
        let found = words(&changes, 0);
        assert_eq!(found.len(), CHANGES_MAX);
        assert_eq!(found.last().unwrap(), "blocked 10.0.99.0/24 all");
    }
}
