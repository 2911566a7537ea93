//! `admin:watch {streams, filter?}` and `admin:unwatch {}`: the overview and new records.
//! Never: a wait for a slow watcher; it loses the oldest values.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use portcullis_audit::{Follower, SignedNote};
use portcullis_guard::{Event, Permit, Rule};
use portcullis_model::{ConnectionId, Denial, Namespace};
use portcullis_server::{Context, Payload, Reply, Services};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::operation::call::Call;
use crate::operation::contract::READ;
use crate::operation::desk::{Desk, Watcher};
use crate::operation::records::events::EventFilter;
use crate::operation::records::record_text::record_texts;
use crate::operation::state::overview::overview;
use crate::search::filter::RecordFilter;

/// Most connections that watch.
const WATCHERS_MAX: usize = 16;
/// Most records that a watcher gets in a second.
const RECORDS_MAX: usize = 50;
/// Most lines of the log that are read in a second.
const LINES_MAX: usize = 20_000;

/// A stream beside the event `alert`, which every socket in `/admin` gets.
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

/// Sends the streams to the connection of the caller until it leaves `/admin`. Records have data
/// of persons: the start of their stream is recorded before the first one.
pub(crate) async fn watch(
    desk: Arc<Desk>,
    permit: Permit<AdminWatch>,
    context: Context,
) -> Result<Reply, Denial> {
    let call = Call::of_user(&permit, &context);
    let AdminWatch { streams, filter } = permit.into_payload();
    let wants = |stream: Stream| streams.contains(&stream);
    let selected = wants(Stream::Event).then(|| filter.clone());
    let filter = Arc::new(filter.prepare()?);
    if let Some(selected) = selected {
        let of_record = Arc::clone(&desk);
        let name = AdminWatch::NAME;
        let recorded = spawn_blocking(move || selected.record_read(&of_record, &call, name));
        recorded.await.map_err(|_| Denial::Internal("watch"))?;
    }
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

/// New records for one watcher, and the number of those that are left out.
///
/// Above the maximum, the oldest records of the most frequent kind are left out: a flood leaves the
/// other records in the stream.
#[derive(Debug, Default)]
struct NewRecords {
    kept: VecDeque<(String, Value)>,
    counts: BTreeMap<String, usize>,
    dropped: usize,
}

impl NewRecords {
    fn push(&mut self, record: Value) {
        let kind = kind_of(&record);
        *self.counts.entry(kind.clone()).or_default() += 1;
        self.kept.push_back((kind, record));
        if self.kept.len() <= RECORDS_MAX {
            return;
        }
        let most = self.counts.iter().max_by_key(|(_, count)| **count);
        let most = most.filter(|(_, count)| **count > 1);
        let index =
            most.and_then(|(kind, _)| self.kept.iter().position(|(known, _)| known == kind));
        let Some((kind, _)) = self.kept.remove(index.unwrap_or(0)) else { return };
        if let Some(count) = self.counts.get_mut(&kind) {
            *count -= 1;
        }
        self.counts.retain(|_, count| *count > 0);
        self.dropped += 1;
    }
}

/// The code and the rule of a record.
fn kind_of(record: &Value) -> String {
    let text = |path: &str| record.pointer(path).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", text("/event/code"), text("/rule/name"))
}

/// Sends new records to the watchers that want them; called once a second.
pub(crate) async fn send_records(desk: &Arc<Desk>, services: &Services, namespace: &Namespace) {
    let watchers = desk.watchers().clone();
    let watchers: Vec<_> = watchers
        .into_iter()
        .filter_map(|watcher| Some((watcher.connection, watcher.records?)))
        .collect();
    if watchers.is_empty() {
        *desk.follower() = None;
        return;
    }
    let newest = services.audit.newest_note().and_then(|note| note.parse::<SignedNote>().ok());
    let newest = newest.map_or(0, |signed| signed.note.sequence);
    let (of_read, filters) = (Arc::clone(desk), watchers.clone());
    let filters: Vec<_> = filters.into_iter().map(|(_, filter)| filter).collect();
    let read = tokio::task::spawn_blocking(move || new_records(&of_read, newest, &filters));
    let records = read.await.unwrap_or_default();
    for ((connection, _), NewRecords { kept, mut dropped, .. }) in watchers.into_iter().zip(records)
    {
        let sockets = services.hub.namespace(namespace.clone()).only(connection).volatile();
        // The first record says how many are left out.
        for (_, record) in kept {
            let missing = std::mem::take(&mut dropped);
            let texts = record_texts([&record]);
            let event = json!({ "record": record, "texts": texts, "dropped": missing });
            let payload = Payload::of(&event);
            if sockets.emit("event", &payload).is_err() {
                tracing::debug!("a record was not sent: the queue of a shard is full");
            }
        }
    }
}

/// The records since the last call that fit each filter; the first call begins after the newest
/// signed note.
fn new_records(desk: &Desk, newest: u64, filters: &[Arc<RecordFilter>]) -> Vec<NewRecords> {
    let mut records: Vec<NewRecords> = filters.iter().map(|_| NewRecords::default()).collect();
    let Some(log) = desk.log() else { return records };
    let mut follower = desk.follower();
    let follower = follower.get_or_insert_with(|| Follower::new(log, newest));
    for _ in 0..LINES_MAX {
        let line = match follower.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "a file of the security log cannot be read for watchers");
                if follower.skip_file() {
                    continue;
                }
                break;
            }
        };
        for (filter, records) in filters.iter().zip(&mut records) {
            if filter.fits(&line.bytes) {
                records.push(serde_json::from_slice(&line.bytes).unwrap_or_default());
            }
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(code: &str, sequence: usize) -> Value {
        json!({ "event": { "code": code, "sequence": sequence }, "rule": { "name": "x" } })
    }

    #[test]
    fn flood_in_one_second_leaves_a_rare_record_in_the_stream() {
        let mut records = NewRecords::default();
        records.push(record("authn_login_lock", 0));
        for sequence in 1..=1_000 {
            records.push(record("ws_connected", sequence));
            if sequence % 100 == 0 {
                records.push(record("authz_admin", sequence));
            }
        }
        assert_eq!((records.kept.len(), records.dropped), (RECORDS_MAX, 1_011 - RECORDS_MAX));
        let count = |code: &str| {
            let of_code = records.kept.iter().filter(|(_, one)| one["event"]["code"] == code);
            of_code.count()
        };
        assert_eq!((count("authn_login_lock"), count("authz_admin")), (1, 10));
        let newest = records.kept.iter().rev().find(|(kind, _)| kind == "ws_connected x").unwrap();
        assert_eq!(newest.1["event"]["sequence"], 1_000, "the oldest ones are left out");
    }

    #[test]
    fn records_of_many_kinds_lose_the_oldest() {
        let mut records = NewRecords::default();
        for sequence in 0..=RECORDS_MAX {
            records.push(record(&format!("code{sequence:03}"), sequence));
        }
        assert_eq!((records.kept.len(), records.dropped), (RECORDS_MAX, 1));
        assert_eq!(records.kept[0].1["event"]["code"], "code001");
    }
}
