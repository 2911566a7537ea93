//! The filter of the records of a command: conditions on the command line.
//! Never: a JSON parser for a line that cannot fit.

use std::net::IpAddr;

use anyhow::Result;
use clap::Args;
use ipnet::IpNet;
use memchr::memmem::{self, Finder};
use portcullis_audit::{LogFile, line_time};
use portcullis_guard::normalize_reference;
use portcullis_model::Code;
use serde_json::Value;

use super::time_argument::{TimeArgument, unix_ms};

/// A file that began so long after the end of the period has no record of it. Records can wait
/// in memory while a disk is full, so a file can have older ones.
const LATE_MS: i64 = 24 * 3_600_000;
/// A clock that is set back can give a file a name that is too early.
const EARLY_MS: i64 = 60_000;

/// Conditions; a record fits if all of them hold.
#[derive(Debug, Args, Default)]
pub(super) struct FilterArguments {
    /// The reference from the error that a client got.
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// The id or name of a user who acts, or on whom an operation acts.
    #[arg(long)]
    user: Option<String>,
    /// An address, or a network such as 203.0.113.0/24.
    #[arg(long, value_name = "CIDR", value_parser = network)]
    address: Option<IpNet>,
    /// The name of the record (`event.code`).
    #[arg(long, value_parser = code)]
    code: Option<Code>,
    /// The rule that decided (`rule.name`).
    #[arg(long)]
    rule: Option<String>,
    #[command(flatten)]
    period: PeriodArguments,
}

/// A period.
#[derive(Debug, Args, Default)]
pub(super) struct PeriodArguments {
    /// The earliest time: an age (15m, 2h, 7d) or a time in UTC (2026-11-28T22:25).
    #[arg(long, value_name = "TIME", value_parser = TimeArgument::parse)]
    since: Option<TimeArgument>,
    /// The first time after the period, written in the same way.
    #[arg(long, value_name = "TIME", value_parser = TimeArgument::parse)]
    until: Option<TimeArgument>,
}

/// The texts of the first and the first following moment of a period.
#[derive(Debug, Default)]
pub(super) struct Period {
    since: Option<String>,
    until: Option<String>,
}

/// Conditions that are ready to be compared with lines.
#[derive(Debug)]
pub(super) struct RecordFilter {
    period: Period,
    /// Bytes that each fitting line has.
    needles: Vec<Finder<'static>>,
    address: Option<IpNet>,
    /// The value that a member must have.
    members: Vec<(&'static [&'static str], String)>,
}

const USER: &[&str] = &["/user/id", "/user/name", "/user/target/id", "/user/target/name"];

impl FilterArguments {
    pub(super) fn filter(&self, now_unix_ms: i64) -> Result<RecordFilter> {
        let mut filter = RecordFilter {
            period: self.period.period(now_unix_ms),
            needles: Vec::new(),
            address: self.address,
            members: Vec::new(),
        };
        let reference = self.reference.as_deref().map(normalize_reference);
        filter.require("\"id\":", &["/trace/id"], reference)?;
        filter.require("\"code\":", &["/event/code"], self.code.map(|code| code.name().into()))?;
        filter.require("\"name\":", &["/rule/name"], self.rule.clone())?;
        filter.require("", USER, self.user.clone())?;
        Ok(filter)
    }
}

impl PeriodArguments {
    pub(super) fn period(&self, now_unix_ms: i64) -> Period {
        let text = |time: Option<TimeArgument>| time.map(|time| time.text(now_unix_ms));
        Period { since: text(self.since), until: text(self.until) }
    }
}

impl Period {
    /// Whether a file can have records of the period.
    ///
    /// `before` is when the file before it was closed.
    pub(super) fn can_have(&self, file: &LogFile, before: &str) -> bool {
        let end = closed_ms(&file.closed).map(|end| end.saturating_add(EARLY_MS));
        let since = self.since.as_deref().and_then(unix_ms);
        let start = closed_ms(before).map(|start| start.saturating_sub(LATE_MS));
        let until = self.until.as_deref().and_then(unix_ms);
        !matches!((end, since), (Some(end), Some(since)) if end < since)
            && !matches!((start, until), (Some(start), Some(until)) if start > until)
    }

    /// Whether a line is of the period.
    pub(super) fn has(&self, line: &[u8]) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        line_time(line).is_some_and(|time| {
            self.since.as_deref().is_none_or(|since| time >= since)
                && self.until.as_deref().is_none_or(|until| time < until)
        })
    }
}

impl RecordFilter {
    /// The period of the records.
    pub(super) fn period(&self) -> &Period {
        &self.period
    }

    fn require(
        &mut self,
        before: &str,
        pointers: &'static [&'static str],
        value: Option<String>,
    ) -> Result<()> {
        if let Some(value) = value {
            let needle = format!("{before}{}", serde_json::to_string(&value)?);
            self.needles.push(Finder::new(&needle).into_owned());
            self.members.push((pointers, value));
        }
        Ok(())
    }

    /// Whether a line fits. Most lines are decided by their bytes.
    pub(super) fn fits(&self, line: &[u8]) -> bool {
        self.period.has(line)
            && self.needles.iter().all(|needle| needle.find(line).is_some())
            && self.address.is_none_or(|network| has_address(line, &network))
            && (self.members.is_empty() || self.has_members(line))
    }

    fn has_members(&self, line: &[u8]) -> bool {
        let Ok(record) = serde_json::from_slice::<Value>(line) else { return false };
        self.members.iter().all(|(pointers, value)| {
            pointers.iter().any(|pointer| {
                record.pointer(pointer).and_then(Value::as_str) == Some(value.as_str())
            })
        })
    }
}

/// Whether `source.ip` of a line is in a network. Quotes in texts of clients are escaped.
fn has_address(line: &[u8], network: &IpNet) -> bool {
    const START: &[u8] = b"\"source\":{\"ip\":\"";
    let address = memmem::find(line, START).and_then(|at| {
        let rest = line.get(at + START.len()..)?;
        let end = memchr::memchr(b'"', rest)?;
        std::str::from_utf8(rest.get(..end)?).ok()?.parse::<IpAddr>().ok()
    });
    address.is_some_and(|address| network.contains(&address))
}

/// The time in the name of a closed file.
fn closed_ms(closed: &str) -> Option<i64> {
    let part = |range: std::ops::Range<usize>| closed.get(range);
    let text = format!(
        "{}-{}-{}T{}:{}:{}",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?
    );
    unix_ms(&text)
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text
            .parse::<IpNet>()
            .map_err(|_| String::from("write an address, or a network such as 203.0.113.0/24"))?,
    };
    Ok(network.trunc())
}

fn code(text: &str) -> Result<Code, String> {
    let found = Code::ALL.iter().copied().find(|code| code.name() == text);
    found.ok_or_else(|| String::from("`portcullis audit inventory` lists all names"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: FilterArguments,
    }

    const NOW: i64 = 1_800_000_000_000;

    fn filter(line: &str) -> RecordFilter {
        let line = Line::try_parse_from(format!("x {line}").split_whitespace()).unwrap();
        line.filter.filter(NOW).unwrap()
    }

    const RECORD: &str = concat!(
        r#"{"@timestamp":"2027-01-15T07:30:00.000Z","event":{"code":"authn_login_fail"},"#,
        r#""rule":{"name":"password"},"trace":{"id":"7f3kq09mzx2c"},"#,
        r#""source":{"ip":"203.0.113.7"},"user":{"name":"ada \"x\"","target":{"id":"u_9"}}}"#
    );

    #[test]
    fn record_fits_if_all_conditions_hold() {
        for (line, expect) in [
            ("", true),
            ("--ref 7F3KQ09MZX2C", true),
            ("--ref 7f3kq09mzx2d", false),
            ("--code authn_login_fail --rule password", true),
            ("--code authn_login_fail --rule totp", false),
            ("--rule authn_login_fail", false),
            ("--user u_9", true),
            ("--user ada", false),
            ("--user password", false),
            ("--address 203.0.113.7", true),
            ("--address ::ffff:203.0.113.7", true),
            ("--address 203.0.113.99/24", true),
            ("--address 203.0.113.8", false),
            ("--address 2001:db8::/32", false),
            ("--since 1h", true),
            ("--since 29m", false),
            ("--since 2027-01-15 --until 2027-01-15T07:30", false),
            ("--since 2027-01-15T07:30 --until 2027-01-15T07:30:01", true),
        ] {
            assert_eq!(filter(line).fits(RECORD.as_bytes()), expect, "{line}");
        }
        let mut quoted = filter("");
        quoted.require("", USER, Some(String::from("ada \"x\""))).unwrap();
        assert!(quoted.fits(RECORD.as_bytes()));
        assert!(!filter("--user x").fits(b"{\"user\":{\"name\":\"x\""), "not JSON");
    }

    #[test]
    fn unknown_code_or_network_is_rejected() {
        for line in ["--code nothing", "--address 1.2.3", "--address 10.0.0.0/33", "--since x"] {
            let line = format!("x {line}");
            assert!(Line::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }

    #[test]
    fn time_in_a_file_name_is_read() {
        assert_eq!(closed_ms("20270115T080000Z"), Some(NOW));
        assert_eq!(closed_ms(""), None);
    }
}
