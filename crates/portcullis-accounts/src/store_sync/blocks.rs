//! Blocked networks of the store: the facts for decisions, and the record of an end.
//! Never: a decision about a client; the guard makes it.

use portcullis_audit::{Audit, Outcome, Record, utc};
use portcullis_guard::{BlockFacts, BlockedNetwork, Directory};
use portcullis_model::{Code, Now};
use portcullis_store::BlockRow;

/// The facts about all blocks.
pub(crate) fn facts(rows: &[BlockRow]) -> Vec<BlockFacts> {
    rows.iter().filter_map(facts_of).collect()
}

/// The facts about a block. A row that another program has damaged blocks nothing.
pub(crate) fn facts_of(row: &BlockRow) -> Option<BlockFacts> {
    let network = BlockedNetwork::parse(&row.prefix).ok();
    if network.is_none() {
        tracing::warn!("the store has a block of an invalid network, which has no effect");
    }
    let (network, scope) = (network?, row.scope);
    Some(BlockFacts { network, scope, until_unix_ms: row.until_unix_ms })
}

/// Removes the block of a network.
pub(crate) fn remove(directory: &Directory, prefix: &str) {
    if let Ok(network) = BlockedNetwork::parse(prefix) {
        directory.blocks().remove(network);
    }
}

/// Records that a block has ended by itself.
pub(crate) fn record_end(audit: &Audit, row: &BlockRow, now: Now) {
    let mut record = Record::new(Code::BlockEnded);
    record.outcome = Outcome::Success;
    record.rule = "block";
    // A network can identify a person, so it is a label.
    record.labels.push(("address", row.prefix.clone()));
    record.labels.push(("scope", String::from(row.scope.name())));
    record.labels.push(("until", utc(row.until_unix_ms)));
    record.detail = Some(String::from("the block of a network has ended"));
    audit.record(record, now);
}
