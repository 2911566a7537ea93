//! Lists open connections for administrators, page by page.
//! Never: a shard that looks through more connections in one turn than its bound.

use std::fmt;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use portcullis_guard::User;
use portcullis_model::{ConnectionId, Denial, UserId};
use tokio::time::sleep;

use crate::delivery::collector::ResponseCollector;
use crate::delivery::hub::{Delta, Hub};

/// Connections that a shard compares with the filter in one turn, which takes 1 ms at most.
pub(crate) const INSPECTED_PER_TURN: usize = 256;
/// Turns of all shards for one page; the cursor continues after them.
const TURNS_MAX: usize = 256;
/// Longest time of one page, below the usual `handler_timeout_ms`. A shard answers in about a
/// millisecond.
const PAGE_TIMEOUT: Duration = Duration::from_secs(1);

/// The connections that are listed; all conditions have to hold.
#[derive(Debug, Clone, Default)]
pub struct ConnectionFilter {
    /// Connections of this user.
    pub user: Option<UserId>,
    /// Connections from one of these networks; none for all.
    pub networks: Vec<IpNet>,
    /// Connections on which a user is signed in, or on which none is.
    pub signed_in: Option<bool>,
}

/// An open connection, as of one moment.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// Its id.
    pub id: ConnectionId,
    /// The user who is signed in.
    pub user: Option<Arc<User>>,
    /// The client's address.
    pub address: IpAddr,
    /// The form of its messages: `socketio`, `websocket` (the plain form) or `engineio`.
    pub form: &'static str,
    /// The transport: `websocket` or `polling`.
    pub transport: &'static str,
    /// When it was opened.
    pub opened_unix_ms: i64,
    /// The rooms of all its sockets.
    pub rooms: usize,
    /// Bytes that wait for the client.
    pub outbox_bytes: usize,
    /// Messages of the client in the last minute.
    pub messages_per_minute: u32,
    /// Rejected requests of the client on this connection.
    pub rejected: u16,
}

/// A part of the open connections, by id.
#[derive(Debug, Clone, Default)]
pub struct ConnectionPage {
    /// The connections.
    pub connections: Vec<ConnectionInfo>,
    /// The connection after which the next page begins; `None` at the end.
    pub next: Option<ConnectionId>,
}

/// A request for one turn of one shard.
#[derive(Clone)]
pub struct InspectionRequest {
    pub(crate) filter: Arc<ConnectionFilter>,
    /// Only connections with a greater number.
    pub(crate) after: u64,
    pub(crate) limit: usize,
    pub(crate) collector: Arc<ResponseCollector<InspectionAnswer>>,
}

impl fmt::Debug for InspectionRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("InspectionRequest").field(&self.filter).finish()
    }
}

/// The answer of one turn.
pub(crate) struct InspectionAnswer {
    pub(crate) found: Vec<ConnectionInfo>,
    /// The number after which the next turn continues; `None` at the end of the shard.
    pub(crate) next: Option<u64>,
}

/// Lists at most `limit` connections with ids after `after`, in the order of their ids.
///
/// Each turn of a shard compares 256 connections, and other work of the shard runs between two
/// turns. A page can have fewer connections than `limit` although others follow: it ends after
/// 256 turns, and after a second.
///
/// # Errors
/// [`Denial::Busy`] when the queue of a shard is full, or no shard answers within a second.
pub async fn inspect_connections(
    hub: &Hub,
    filter: ConnectionFilter,
    after: Option<ConnectionId>,
    limit: usize,
) -> Result<ConnectionPage, Denial> {
    inspect_within(hub, filter, after, limit, PAGE_TIMEOUT).await
}

/// [`inspect_connections`] within a time.
async fn inspect_within(
    hub: &Hub,
    filter: ConnectionFilter,
    after: Option<ConnectionId>,
    limit: usize,
    time: Duration,
) -> Result<ConnectionPage, Denial> {
    let mut end = pin!(sleep(time));
    let filter = Arc::new(filter);
    let shards = u16::try_from(hub.shard_count()).unwrap_or(u16::MAX);
    let mut position = after.unwrap_or(ConnectionId { shard: 0, number: 0 });
    let mut connections = Vec::new();
    for turn in 0..TURNS_MAX {
        if position.shard >= shards {
            return Ok(ConnectionPage { connections, next: None });
        }
        let limit_left = limit.saturating_sub(connections.len());
        if limit_left == 0 {
            break;
        }
        let InspectionAnswer { found, next } = tokio::select! {
            biased;
            // The next page continues here; it is busy while the shard does not answer.
            () = &mut end => match turn {
                0 => return Err(Denial::Busy),
                _ => break,
            },
            answer = inspect_shard(hub, &filter, position, limit_left, time) => answer?,
        };
        connections.extend(found);
        position = match next {
            Some(number) => ConnectionId { number, ..position },
            None => ConnectionId { shard: position.shard.saturating_add(1), number: 0 },
        };
    }
    Ok(ConnectionPage { connections, next: Some(position) })
}

/// One open connection.
///
/// # Errors
/// As [`inspect_connections`].
pub async fn inspect_connection(
    hub: &Hub,
    id: ConnectionId,
) -> Result<Option<ConnectionInfo>, Denial> {
    let Some(before) = id.number.checked_sub(1) else { return Ok(None) };
    if usize::from(id.shard) >= hub.shard_count() {
        return Ok(None);
    }
    let position = ConnectionId { number: before, ..id };
    let answer = inspect_shard(hub, &Arc::default(), position, 1, PAGE_TIMEOUT).await?;
    Ok(answer.found.into_iter().find(|found| found.id == id))
}

/// One turn of one shard.
async fn inspect_shard(
    hub: &Hub,
    filter: &Arc<ConnectionFilter>,
    position: ConnectionId,
    limit: usize,
    timeout: Duration,
) -> Result<InspectionAnswer, Denial> {
    let collector = ResponseCollector::new(1);
    let request = InspectionRequest {
        filter: Arc::clone(filter),
        after: position.number,
        limit,
        collector: Arc::clone(&collector),
    };
    hub.try_deliver_to(position.shard, Delta::Inspect(request))?;
    let (answers, _) = collector.wait(timeout).await;
    answers.into_iter().next().ok_or(Denial::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(shard: u16, number: u64) -> ConnectionId {
        ConnectionId { shard, number }
    }

    fn info(id: ConnectionId) -> ConnectionInfo {
        ConnectionInfo {
            id,
            user: None,
            address: IpAddr::from([192, 0, 2, 1]),
            form: "socketio",
            transport: "websocket",
            opened_unix_ms: 0,
            rooms: 0,
            outbox_bytes: 0,
            messages_per_minute: 0,
            rejected: 0,
        }
    }

    /// Shards of three connections each, which compare two in a turn.
    async fn page(after: Option<ConnectionId>, limit: usize) -> (Vec<String>, Option<String>) {
        let (hub, mut shards) = Hub::new(2);
        let inspect = inspect_connections(&hub, ConnectionFilter::default(), after, limit);
        let answers = async {
            loop {
                let [first, second] = shards.as_mut_slice() else { panic!("two shards") };
                let (shard, batch) = tokio::select! {
                    batch = first.recv() => (0, batch.unwrap()),
                    batch = second.recv() => (1, batch.unwrap()),
                };
                let Some(Delta::Inspect(request)) = batch.deltas.first() else {
                    panic!("another delta");
                };
                let numbers = (request.after + 1..=3).take(request.limit.min(2));
                let found: Vec<_> = numbers.map(|number| info(id(shard, number))).collect();
                let last = found.last().map(|last| last.id.number);
                let next = last.filter(|last| *last < 3);
                request.collector.add([InspectionAnswer { found, next }]);
                request.collector.shard_done();
            }
        };
        let page = tokio::select! {
            page = inspect => page.unwrap(),
            () = answers => unreachable!(),
        };
        let ids = page.connections.iter().map(|found| found.id.to_string()).collect();
        (ids, page.next.map(|next| next.to_string()))
    }

    #[tokio::test]
    async fn pages_continue_over_turns_and_shards_until_the_end() {
        let all = ["0-1", "0-2", "0-3", "1-1", "1-2", "1-3"];
        for (after, limit, expect, next) in [
            (None, 10, &all[..], None),
            (None, 6, &all[..], None),
            (None, 2, &all[..2], Some("0-2")),
            (Some(id(0, 2)), 2, &all[2..4], Some("1-1")),
            (Some(id(0, 3)), 1, &all[3..4], Some("1-1")),
            (Some(id(1, 3)), 5, &[], None),
            (Some(id(9, 0)), 5, &[], None),
        ] {
            let (ids, cursor) = page(after, limit).await;
            assert_eq!(ids, expect, "{after:?} {limit}");
            assert_eq!(cursor.as_deref(), next, "{after:?} {limit}");
        }
    }

    #[tokio::test]
    async fn page_ends_before_a_shard_that_does_not_answer_and_the_next_one_is_busy() {
        let (hub, mut shards) = Hub::new(2);
        let first = async {
            let batch = shards.first_mut().unwrap().recv().await.unwrap();
            let Some(Delta::Inspect(request)) = batch.deltas.first() else {
                panic!("another delta");
            };
            request.collector.add([InspectionAnswer { found: vec![info(id(0, 1))], next: None }]);
            request.collector.shard_done();
        };
        let page = |after| {
            let (filter, time) = (ConnectionFilter::default(), Duration::from_millis(200));
            inspect_within(&hub, filter, after, 5, time)
        };
        let (found, ()) = tokio::join!(page(None), first);
        let found = found.unwrap();
        assert_eq!(found.connections.len(), 1);
        assert_eq!(found.next, Some(id(1, 0)));
        assert_eq!(page(found.next).await.err(), Some(Denial::Busy));
    }

    #[tokio::test]
    async fn shard_that_does_not_answer_is_busy() {
        let (hub, _shards) = Hub::new(1);
        let timeout = Duration::from_millis(10);
        let answer = inspect_shard(&hub, &Arc::default(), id(0, 0), 5, timeout).await;
        assert_eq!(answer.err(), Some(Denial::Busy));
    }
}
