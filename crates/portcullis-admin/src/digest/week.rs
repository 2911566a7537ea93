//! The numbers of a week, counted from the lines of the security log.
//! Never: more than a bounded number of keys; a line that cannot be read stops nothing.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use portcullis_audit::{LogFile, line_time, list_log_files, parse_utc};
use portcullis_model::{Code, CodeClass};
use serde::Deserialize;

use crate::search::period::Period;

/// Most different keys that are counted; further ones are not listed.
const KEYS_MAX: usize = 65_536;
/// Operations that need a privilege.
const PRIVILEGED: [Code; 6] = [
    Code::AuthzAdmin,
    Code::PrivilegePermissionsChanged,
    Code::KeyRotated,
    Code::AlertSilenced,
    Code::LogErased,
    Code::SysReload,
];

/// Counts by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

impl Tally {
    fn add(&mut self, key: &str, count: u64) {
        if let Some(known) = self.0.get_mut(key) {
            *known = known.saturating_add(count);
        } else if self.0.len() < KEYS_MAX {
            self.0.insert(String::from(key), count);
        }
    }

    /// All counts together.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The highest counts, the highest first.
    pub(crate) fn highest(&self, most: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(key, count)| (key.as_str(), *count)).collect();
        all.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        all.truncate(most);
        all
    }
}

/// The numbers of a week.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Week {
    /// Rejected requests by rule, with those that were only counted.
    pub(crate) rejections: Tally,
    /// Recorded rejections by network.
    pub(crate) networks: Tally,
    /// Recorded rejections by user id.
    pub(crate) users: Tally,
    /// Operations that need a privilege, by name.
    pub(crate) privileged: Tally,
    /// Files that could not be read to their end.
    pub(crate) unreadable: usize,
    /// Alerts that fired, by id, in milliseconds since 1970.
    fired: BTreeMap<String, i64>,
    /// The time until each alert was acknowledged, in milliseconds.
    pub(crate) acknowledged_ms: Vec<i64>,
}

/// The members of a line that are counted.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    event: EventFields<'a>,
    #[serde(borrow, default)]
    rule: Option<RuleFields<'a>>,
    #[serde(borrow, default)]
    source: Option<SourceFields<'a>>,
    #[serde(borrow, default)]
    user: Option<UserFields<'a>>,
    #[serde(borrow, default)]
    labels: Option<LabelFields<'a>>,
}

#[derive(Debug, Deserialize)]
struct EventFields<'a> {
    code: &'a str,
    #[serde(default)]
    action: Option<&'a str>,
    #[serde(default)]
    reason: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct RuleFields<'a> {
    #[serde(default)]
    name: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct SourceFields<'a> {
    #[serde(default)]
    ip: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct UserFields<'a> {
    #[serde(default)]
    id: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct LabelFields<'a> {
    #[serde(default)]
    alert: Option<&'a str>,
    #[serde(default)]
    suppressed: Option<serde_json::Value>,
}

impl Week {
    /// Reads the records of a period.
    ///
    /// # Errors
    /// The error of the system when the folder of the log cannot be read.
    pub(crate) fn read(log: &Path, since_unix_ms: i64, until_unix_ms: i64) -> io::Result<Self> {
        let period = Period::new(Some(since_unix_ms), Some(until_unix_ms));
        let files = list_log_files(log)?;
        let mut week = Self::default();
        let mut before = "";
        for file in &files {
            let can_have = period.can_have(file, before);
            before = file.closed.as_str();
            if !can_have {
                continue;
            }
            if week.add_file(file, &period).is_err() {
                week.unreadable += 1;
            }
        }
        Ok(week)
    }

    fn add_file(&mut self, file: &LogFile, period: &Period) -> io::Result<()> {
        // A file that was removed since the listing is as old as the period.
        let Some(mut lines) = file.lines()? else { return Ok(()) };
        while let Some(line) = lines.next_complete()? {
            if period.has(line.bytes) {
                self.add(line.bytes);
            }
        }
        Ok(())
    }

    /// Alerts that fired and were not acknowledged.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.fired.len()
    }

    fn add(&mut self, bytes: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(bytes) else { return };
        let code = Code::ALL.iter().copied().find(|code| code.name() == line.event.code);
        let Some(code) = code else { return };
        let rule = line.rule.as_ref().and_then(|rule| rule.name).unwrap_or(line.event.code);
        let labels = line.labels.as_ref();
        match code {
            Code::LogSuppressed => {
                let count = labels.and_then(|labels| number(labels.suppressed.as_ref()?));
                self.rejections.add(rule, count.unwrap_or(0));
            }
            Code::AlertFired | Code::AlertAcknowledged => {
                let id = labels.and_then(|labels| labels.alert);
                let at = line_time(bytes).and_then(parse_utc);
                if let Some((id, at)) = id.zip(at) {
                    self.add_alert(code, id, at, line.event.reason);
                }
            }
            _ if PRIVILEGED.contains(&code) => {
                self.privileged.add(line.event.action.unwrap_or(line.event.code), 1);
            }
            _ if code.class() == CodeClass::Rejection => {
                self.rejections.add(rule, 1);
                if let Some(address) = line.source.as_ref().and_then(|source| source.ip) {
                    self.networks.add(&network(address), 1);
                }
                if let Some(id) = line.user.as_ref().and_then(|user| user.id) {
                    self.users.add(id, 1);
                }
            }
            _ => {}
        }
    }

    fn add_alert(&mut self, code: Code, id: &str, at: i64, state: Option<&str>) {
        if code == Code::AlertFired {
            if state == Some("firing") && self.fired.len() < KEYS_MAX {
                self.fired.insert(String::from(id), at);
            }
        } else if let Some(fired) = self.fired.remove(id) {
            self.acknowledged_ms.push(at.saturating_sub(fired));
        }
    }
}

fn number(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The network of an address: an IPv4 /24 or an IPv6 /48. Pseudonyms stay as they are.
fn network(address: &str) -> String {
    let Ok(ip) = address.parse::<IpAddr>() else { return String::from(address) };
    let prefix = if ip.is_ipv4() { 24 } else { 48 };
    IpNet::new(ip, prefix).map_or_else(|_| String::from(address), |net| net.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-30T07:00:00.000Z";

    fn week(lines: &[(&str, serde_json::Value)]) -> Week {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let text = lines.iter().map(|(time, rest)| {
            let rest = rest.to_string();
            format!("{{\"@timestamp\":\"{time}\",{}\n", &rest[1..])
        });
        std::fs::write(&log, text.collect::<String>()).unwrap();
        let until = parse_utc(NOW).unwrap();
        Week::read(&log, until - 7 * 24 * 3_600_000, until).unwrap()
    }

    #[test]
    fn rejections_networks_operations_and_acknowledgements_are_counted() {
        let rejected = |rule: &str, ip: &str| {
            json!({
                "event": {"code": "excess_rate_limit_exceeded"}, "rule": {"name": rule},
                "source": {"ip": ip}, "user": {"id": "u_9", "name": "ada"},
            })
        };
        let alert = |code: &str, reason: &str, id: &str| {
            let event = json!({"code": code, "reason": reason});
            json!({"event": event, "labels": {"alert": id}})
        };
        let operation = json!({"event": {"code": "authz_admin", "action": "user:ban"}});
        let suppressed = json!({
            "event": {"code": "log_suppressed"}, "rule": {"name": "login"},
            "labels": {"suppressed": 40},
        });
        let week = week(&[
            ("2026-11-20T00:00:00.000Z", rejected("login", "203.0.113.7")),
            ("2026-11-24T00:00:00.000Z", rejected("login", "203.0.113.7")),
            ("2026-11-24T00:00:01.000Z", rejected("connect", "203.0.113.9")),
            ("2026-11-24T00:00:02.000Z", rejected("connect", "2001:db8:1:2::7")),
            ("2026-11-24T00:00:03.000Z", suppressed),
            ("2026-11-24T00:00:04.000Z", operation.clone()),
            ("2026-11-24T00:00:05.000Z", operation),
            ("2026-11-24T00:00:06.000Z", json!({"event": {"code": "unknown_code"}})),
            ("2026-11-25T00:00:00.000Z", alert("alert_fired", "firing", "al_1")),
            ("2026-11-25T00:00:10.000Z", alert("alert_fired", "firing", "al_2")),
            ("2026-11-25T00:05:00.000Z", alert("alert_fired", "updated", "al_1")),
            ("2026-11-25T00:10:00.000Z", alert("alert_acknowledged", "", "al_1")),
        ]);
        assert_eq!(week.rejections.highest(5), [("login", 41), ("connect", 2)]);
        assert_eq!(week.networks.highest(5), [("203.0.113.0/24", 2), ("2001:db8:1::/48", 1)]);
        assert_eq!(week.users.highest(1), [("u_9", 3)]);
        assert_eq!(week.privileged.highest(5), [("user:ban", 2)]);
        assert_eq!((week.acknowledged_ms.as_slice(), week.unacknowledged()), (&[600_000][..], 1));
    }

    #[test]
    fn file_that_cannot_be_read_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        std::fs::write(&log, "").unwrap();
        let damaged = folder.path().join("security-20261129T000000Z-1.log.gz");
        std::fs::write(damaged, "this is not compressed").unwrap();
        let until = parse_utc(NOW).unwrap();
        let week = Week::read(&log, until - 7 * 24 * 3_600_000, until).unwrap();
        assert_eq!(week.unreadable, 1);
    }
}
