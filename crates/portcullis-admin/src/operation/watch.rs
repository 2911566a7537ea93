//! `admin:watch {streams, filter?}` and `admin:unwatch {}`: the overview and new records.
//! Never: a wait for a slow watcher; it loses the oldest values.

use std::sync::Arc;

use portcullis_audit::{Follower, SignedNote};
use portcullis_guard::{Event, Permit, Rule};
use portcullis_model::{ConnectionId, Denial, Namespace};
use portcullis_server::{Context, Payload, Reply, Services};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::contract::READ;
use crate::operation::desk::{Desk, RecordFilter, Watcher};
use crate::operation::events::{Conditions, EventFilter};
use crate::operation::overview::overview;

/// Most connections that watch.
const WATCHERS_MAX: usize = 16;
/// Most records that a watcher gets in a second.
const RECORDS_MAX: usize = 50;
/// Most lines of the log that are read in a second.
const LINES_MAX: usize = 20_000;

/// What a watcher can get beside the event `alert`, which every socket in `/admin` gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stream {
    /// The event `overview`, once a second.
    Overview,
    /// The event `event`, for each new record that fits the filter.
    Event,
    /// The event `alert`.
    Alert,
}

/// `admin:watch {streams, filter?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminWatch {
    streams: Vec<Stream>,
    #[serde(default)]
    filter: EventFilter,
}

impl Event for AdminWatch {
    const NAME: &'static str = "admin:watch";
    const RULE: Rule = Rule { fields: &["streams", "filter"], ..READ };
}

/// `admin:unwatch {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminUnwatch {}

impl Event for AdminUnwatch {
    const NAME: &'static str = "admin:unwatch";
    const RULE: Rule = READ;
}

/// Sends the streams to the connection of the caller until it leaves `/admin`.
pub(crate) async fn watch(
    desk: Arc<Desk>,
    permit: Permit<AdminWatch>,
    context: Context,
) -> Result<Reply, Denial> {
    let AdminWatch { streams, filter } = permit.into_payload();
    let wants = |stream: Stream| streams.contains(&stream);
    let conditions = Conditions::new(filter)?;
    let filter: RecordFilter = Arc::new(move |record: &Value| conditions.fits(record));
    let watcher = Watcher {
        connection: context.connection,
        overview: wants(Stream::Overview),
        records: wants(Stream::Event).then_some(filter),
    };
    let mut watchers = desk.watchers();
    watchers.retain(|known| known.connection != context.connection);
    if watcher.overview || watcher.records.is_some() {
        if watchers.len() >= WATCHERS_MAX {
            let why = format!("{WATCHERS_MAX} connections watch already: close one of them");
            return Err(Denial::app("watchers_full", why));
        }
        watchers.push(watcher);
    }
    Ok(Reply::ok())
}

/// Ends the streams of the connection of the caller.
pub(crate) async fn unwatch(
    desk: Arc<Desk>,
    _permit: Permit<AdminUnwatch>,
    context: Context,
) -> Result<Reply, Denial> {
    leave(&desk, context.connection);
    Ok(Reply::ok())
}

/// Removes a connection from the watchers.
pub(crate) fn leave(desk: &Desk, connection: ConnectionId) {
    desk.watchers().retain(|known| known.connection != connection);
}

/// Sends the overview to all watchers; called once a second.
///
/// The event is volatile: a watcher that does not read loses it, and its outbox stays bounded.
pub(crate) fn send_overview(desk: &Desk, services: &Services, namespace: &Namespace) {
    let mut watchers = desk.watchers().clone();
    watchers.retain(|watcher| watcher.overview);
    if watchers.is_empty() {
        return;
    }
    let payload = Payload::of(&overview(desk, services));
    for watcher in watchers {
        let sockets = services.hub.namespace(namespace.clone()).only(watcher.connection).volatile();
        if sockets.emit("overview", &payload).is_err() {
            tracing::debug!("an overview was not sent: the queue of a shard is full");
        }
    }
}

/// Sends new records to the watchers that want them; called once a second.
pub(crate) async fn send_records(desk: &Arc<Desk>, services: &Services, namespace: &Namespace) {
    let mut watchers = desk.watchers().clone();
    watchers.retain(|watcher| watcher.records.is_some());
    if watchers.is_empty() {
        *desk.follower() = None;
        return;
    }
    let newest = services.audit.newest_note().and_then(|note| note.parse::<SignedNote>().ok());
    let newest = newest.map_or(0, |signed| signed.note.sequence);
    let of_read = Arc::clone(desk);
    let read = tokio::task::spawn_blocking(move || new_records(&of_read, newest));
    let records = read.await.unwrap_or_default();
    for watcher in watchers {
        let Some(fits) = &watcher.records else { continue };
        let fitting: Vec<_> = records.iter().filter(|record| fits(record)).collect();
        let dropped = fitting.len().saturating_sub(RECORDS_MAX);
        let sockets = services.hub.namespace(namespace.clone()).only(watcher.connection);
        let sockets = sockets.volatile();
        // The newest ones are sent; the first of them says how many are missing before it.
        for (index, record) in fitting.into_iter().skip(dropped).enumerate() {
            let missing = if index == 0 { dropped } else { 0 };
            let payload = Payload::of(&json!({ "record": record, "dropped": missing }));
            if sockets.emit("event", &payload).is_err() {
                tracing::debug!("a record was not sent: the queue of a shard is full");
            }
        }
    }
}

/// The records since the last call; the first one begins after the newest signed note.
fn new_records(desk: &Desk, newest: u64) -> Vec<Value> {
    let Some(log) = desk.log() else { return Vec::new() };
    let mut follower = desk.follower();
    let follower = follower.get_or_insert_with(|| Follower::new(log, newest));
    let mut records = Vec::new();
    while records.len() < LINES_MAX {
        match follower.next_line() {
            Ok(Some(line)) => records.extend(serde_json::from_slice::<Value>(&line.bytes)),
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "the security log cannot be read for watchers");
                break;
            }
        }
    }
    records
}
