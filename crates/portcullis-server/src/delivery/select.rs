//! Counts or ends the connections of a selection, for administrators.
//! Never: the permission to do so; the caller has checked it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use portcullis_model::Denial;

use crate::delivery::collector::ResponseCollector;
use crate::delivery::hub::{Delta, Hub};
use crate::delivery::selection::{
    ConnectionSelection, SelectionCounts, SelectionEffect, SelectionRequest, ShardSelection,
};

/// Longest wait for the shards; a shard answers in about a millisecond.
const SHARDS_TIMEOUT: Duration = Duration::from_secs(2);

/// Counts the connections of a selection, as of one moment of each shard.
///
/// # Errors
/// [`Denial::Busy`] when the queue of a shard is full, or a shard does not answer in time.
pub async fn count_connections(
    hub: &Hub,
    selection: ConnectionSelection,
) -> Result<SelectionCounts, Denial> {
    count_within(hub, selection, SHARDS_TIMEOUT).await
}

async fn count_within(
    hub: &Hub,
    selection: ConnectionSelection,
    limit: Duration,
) -> Result<SelectionCounts, Denial> {
    let answers = request(hub, selection, SelectionEffect::Count, limit).await?;
    // A preview without the clients of one shard would understate the effect.
    if answers.len() < hub.shard_count() {
        return Err(Denial::Busy);
    }
    Ok(sum(answers))
}

/// Ends the connections of a selection; their clients can connect again.
///
/// # Errors
/// [`Denial::Busy`] when the queue of a shard is full; other shards may have ended theirs.
pub async fn end_connections(
    hub: &Hub,
    selection: ConnectionSelection,
) -> Result<SelectionCounts, Denial> {
    Ok(sum(request(hub, selection, SelectionEffect::End, SHARDS_TIMEOUT).await?))
}

/// The answers of the shards that answer in time.
async fn request(
    hub: &Hub,
    selection: ConnectionSelection,
    effect: SelectionEffect,
    limit: Duration,
) -> Result<Vec<ShardSelection>, Denial> {
    let collector = ResponseCollector::new(hub.shard_count());
    let request = SelectionRequest { selection, effect, collector: Arc::clone(&collector) };
    hub.try_deliver(Delta::Select(request)).map_err(|_| Denial::Busy)?;
    let (answers, _) = collector.wait(limit).await;
    Ok(answers)
}

fn sum(answers: Vec<ShardSelection>) -> SelectionCounts {
    let mut counts = SelectionCounts::default();
    let mut users = HashSet::new();
    for answer in answers {
        counts.connections += answer.connections;
        counts.signed_in += answer.signed_in;
        users.extend(answer.users);
    }
    SelectionCounts { users: users.len(), ..counts }
}

#[cfg(test)]
mod tests {
    use portcullis_model::UserId;

    use super::*;

    #[tokio::test]
    async fn count_needs_the_answer_of_each_shard() {
        let user = ConnectionSelection::User(UserId::parse("ann").unwrap());
        for (answering, expect) in [(2, Ok(2)), (1, Err(Denial::Busy))] {
            let (hub, mut shards) = Hub::new(2);
            let limit = Duration::from_millis(if answering == 2 { 60_000 } else { 10 });
            let count = count_within(&hub, user.clone(), limit);
            let answers = async {
                for shard in shards.iter_mut().take(answering) {
                    let batch = shard.recv().await.unwrap();
                    let Some(Delta::Select(request)) = batch.deltas.first() else {
                        panic!("another delta");
                    };
                    let users = HashSet::from([UserId::parse("ann").unwrap()]);
                    let answer = ShardSelection { connections: 1, signed_in: 1, users };
                    request.collector.add([answer]);
                    request.collector.shard_done();
                }
            };
            let (counts, ()) = tokio::join!(count, answers);
            let counts = counts.inspect(|counts| assert_eq!(counts.users, 1, "the same user"));
            assert_eq!(counts.map(|counts| counts.connections), expect);
        }
    }
}
