//! `admin:events {filter?, limit?, cursor?}`: records of the security log, newest first.
//! Never: two searches at a time, or one that reads on after two seconds.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use portcullis_audit::{line_sequence, list_log_files};
use portcullis_guard::{Event, Rule};
use portcullis_model::Denial;
use portcullis_server::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ, page_size};
use crate::operation::desk::Desk;

/// A search opens no further file after this time.
const SEARCH_TIME_MS: u64 = 2_000;

/// The conditions of records; all of them have to hold.
#[derive(Debug, Default, Clone, Deserialize)]
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

/// A filter whose network was read.
#[derive(Debug, Default, Clone)]
pub(crate) struct Conditions {
    filter: EventFilter,
    network: Option<IpNet>,
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
        let conditions = Conditions::new(self.filter)?;
        let search = tokio::task::spawn_blocking(move || {
            let running = || Denial::app("search_running", "another search runs: try again");
            let _one_at_a_time = desk.search().ok_or_else(running)?;
            let log = desk.log().ok_or(Denial::Internal("no_log"))?;
            let clock = &call.services.clock;
            let ends_ms = clock.now().monotonic_ms + SEARCH_TIME_MS;
            let is_late = || clock.now().monotonic_ms > ends_ms;
            search(log, &conditions, limit, before, is_late)
                .map_err(|_| Denial::Internal("log_unreadable"))
        });
        let (events, cursor) = search.await.map_err(|_| Denial::Internal("search"))??;
        let cursor = cursor.map(|cursor| cursor.to_string());
        let more = cursor.is_some();
        Ok(Reply::fields(&json!({ "events": events, "more": more, "cursor": cursor })))
    }
}

impl Conditions {
    /// Reads the network of a filter.
    ///
    /// # Errors
    /// A denial if it is not one.
    pub(crate) fn new(filter: EventFilter) -> Result<Self, Denial> {
        let invalid = || Denial::app("address_invalid", "write an address or a network in address");
        let network = filter.address.as_ref().map(|text| {
            let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
            address.or_else(|_| text.parse::<IpNet>()).map_err(|_| invalid())
        });
        Ok(Self { network: network.transpose()?, filter })
    }

    /// Whether a record fits.
    pub(crate) fn fits(&self, record: &Value) -> bool {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
        let is = |pointer: &str, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| text(pointer) == Some(wanted))
        };
        let is_one = |pointer: &str, wanted: &[String]| {
            let found = text(pointer).unwrap_or_default();
            wanted.is_empty() || wanted.iter().any(|wanted| wanted == found)
        };
        let filter = &self.filter;
        let time = text("/@timestamp").unwrap_or_default();
        let is_of_user = filter.user.as_deref().is_none_or(|user| {
            ["/user/id", "/user/name", "/user/target/id"].iter().any(|at| text(at) == Some(user))
        });
        let is_in_network = self.network.is_none_or(|network| {
            let address = text("/source/ip").and_then(|ip| ip.parse::<std::net::IpAddr>().ok());
            address.is_some_and(|address| network.contains(&address))
        });
        is_one("/event/code", &filter.code)
            && is_one("/log/level", &filter.severity)
            && is("/rule/name", &filter.rule)
            && is("/trace/id", &filter.reference)
            && filter.since.as_deref().is_none_or(|since| time >= since)
            && filter.until.as_deref().is_none_or(|until| time < until)
            && is_of_user
            && is_in_network
    }
}

/// The newest records that fit, newest first, and the number below which the next page begins.
fn search(
    log: &Path,
    conditions: &Conditions,
    limit: usize,
    before: Option<u64>,
    is_late: impl Fn() -> bool,
) -> std::io::Result<(Vec<Value>, Option<u64>)> {
    let mut found: Vec<(u64, Value)> = Vec::new();
    for file in list_log_files(log)?.into_iter().rev() {
        let first = file.first()?.unwrap_or(0);
        if before.is_some_and(|before| first >= before) {
            continue;
        }
        let Some(mut lines) = file.lines()? else { continue };
        let missing = limit + 1 - found.len();
        let mut newest: VecDeque<(u64, Value)> = VecDeque::new();
        while let Some(line) = lines.next_line()? {
            let Some(sequence) = line_sequence(line.bytes) else { continue };
            if before.is_some_and(|before| sequence >= before) {
                break;
            }
            let record = serde_json::from_slice(line.bytes).unwrap_or_default();
            if conditions.fits(&record) {
                newest.push_back((sequence, record));
                if newest.len() > missing {
                    newest.pop_front();
                }
            }
        }
        found.extend(newest.into_iter().rev());
        if found.len() > limit {
            found.truncate(limit);
            let last = found.last().map(|(sequence, _)| *sequence);
            return Ok((found.into_iter().map(|(_, record)| record).collect(), last));
        }
        if is_late() {
            let events = found.into_iter().map(|(_, record)| record).collect();
            return Ok((events, Some(first).filter(|first| *first > 1)));
        }
    }
    Ok((found.into_iter().map(|(_, record)| record).collect(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(filter: Value) -> Conditions {
        Conditions::new(serde_json::from_value(filter).unwrap()).unwrap()
    }

    #[test]
    fn all_conditions_have_to_hold() {
        let record = json!({
            "@timestamp": "2026-10-01T03:12:45.123Z", "event": {"code": "authn_login_fail"},
            "log": {"level": "warning"}, "rule": {"name": "login"}, "trace": {"id": "k3v9"},
            "source": {"ip": "203.0.113.7"}, "user": {"id": "u_1", "name": "ada"},
        });
        for (filter, expect) in [
            (json!({}), true),
            (json!({"code": ["x", "authn_login_fail"], "severity": ["warning"]}), true),
            (json!({"code": ["x"]}), false),
            (json!({"rule": "login", "ref": "k3v9", "user": "ada"}), true),
            (json!({"user": "u_1", "ref": "other"}), false),
            (json!({"address": "203.0.113.0/24"}), true),
            (json!({"address": "203.0.113.7"}), true),
            (json!({"address": "198.51.100.0/24"}), false),
            (json!({"since": "2026-10-01T03:12:00Z", "until": "2026-10-01T03:13:00Z"}), true),
            (json!({"since": "2026-10-01T03:13:00Z"}), false),
            (json!({"severity": ["critical"]}), false),
        ] {
            assert_eq!(conditions(filter.clone()).fits(&record), expect, "{filter}");
        }
        let filter = EventFilter { address: Some(String::from("x")), ..EventFilter::default() };
        assert!(Conditions::new(filter).is_err());
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
        let even = conditions(json!({"code": ["even"]}));
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
