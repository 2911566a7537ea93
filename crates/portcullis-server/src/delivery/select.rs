//! Counts or ends the connections of a selection, for administrators.
//! Never: a decision about who may do this; the caller has made it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis_model::Denial;

use crate::delivery::collector::ResponseCollector;
use crate::delivery::hub::{Delta, Hub};
use crate::delivery::selection::{
    ConnectionSelection, SelectionCounts, SelectionEffect, SelectionRequest,
};

/// Longest wait for the shards; a shard answers in about a millisecond.
const SHARDS_TIMEOUT: Duration = Duration::from_secs(2);

/// Counts the connections of a selection, as of one moment of each shard.
///
/// # Errors
/// [`Denial::Busy`] when the queue of a shard is full.
pub async fn count_connections(
    hub: &Hub,
    selection: ConnectionSelection,
) -> Result<SelectionCounts, Denial> {
    request(hub, selection, SelectionEffect::Count).await
}

/// Ends the connections of a selection; their clients can connect again.
///
/// # Errors
/// [`Denial::Busy`] when the queue of a shard is full; other shards may have ended theirs.
pub async fn end_connections(
    hub: &Hub,
    selection: ConnectionSelection,
) -> Result<SelectionCounts, Denial> {
    request(hub, selection, SelectionEffect::End).await
}

async fn request(
    hub: &Hub,
    selection: ConnectionSelection,
    effect: SelectionEffect,
) -> Result<SelectionCounts, Denial> {
    let collector = ResponseCollector::new(hub.shard_count());
    let request = SelectionRequest { selection, effect, collector: Arc::clone(&collector) };
    hub.try_deliver(Delta::Select(request)).map_err(|_| Denial::Busy)?;
    let (answers, _) = collector.wait(SHARDS_TIMEOUT).await;
    let mut counts = SelectionCounts::default();
    let mut users = HashSet::new();
    for answer in answers {
        counts.connections += answer.connections;
        counts.signed_in += answer.signed_in;
        users.extend(answer.users);
    }
    Ok(SelectionCounts { users: users.len(), ..counts })
}
