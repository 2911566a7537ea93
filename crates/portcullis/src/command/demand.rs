//! Computes from a trace how much clients requested, and the limits that would be enough.
//! Never: a change of a limit; the operator decides.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write;
use std::net::IpAddr;

use portcullis_guard::{Attempt, GateOptions, Rate, TraceEntry};
use portcullis_model::Limit;

/// Percentage of keys for which a suggested limit is enough, with a margin of one half.
const COVERED_PERCENT: usize = 99;

/// The requests of one key.
#[derive(Debug, Default)]
struct KeyDemand {
    /// Time and number of the requests within the last period.
    recent: VecDeque<(u64, u64)>,
    sum: u64,
    /// The largest number within any period.
    peak: u64,
}

impl KeyDemand {
    fn add(&mut self, at_ms: u64, many: u64, period_ms: u64) {
        while let Some((then_ms, before)) = self.recent.front().copied()
            && then_ms.saturating_add(period_ms) <= at_ms
        {
            self.recent.pop_front();
            self.sum -= before;
        }
        self.recent.push_back((at_ms, many));
        self.sum += many;
        self.peak = self.peak.max(self.sum);
    }
}

/// The demand on one limit, or on the rate of one event.
#[derive(Debug)]
struct LimitDemand {
    rate: Rate,
    keys: HashMap<String, KeyDemand>,
}

/// The peak demand of all keys, by limit.
#[derive(Debug, Default)]
pub(super) struct Demand {
    limits: BTreeMap<String, LimitDemand>,
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct DemandRow<'a> {
    name: &'a str,
    configured: Rate,
    keys: usize,
    median: u64,
    most: u64,
    busiest: u64,
    suggested: u64,
}

impl Demand {
    pub(super) fn new(options: &GateOptions) -> Self {
        let limits = options.rates().into_iter();
        let limits = limits.map(|(limit, rate)| {
            (String::from(limit.name()), LimitDemand { rate, keys: HashMap::new() })
        });
        Self { limits: limits.collect() }
    }

    /// Starts with another process, whose time begins at 0. Peaks stay.
    pub(super) fn restart(&mut self) {
        for demand in self.limits.values_mut().flat_map(|counted| counted.keys.values_mut()) {
            demand.recent.clear();
            demand.sum = 0;
        }
    }

    pub(super) fn take(&mut self, entry: &TraceEntry) {
        for (limit, key, many) in requests_of(&entry.attempt) {
            if let Some(counted) = self.limits.get_mut(limit.name()) {
                counted.add(key, many, entry.at_ms);
            }
        }
        if let Attempt::Event { user, event: Some((event, Some(rate))), .. } = &entry.attempt
            && let Ok(rate) = rate.parse::<Rate>()
        {
            let new = || LimitDemand { rate, keys: HashMap::new() };
            let name = format!("event_per_user.{event:?}");
            self.limits.entry(name).or_insert_with(new).add(user.clone(), 1, entry.at_ms);
        }
    }

    fn rows(&self) -> impl Iterator<Item = DemandRow<'_>> {
        self.limits.iter().filter_map(|(name, counted)| {
            let mut peaks: Vec<_> = counted.keys.values().map(|demand| demand.peak).collect();
            peaks.sort_unstable();
            let at = |percent: usize| peaks.get((peaks.len() - 1) * percent / 100).copied();
            let busiest = *peaks.last()?;
            let most = at(COVERED_PERCENT)?;
            Some(DemandRow {
                name,
                configured: counted.rate,
                keys: peaks.len(),
                median: at(50)?,
                most,
                busiest,
                suggested: (most.saturating_mul(3)).div_ceil(2),
            })
        })
    }

    pub(super) fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let head = ["requested within a period", "configured", "keys", "half", "99 %", "most"];
        let [name, configured, keys, median, most, busiest] = head;
        write!(out, "\n{name:<34}{configured:>16}{keys:>8}{median:>12}{most:>12}{busiest:>12}")?;
        writeln!(out, "  suggested")?;
        for row in self.rows() {
            let DemandRow { name, configured, keys, median, most, busiest, suggested } = row;
            let period_ms = configured.period_ms;
            let configured = format!("{}/{}", configured.count, spelled(period_ms));
            write!(out, "{name:<34}{configured:>16}{keys:>8}{median:>12}{most:>12}{busiest:>12}")?;
            writeln!(out, "  \"{suggested}/{}\"", spelled(period_ms))?;
        }
        Ok(())
    }
}

impl LimitDemand {
    fn add(&mut self, key: String, many: u64, at_ms: u64) {
        self.keys.entry(key).or_default().add(at_ms, many, self.rate.period_ms);
    }
}

fn spelled(period_ms: u64) -> String {
    if period_ms.is_multiple_of(1_000) {
        format!("{}s", period_ms / 1_000)
    } else {
        format!("{period_ms}ms")
    }
}

/// The limits that count an attempt, each with key and number.
fn requests_of(attempt: &Attempt) -> Vec<(Limit, String, u64)> {
    let all = String::new;
    match attempt {
        Attempt::Tls { client, .. } => {
            vec![(Limit::TlsPerPrefix, prefix(*client), 1), (Limit::TlsTotal, all(), 1)]
        }
        Attempt::Connect { client, admission: None } => {
            vec![(Limit::ConnectPerPrefix, prefix(*client), 1), (Limit::ConnectTotal, all(), 1)]
        }
        Attempt::Connect { client, admission: Some(_) } => {
            vec![(Limit::ConnectKnownPerPrefix, prefix(*client), 1)]
        }
        Attempt::Request { client, admission: None, .. }
        | Attempt::PollingRequest { client, user: None } => {
            vec![(Limit::RequestPerPrefix, prefix(*client), 1)]
        }
        // Each returning client has the limit of an address.
        Attempt::Request { admission: Some((alias, _)), .. } => {
            vec![(Limit::RequestPerPrefix, alias.to_string(), 1)]
        }
        Attempt::PollingRequest { user: Some(user), .. } => {
            vec![(Limit::RequestPerPrefix, user.clone(), 1)]
        }
        Attempt::Login { client, name, device } => by_login(*client, *name, *device),
        Attempt::LoginFailed { name, .. } => {
            vec![(Limit::LoginFailedPerUser, name.to_string(), 1)]
        }
        Attempt::CodeFailed { name, .. } => vec![(Limit::CodeFailedPerUser, name.to_string(), 1)],
        Attempt::Ticket { user } => vec![(Limit::TicketPerUser, user.clone(), 1)],
        Attempt::Event { client, connection, user, .. } => {
            by_message(MESSAGES, 1, (*client, *connection, user))
        }
        Attempt::Bytes { client, connection, user, bytes } => {
            by_message(BYTES, u64::from(*bytes), (*client, *connection, user))
        }
        Attempt::Namespace { connection, user } => {
            by_packet(NAMESPACES, *connection, user.as_deref())
        }
        Attempt::Signature { connection, user } => {
            by_packet(SIGNATURES, *connection, user.as_deref())
        }
        Attempt::Violation { user: Some(user), .. } => {
            vec![(Limit::PenaltyPerUser, user.clone(), 1)]
        }
        Attempt::Violation { client: Some(client), .. } => {
            vec![(Limit::PenaltyPerPrefix, prefix(*client), 1)]
        }
        // A shared limit counts a waiting client once, not each of its attempts.
        Attempt::Slot { .. }
        | Attempt::SignIn { .. }
        | Attempt::LoginProven { .. }
        | Attempt::LoginSlot {}
        | Attempt::Code { .. }
        | Attempt::CodeAccepted { .. }
        | Attempt::Violation { .. }
        | Attempt::UnlockedAddress { .. }
        | Attempt::UnlockedUser { .. }
        | Attempt::Load { .. } => Vec::new(),
    }
}

/// The limits of a login; one from a known device does not count toward the total.
fn by_login(client: IpAddr, name: u64, device: Option<u64>) -> Vec<(Limit, String, u64)> {
    let mut requests = vec![
        (Limit::LoginPerPrefix, prefix(client), 1),
        (Limit::LoginPerUser, name.to_string(), 1),
    ];
    if device.is_none() {
        requests.push((Limit::LoginTotal, String::new(), 1));
    }
    requests
}

/// Limits by connection, user, prefix, and for all.
const MESSAGES: [Limit; 4] = [
    Limit::MessagePerConnection,
    Limit::MessagePerUser,
    Limit::MessagePerPrefix,
    Limit::MessageTotal,
];
const BYTES: [Limit; 4] =
    [Limit::BytesPerConnection, Limit::BytesPerUser, Limit::BytesPerPrefix, Limit::BytesTotal];

/// The four limits of a message or of its bytes.
fn by_message(
    [per_connection, per_user, per_prefix, total]: [Limit; 4],
    many: u64,
    (client, connection, user): (Option<IpAddr>, u64, &str),
) -> Vec<(Limit, String, u64)> {
    let mut requests = vec![
        (per_connection, connection.to_string(), many),
        (per_user, String::from(user), many),
        (total, String::new(), many),
    ];
    requests.extend(client.map(|client| (per_prefix, prefix(client), many)));
    requests
}

/// Limits by connection and user.
const NAMESPACES: [Limit; 2] = [Limit::NamespacePerConnection, Limit::NamespacePerUser];
const SIGNATURES: [Limit; 2] = [Limit::SignaturePerConnection, Limit::SignaturePerUser];

/// The two limits of a packet or of a signature check.
fn by_packet(
    [per_connection, per_user]: [Limit; 2],
    connection: Option<u64>,
    user: Option<&str>,
) -> Vec<(Limit, String, u64)> {
    let connection = connection.map(|number| (per_connection, number.to_string(), 1));
    let user = user.map(|user| (per_user, String::from(user), 1));
    connection.into_iter().chain(user).collect()
}

/// The prefix of an address: an IPv4 address itself, or the /64 of an IPv6 address.
fn prefix(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(at_ms: u64, client: &str) -> TraceEntry {
        let client = client.parse().unwrap();
        TraceEntry {
            at_ms,
            refused: None,
            attempt: Attempt::Login { client, name: 1, device: None },
        }
    }

    #[test]
    fn peak_counts_any_period_and_the_suggestion_covers_most_keys() {
        let options = GateOptions {
            login_per_prefix: Rate::per(10, 1_000),
            login_per_user: Rate::per(5, 10_000),
            ..GateOptions::default()
        };
        let mut demand = Demand::new(&options);
        // Two in any second at most; addresses of the same /64 count together.
        for (at_ms, client) in [
            (0, "2001:db8::1"),
            (900, "2001:db8::2"),
            (1_000, "2001:db8::3"),
            (2_500, "2001:db8::1"),
        ] {
            demand.take(&login(at_ms, client));
        }
        for _ in 0..7 {
            demand.take(&login(3_000, "192.0.2.1"));
        }
        let rows: Vec<_> = demand.rows().collect();
        let of = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        let prefixes = of("login_per_prefix");
        assert_eq!((prefixes.keys, prefixes.median, prefixes.busiest), (2, 2, 7));
        let names = of("login_per_user");
        assert_eq!((names.keys, names.busiest, names.suggested), (1, 11, 17));
        assert!(rows.iter().all(|row| row.name != "tls_total"), "there was no TLS handshake");
        let mut out = Vec::new();
        demand.print(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("\"17/10s\""), "{out}");
    }

    #[test]
    fn restart_clears_recent_requests_and_keeps_peaks() {
        let mut demand = Demand::new(&GateOptions::default());
        for at_ms in [50_000, 50_001] {
            demand.take(&login(at_ms, "192.0.2.1"));
        }
        demand.restart();
        demand.take(&login(0, "192.0.2.1"));
        let row = demand.rows().find(|row| row.name == "login_per_prefix").unwrap();
        assert_eq!(row.busiest, 2);
    }

    #[test]
    fn event_with_a_rate_has_its_own_row() {
        let mut demand = Demand::new(&GateOptions::default());
        let event = Some((String::from("chat:send"), Some(String::from("10/60000ms"))));
        let attempt =
            Attempt::Event { client: None, connection: 1, user: String::from("ann"), event };
        for at_ms in [0, 1] {
            demand.take(&TraceEntry { at_ms, refused: None, attempt: attempt.clone() });
        }
        let row = demand.rows().find(|row| row.name == "event_per_user.\"chat:send\"").unwrap();
        assert_eq!((row.configured, row.busiest, row.suggested), (Rate::per(10, 60_000), 2, 3));
    }
}
