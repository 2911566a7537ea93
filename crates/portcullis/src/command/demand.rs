//! How much was asked for, and what limits would have been enough.
//! Never: a decision; an operator looks at these numbers and takes one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write;
use std::net::IpAddr;

use portcullis_guard::{Attempt, GateOptions, Rate, TraceEntry};
use portcullis_model::Limit;

/// A suggested limit is enough for so many keys of a hundred, and half as much again.
const ENOUGH_FOR: usize = 99;

/// What one key asked for.
#[derive(Debug, Default)]
struct Asked {
    /// When, and how much, within the last period.
    recent: VecDeque<(u64, u64)>,
    sum: u64,
    /// The most within any period.
    peak: u64,
}

impl Asked {
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

/// One limit, or one event's own rate.
#[derive(Debug)]
struct Counted {
    rate: Rate,
    keys: HashMap<String, Asked>,
}

/// What every key of every limit asked for at most.
#[derive(Debug, Default)]
pub(super) struct Demand {
    limits: BTreeMap<String, Counted>,
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row<'a> {
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
            (String::from(limit.name()), Counted { rate, keys: HashMap::new() })
        });
        Self { limits: limits.collect() }
    }

    /// Another process: its time begins anew. Peaks stay.
    pub(super) fn restart(&mut self) {
        for asked in self.limits.values_mut().flat_map(|counted| counted.keys.values_mut()) {
            asked.recent.clear();
            asked.sum = 0;
        }
    }

    pub(super) fn take(&mut self, traced: &TraceEntry) {
        for (limit, key, many) in asked_of(&traced.attempt) {
            if let Some(counted) = self.limits.get_mut(limit.name()) {
                counted.add(key, many, traced.at_ms);
            }
        }
        if let Attempt::Event { user, event: Some((event, Some(rate))), .. } = &traced.attempt
            && let Ok(rate) = rate.parse::<Rate>()
        {
            let fresh = || Counted { rate, keys: HashMap::new() };
            let name = format!("event_per_user.{event:?}");
            self.limits.entry(name).or_insert_with(fresh).add(user.clone(), 1, traced.at_ms);
        }
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.limits.iter().filter_map(|(name, counted)| {
            let mut peaks: Vec<_> = counted.keys.values().map(|asked| asked.peak).collect();
            peaks.sort_unstable();
            let at = |percent: usize| peaks.get((peaks.len() - 1) * percent / 100).copied();
            let busiest = *peaks.last()?;
            let most = at(ENOUGH_FOR)?;
            Some(Row {
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
        let head = ["asked for within a period", "configured", "keys", "half", "99 %", "most"];
        let [name, configured, keys, median, most, busiest] = head;
        write!(out, "\n{name:<34}{configured:>16}{keys:>8}{median:>12}{most:>12}{busiest:>12}")?;
        writeln!(out, "  suggested")?;
        for row in self.rows() {
            let Row { name, configured, keys, median, most, busiest, suggested } = row;
            let period_ms = configured.period_ms;
            let configured = format!("{}/{}", configured.count, spelled(period_ms));
            write!(out, "{name:<34}{configured:>16}{keys:>8}{median:>12}{most:>12}{busiest:>12}")?;
            writeln!(out, "  \"{suggested}/{}\"", spelled(period_ms))?;
        }
        Ok(())
    }
}

impl Counted {
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

/// What limits an attempt asks, by which key, and how much.
fn asked_of(attempt: &Attempt) -> Vec<(Limit, String, u64)> {
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
        // Whoever is known has as many as an address.
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
        // What all share is asked for once, however often whoever waits for it tries.
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

/// What a login asks for; one from a known device is not counted in all.
fn by_login(client: IpAddr, name: u64, device: Option<u64>) -> Vec<(Limit, String, u64)> {
    let mut asked = vec![
        (Limit::LoginPerPrefix, prefix(client), 1),
        (Limit::LoginPerUser, name.to_string(), 1),
    ];
    if device.is_none() {
        asked.push((Limit::LoginTotal, String::new(), 1));
    }
    asked
}

/// By connection, user, prefix, and in all.
const MESSAGES: [Limit; 4] = [
    Limit::MessagePerConnection,
    Limit::MessagePerUser,
    Limit::MessagePerPrefix,
    Limit::MessageTotal,
];
const BYTES: [Limit; 4] =
    [Limit::BytesPerConnection, Limit::BytesPerUser, Limit::BytesPerPrefix, Limit::BytesTotal];

/// What a message or its bytes ask of the four limits that count them.
fn by_message(
    [per_connection, per_user, per_prefix, total]: [Limit; 4],
    many: u64,
    (client, connection, user): (Option<IpAddr>, u64, &str),
) -> Vec<(Limit, String, u64)> {
    let mut asked = vec![
        (per_connection, connection.to_string(), many),
        (per_user, String::from(user), many),
        (total, String::new(), many),
    ];
    asked.extend(client.map(|client| (per_prefix, prefix(client), many)));
    asked
}

/// By connection and user.
const NAMESPACES: [Limit; 2] = [Limit::NamespacePerConnection, Limit::NamespacePerUser];
const SIGNATURES: [Limit; 2] = [Limit::SignaturePerConnection, Limit::SignaturePerUser];

/// What a packet or its signature asks of the two limits that count it.
fn by_packet(
    [per_connection, per_user]: [Limit; 2],
    connection: Option<u64>,
    user: Option<&str>,
) -> Vec<(Limit, String, u64)> {
    let connection = connection.map(|number| (per_connection, number.to_string(), 1));
    let user = user.map(|user| (per_user, String::from(user), 1));
    connection.into_iter().chain(user).collect()
}

/// What addresses share: an IPv4 address stands alone, an IPv6 one with its /64.
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
    fn peaks_are_of_any_period_and_most_keys_say_what_is_enough() {
        let options = GateOptions {
            login_per_prefix: Rate::per(10, 1_000),
            login_per_user: Rate::per(5, 10_000),
            ..GateOptions::default()
        };
        let mut demand = Demand::new(&options);
        // Two in a second at most, across the seconds; a neighbour in the same /64 is the same.
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
        assert!(rows.iter().all(|row| row.name != "tls_total"), "nobody asked for it");
        let mut out = Vec::new();
        demand.print(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("\"17/10s\""), "{out}");
    }

    #[test]
    fn a_restart_forgets_what_was_recent_and_no_peak() {
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
    fn an_event_has_its_own_rate() {
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
