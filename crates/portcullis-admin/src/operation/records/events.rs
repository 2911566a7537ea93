//! `admin:events {filter?, limit?, cursor?}`: records of the security log, newest first.
//! Never: two searches at a time, or a further file after a second.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::{LogFile, line_sequence, list_log_files, parse_utc};
use portcullis_guard::{Event, Rule};
use portcullis_model::{AppDenial, Denial};
use portcullis_server::Reply;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ, page_size};
use crate::operation::desk::Desk;
use crate::operation::read_record::record_read;
use crate::operation::records::explained::explain;
use crate::operation::records::record_text::record_texts;
use crate::search::filter::{RecordConditions, RecordFilter, parse_network};
use crate::search::period::Period;

/// A search opens no further file after this time.
const SEARCH_TIME_MS: u64 = 1_000;
/// Longest wait for a search, below the usual `handler_timeout_ms`: one file can take longer.
const SEARCH_WAIT: Duration = Duration::from_millis(1_500);

/// The conditions of records; all of them have to hold.
#[derive(Debug, Default, Clone, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EventFilter {
    code: Vec<String>,
    rule: Option<String>,
    address: Option<String>,
    user: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    severity: Vec<String>,
    since: Option<String>,
    until: Option<String>,
}

impl EventFilter {
    /// Records that a caller reads the records that fit. A name of a user takes milliseconds.
    pub(crate) fn record_read(&self, desk: &Desk, call: &Call, event: &'static str) {
        record_read(desk, call, event, self, |record| {
            let user = self.user.as_deref();
            record.target = user.and_then(|user| call.find_user_by_name(user).ok());
            let network = self.address.as_deref().and_then(|text| parse_network(text).ok());
            record.labels.extend(network.map(|network| ("address", network.to_string())));
        });
    }

    /// Prepares the conditions.
    ///
    /// # Errors
    /// A denial if the network or a time is invalid.
    pub(crate) fn prepare(self) -> Result<RecordFilter, Denial> {
        let network = self.address.as_deref().map(parse_network).transpose();
        let address = network.map_err(|why| Denial::app("address_invalid", why))?;
        let period = Period::new(read_time(self.since)?, read_time(self.until)?);
        let Self { code: codes, severity: severities, rule, user, reference, .. } = self;
        let conditions =
            RecordConditions { period, reference, user, address, codes, severities, rule };
        Ok(RecordFilter::new(conditions))
    }
}

fn read_time(text: Option<String>) -> Result<Option<i64>, Denial> {
    let why = "write a time in UTC, such as 2026-11-28T22:25:11Z";
    let invalid = || Denial::app("time_invalid", why);
    text.map(|text| parse_utc(&text).ok_or_else(invalid)).transpose()
}

/// `admin:events {filter?, limit?, cursor?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminEvents {
    #[serde(default)]
    filter: EventFilter,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Event for AdminEvents {
    const NAME: &'static str = "admin:events";
    const RULE: Rule = Rule { fields: &["filter", "limit", "cursor"], ..READ };
}

impl Operation for AdminEvents {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let limit = page_size(self.limit)?;
        let invalid = || Denial::app("cursor_invalid", "write a cursor of an earlier answer");
        let before = self.cursor.map(|cursor| cursor.parse::<u64>().map_err(|_| invalid()));
        let before = before.transpose()?;
        let explained = self.filter.reference.as_deref().map(|text| explain(&desk, text, call.now));
        let (selected, filter) = (self.filter.clone(), self.filter.prepare()?);
        let search = spawn_blocking(move || {
            let running = || Denial::app("search_running", "another search runs: try again");
            let _one_at_a_time = desk.search().ok_or_else(running)?;
            let log = desk.log().ok_or(Denial::Internal("no_log"))?;
            selected.record_read(&desk, &call, Self::NAME);
            let clock = &call.services.clock;
            let ends_ms = clock.now().monotonic_ms + SEARCH_TIME_MS;
            let is_late = || clock.now().monotonic_ms > ends_ms;
            search(log, &filter, limit, before, is_late)
                .map_err(|_| Denial::Internal("log_unreadable"))
        });
        let found = match timeout(SEARCH_WAIT, search).await {
            Ok(found) => found.map_err(|_| Denial::Internal("search")).flatten(),
            Err(_elapsed) => Err(too_slow()),
        };
        answer(found, explained)
    }
}

/// The records of a page, and the number below which the next one begins.
type FoundRecords = (Vec<Value>, Option<u64>);

/// The answer. What a reference says by itself needs no log, so it is answered without one.
fn answer(found: Result<FoundRecords, Denial>, explained: Option<Value>) -> Result<Reply, Denial> {
    let explained_alone = explained.as_ref().is_some_and(|explained| !explained.is_null());
    let ((events, cursor), error) = match found {
        Ok(found) => (found, None),
        Err(denial) if explained_alone => ((Vec::new(), None), Some(denial)),
        Err(denial) => return Err(denial),
    };
    let cursor = cursor.map(|cursor| cursor.to_string());
    let more = cursor.is_some();
    let texts = record_texts(&events);
    let mut answer = json!({ "events": events, "texts": texts, "more": more, "cursor": cursor });
    let error = error.map(|denial| {
        let message = denial.as_app().map_or(denial.answer().message, AppDenial::message);
        json!({ "code": denial.client_code(), "message": message })
    });
    if let Some(members) = answer.as_object_mut() {
        let more = [("explained", explained), ("search_error", error)];
        let more = more.into_iter().filter_map(|(name, value)| Some((String::from(name), value?)));
        members.extend(more);
    }
    Ok(Reply::fields(&answer))
}

fn too_slow() -> Denial {
    let why = "the search takes too long: narrow it with since and until, or use portcullis audit";
    Denial::app("search_slow", why)
}

/// The newest records that fit, newest first, and the number below which the next page begins.
fn search(
    log: &Path,
    filter: &RecordFilter,
    limit: usize,
    before: Option<u64>,
    is_late: impl Fn() -> bool,
) -> std::io::Result<FoundRecords> {
    let files = list_log_files(log)?;
    let mut found: Vec<(u64, Value)> = Vec::new();
    for (index, file) in files.iter().enumerate().rev() {
        let closed_before = index.checked_sub(1).and_then(|index| files.get(index));
        let closed_before = closed_before.map_or("", |file| file.closed.as_str());
        if !filter.period().can_have(file, closed_before) {
            continue;
        }
        let first = file.first().ok().flatten().unwrap_or(0);
        if before.is_some_and(|before| first >= before) {
            continue;
        }
        let missing = limit + 1 - found.len();
        match newest_of(file, filter, missing, before) {
            Ok(newest) => found.extend(newest.into_iter().rev()),
            // A damaged file hides no other one.
            Err(error) => tracing::warn!(%error, path = %file.path.display(), "a file of the \
                security log cannot be searched"),
        }
        if found.len() > limit {
            found.truncate(limit);
            let last = found.last().map(|(sequence, _)| *sequence);
            return Ok((records(found), last));
        }
        if is_late() {
            return Ok((records(found), Some(first).filter(|first| *first > 1)));
        }
    }
    Ok((records(found), None))
}

fn records(found: Vec<(u64, Value)>) -> Vec<Value> {
    found.into_iter().map(|(_, record)| record).collect()
}

/// The newest records of a file that fit, oldest first.
fn newest_of(
    file: &LogFile,
    filter: &RecordFilter,
    records_max: usize,
    before: Option<u64>,
) -> std::io::Result<VecDeque<(u64, Value)>> {
    let mut newest = VecDeque::new();
    let Some(mut lines) = file.lines()? else { return Ok(newest) };
    while let Some(line) = lines.next_line()? {
        if !filter.fits(line.bytes) {
            continue;
        }
        let Some(sequence) = line_sequence(line.bytes) else { continue };
        if before.is_some_and(|before| sequence >= before) {
            break;
        }
        let Ok(record) = serde_json::from_slice(line.bytes) else { continue };
        newest.push_back((sequence, record));
        if newest.len() > records_max {
            newest.pop_front();
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(filter: Value) -> RecordFilter {
        serde_json::from_value::<EventFilter>(filter).unwrap().prepare().unwrap()
    }

    #[test]
    fn members_of_a_filter_become_conditions() {
        let record = json!({
            "@timestamp": "2026-10-01T03:12:45.123Z", "event": {"code": "authn_login_fail"},
            "log": {"level": "warning"}, "rule": {"name": "login"}, "trace": {"id": "k3v9"},
            "source": {"ip": "203.0.113.7"}, "user": {"id": "u_1", "name": "ada"},
        });
        let record = record.to_string();
        for (conditions, expect) in [
            (json!({}), true),
            (json!({"code": ["x", "authn_login_fail"], "severity": ["warning"]}), true),
            (json!({"code": ["x"]}), false),
            (json!({"rule": "login", "ref": "K3V9", "user": "ada"}), true),
            (json!({"user": "u_1", "ref": "other"}), false),
            (json!({"address": "203.0.113.0/24"}), true),
            (json!({"address": "198.51.100.0/24"}), false),
            (json!({"since": "2026-10-01T03:12:45Z", "until": "2026-10-01T03:12:46Z"}), true),
            (json!({"since": "2026-10-01T03:13:00Z"}), false),
            (json!({"severity": ["critical"]}), false),
        ] {
            assert_eq!(filter(conditions.clone()).fits(record.as_bytes()), expect, "{conditions}");
        }
        for conditions in [json!({"address": "x"}), json!({"since": "x"}), json!({"until": ""})] {
            let read: EventFilter = serde_json::from_value(conditions.clone()).unwrap();
            assert!(read.prepare().is_err(), "{conditions}");
        }
    }

    #[test]
    fn t377_reference_is_explained_although_the_log_is_not_searched() {
        let explained = || Some(json!({ "rule": "connect" }));
        let no_texts = || json!({ "codes": {}, "rules": {} });
        for (found, explained, expect) in [
            (
                Ok((vec![json!(1)], Some(7))),
                None,
                Ok(json!({
                    "events": [1], "texts": no_texts(), "more": true, "cursor": "7",
                })),
            ),
            (
                Ok((Vec::new(), None)),
                Some(Value::Null),
                Ok(json!({
                    "events": [], "texts": no_texts(), "more": false, "cursor": null,
                    "explained": null,
                })),
            ),
            (
                Err(too_slow()),
                explained(),
                Ok(json!({
                    "events": [], "texts": no_texts(), "more": false, "cursor": null,
                    "explained": { "rule": "connect" },
                    "search_error": {
                        "code": "search_slow", "message": too_slow().as_app().unwrap().message(),
                    },
                })),
            ),
            (Err(too_slow()), Some(Value::Null), Err(too_slow())),
            (Err(too_slow()), None, Err(too_slow())),
        ] {
            let expect = expect.map(|mut fields| {
                fields["ok"] = json!(true);
                fields
            });
            let answered = answer(found, explained);
            let answered = answered.map(|reply| reply.value());
            assert_eq!(answered, expect);
        }
    }

    #[test]
    fn pages_go_from_the_newest_record_to_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let line = |sequence: u64| {
            let time = format!("2026-10-01T03:12:{sequence:02}.000Z");
            let code = if sequence.is_multiple_of(2) { "even" } else { "odd" };
            let event = json!({"code": code, "sequence": sequence});
            format!("{{\"@timestamp\":\"{time}\",\"event\":{event}}}\n")
        };
        std::fs::write(&log, (1..=10).map(line).collect::<String>()).unwrap();
        let even = filter(json!({"code": ["even"]}));
        let mut cursor = None;
        let mut all: Vec<Vec<u64>> = Vec::new();
        loop {
            let (events, next) = search(&log, &even, 2, cursor, || false).unwrap();
            all.push(events.iter().map(|it| it["event"]["sequence"].as_u64().unwrap()).collect());
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(all, [vec![10, 8], vec![6, 4], vec![2]]);
    }
}
