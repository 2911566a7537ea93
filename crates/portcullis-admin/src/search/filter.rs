//! The filter of a search: conditions that its records fulfil.
//! Never: a JSON parser for a line that cannot fit.

use std::net::IpAddr;

use ipnet::IpNet;
use memchr::memmem::{self, Finder};
use portcullis_guard::normalize_reference;
use serde_json::Value;

use crate::search::period::Period;

/// Conditions of records; a record fits if all of them hold.
#[derive(Debug, Default)]
pub struct RecordConditions {
    /// The period of the records.
    pub period: Period,
    /// The reference from the error that a client got.
    pub reference: Option<String>,
    /// The id or name of a user who acts, or on whom an operation acts.
    pub user: Option<String>,
    /// The network of the client.
    pub address: Option<IpNet>,
    /// Names of records (`event.code`), of which one fits; none for all.
    pub codes: Vec<String>,
    /// Severities (`log.level`), of which one fits; none for all.
    pub severities: Vec<String>,
    /// The rule that decided (`rule.name`).
    pub rule: Option<String>,
}

/// Conditions that are ready to be compared with lines.
#[derive(Debug, Default)]
pub struct RecordFilter {
    period: Period,
    /// Bytes that each fitting line has.
    needles: Vec<Finder<'static>>,
    address: Option<IpNet>,
    members: Vec<Member>,
}

/// A condition: one of the members has one of the values.
#[derive(Debug)]
struct Member {
    pointers: &'static [&'static str],
    values: Vec<String>,
}

const USER: &[&str] = &["/user/id", "/user/name", "/user/target/id", "/user/target/name"];

impl RecordFilter {
    /// Prepares conditions.
    #[must_use]
    pub fn new(conditions: RecordConditions) -> Self {
        let RecordConditions { period, reference, user, address, codes, severities, rule } =
            conditions;
        let mut filter = Self { period, address, ..Self::default() };
        let reference = reference.as_deref().map(normalize_reference);
        filter.require("\"id\":", &["/trace/id"], reference.into_iter().collect());
        filter.require("\"code\":", &["/event/code"], codes);
        filter.require("\"level\":", &["/log/level"], severities);
        filter.require("\"name\":", &["/rule/name"], rule.into_iter().collect());
        filter.require("", USER, user.into_iter().collect());
        filter
    }

    /// The period of the records.
    #[must_use]
    pub fn period(&self) -> &Period {
        &self.period
    }

    /// Whether a line fits. Most lines are decided by their bytes.
    #[must_use]
    pub fn fits(&self, line: &[u8]) -> bool {
        self.period.has(line)
            && self.needles.iter().all(|needle| needle.find(line).is_some())
            && self.address.is_none_or(|network| has_address(line, &network))
            && (self.members.is_empty() || self.has_members(line))
    }

    fn require(&mut self, before: &str, pointers: &'static [&'static str], values: Vec<String>) {
        if let [value] = values.as_slice() {
            let needle = format!("{before}{}", Value::from(value.as_str()));
            self.needles.push(Finder::new(&needle).into_owned());
        }
        if !values.is_empty() {
            self.members.push(Member { pointers, values });
        }
    }

    fn has_members(&self, line: &[u8]) -> bool {
        let Ok(record) = serde_json::from_slice::<Value>(line) else { return false };
        self.members.iter().all(|Member { pointers, values }| {
            let mut found = pointers.iter().filter_map(|pointer| record.pointer(pointer)?.as_str());
            found.any(|found| values.iter().any(|value| value == found))
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

/// Reads an address, or a network such as `203.0.113.0/24`. IPv4-mapped addresses are IPv4.
///
/// # Errors
///
/// The text for a person, if it is neither.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text
            .parse::<IpNet>()
            .map_err(|_| String::from("write an address, or a network such as 203.0.113.0/24"))?,
    };
    Ok(network.trunc())
}

#[cfg(test)]
mod tests {
    use portcullis_audit::parse_utc;

    use super::*;

    const RECORD: &str = concat!(
        r#"{"@timestamp":"2027-01-15T07:30:00.000Z","event":{"code":"authn_login_fail"},"#,
        r#""log":{"level":"warning"},"rule":{"name":"password"},"trace":{"id":"7f3kq09mzx2c"},"#,
        r#""source":{"ip":"203.0.113.7"},"user":{"name":"ada \"x\"","target":{"id":"u_9"}}}"#
    );

    fn with(change: impl FnOnce(&mut RecordConditions)) -> RecordFilter {
        let mut conditions = RecordConditions::default();
        change(&mut conditions);
        RecordFilter::new(conditions)
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().copied().map(String::from).collect()
    }

    #[test]
    fn record_fits_if_all_conditions_hold() {
        let text = |text: &str| Some(String::from(text));
        let network = |text: &str| parse_network(text).ok();
        for (name, filter, expect) in [
            ("none", with(|_| {}), true),
            ("ref", with(|it| it.reference = text("7F3K Q09M-ZX2C")), true),
            ("other ref", with(|it| it.reference = text("7f3kq09mzx2d")), false),
            ("codes", with(|it| it.codes = texts(&["x", "authn_login_fail"])), true),
            ("other code", with(|it| it.codes = texts(&["x"])), false),
            ("severity", with(|it| it.severities = texts(&["warning"])), true),
            ("other severity", with(|it| it.severities = texts(&["critical", "info"])), false),
            ("rule", with(|it| it.rule = text("password")), true),
            ("code as a rule", with(|it| it.rule = text("authn_login_fail")), false),
            ("target", with(|it| it.user = text("u_9")), true),
            ("quoted name", with(|it| it.user = text("ada \"x\"")), true),
            ("part of a name", with(|it| it.user = text("ada")), false),
            ("rule as a user", with(|it| it.user = text("password")), false),
            ("mapped", with(|it| it.address = network("::ffff:203.0.113.7")), true),
            ("network", with(|it| it.address = network("203.0.113.99/24")), true),
            ("other network", with(|it| it.address = network("2001:db8::/32")), false),
        ] {
            assert_eq!(filter.fits(RECORD.as_bytes()), expect, "{name}");
        }
        let late = with(|it| it.period = Period::new(parse_utc("2027-01-15T07:30:01"), None));
        assert!(!late.fits(RECORD.as_bytes()));
        let user = with(|it| it.user = text("x"));
        assert!(!user.fits(b"{\"user\":{\"name\":\"x\""), "not JSON");
    }
}
