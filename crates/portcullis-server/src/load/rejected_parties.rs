//! Networks, users and origins whose requests are rejected most, in tables of fixed size.
//! Never: work for an accepted message, or a table that grows with the number of clients.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use parking_lot::Mutex;
use portcullis_model::{Now, UserId};

/// Tables; shards with the same remainder share one.
const TABLES: usize = 16;
/// Entries of one kind in a table. Memory of all tables: 16 times 192 of 190 bytes, 0.6 MiB.
const ENTRIES_MAX: usize = 64;
/// Entries of a full table that are compared for a new one.
const COMPARED: usize = 8;
/// The window: 30 buckets of ten seconds.
const BUCKETS: usize = 30;
const BUCKET_MS: u64 = 10_000;
/// Longest origin that is kept, in bytes.
const ORIGIN_MAX_BYTES: usize = 128;

/// The kind of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartyKind {
    /// An IPv4 /24 or IPv6 /48.
    Prefix,
    /// A signed-in user.
    User,
    /// An origin that is not allowed.
    Origin,
}

/// A network, user or origin with rejected requests in the last five minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct RejectedParty {
    /// What it is.
    pub kind: PartyKind,
    /// The prefix, the id of the user, or the origin.
    pub value: String,
    /// The limit, else the rule, that rejected last.
    pub rule: &'static str,
    /// Rejections in the last five minutes.
    pub rejected: u64,
    /// Rejections a second in the last ten to twenty seconds.
    pub per_s: f64,
    /// The part of all rejections of that time, from 0 to 1.
    pub share: f64,
    /// The wait until a retry can succeed, as the last rejection said.
    pub wait_ms: u64,
}

/// One rejection, as the tables count it.
#[derive(Debug, Clone, Copy)]
pub struct PartyRejection<'a> {
    /// The address of the client, whose network counts.
    pub client: Option<IpAddr>,
    /// The user who is signed in.
    pub user: Option<&'a UserId>,
    /// The origin, if it is not allowed.
    pub origin: Option<&'a str>,
    /// The limit, else the rule, that has rejected.
    pub rule: &'static str,
    /// The wait until a retry can succeed.
    pub wait_ms: u64,
}

/// The counts of one party.
#[derive(Debug, Clone)]
struct Tally {
    counts: [u32; BUCKETS],
    /// The sum of the counts.
    sum: u64,
    /// The number of the newest bucket.
    newest: u64,
    rule: &'static str,
    wait_ms: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Tally {
    fn new(newest: u64) -> Self {
        Self { counts: [0; BUCKETS], sum: 0, newest, rule: "", wait_ms: 0 }
    }

    /// Empties the buckets that are older than the window.
    fn advance(&mut self, bucket: u64) {
        let passed = bucket.saturating_sub(self.newest).min(BUCKETS as u64);
        for next in (bucket + 1 - passed)..=bucket {
            if let Some(count) = self.counts.get_mut(next as usize % BUCKETS) {
                self.sum = self.sum.saturating_sub(u64::from(std::mem::take(count)));
            }
        }
        self.newest = self.newest.max(bucket);
    }

    fn add(&mut self, bucket: u64, more: u32) {
        if let Some(count) = self.counts.get_mut(bucket as usize % BUCKETS) {
            let before = *count;
            *count = before.saturating_add(more);
            self.sum += u64::from(*count - before);
        }
    }

    fn count(&self, bucket: u64) -> u64 {
        self.counts.get(bucket as usize % BUCKETS).copied().map_or(0, u64::from)
    }
}

/// Parties of one kind. A full table compares a few parties in turn and replaces the one with the
/// fewest rejections; the new one starts at zero. So parties that are rejected often stay, and no
/// count is too high.
///
/// Keys stand apart from their counts, so that a search reads little memory.
#[derive(Debug)]
struct PartyTable<K> {
    keys: Vec<K>,
    tallies: Vec<Tally>,
    /// The next party that is compared.
    hand: usize,
}

impl<K> Default for PartyTable<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), tallies: Vec::new(), hand: 0 }
    }
}

impl<K> PartyTable<K> {
    fn add(
        &mut self,
        is_it: impl Fn(&K) -> bool,
        new: impl FnOnce() -> K,
        rejection: &PartyRejection<'_>,
        bucket: u64,
    ) {
        let found = self.keys.iter().position(is_it);
        let index = found.unwrap_or_else(|| self.make(new(), bucket));
        let Some(tally) = self.tallies.get_mut(index) else { return };
        tally.advance(bucket);
        tally.add(bucket, 1);
        (tally.rule, tally.wait_ms) = (rejection.rule, rejection.wait_ms);
    }

    /// Makes room for a party, and gives its index.
    fn make(&mut self, key: K, bucket: u64) -> usize {
        let index =
            if self.keys.len() < ENTRIES_MAX { self.keys.len() } else { self.weakest(bucket) };
        let tally = Tally::new(bucket);
        match (self.keys.get_mut(index), self.tallies.get_mut(index)) {
            (Some(known), Some(counts)) => (*known, *counts) = (key, tally),
            _ => {
                self.keys.push(key);
                self.tallies.push(tally);
            }
        }
        index
    }

    /// The party with the fewest rejections among the next few.
    fn weakest(&mut self, bucket: u64) -> usize {
        let mut weakest = (u64::MAX, self.hand);
        for _ in 0..COMPARED {
            if let Some(tally) = self.tallies.get_mut(self.hand) {
                tally.advance(bucket);
                weakest = weakest.min((tally.sum, self.hand));
            }
            self.hand = (self.hand + 1) % ENTRIES_MAX;
        }
        weakest.1
    }
}

/// The parties of some shards.
#[derive(Debug, Default)]
struct Parties {
    /// All rejections, also those of parties that the full tables leave out.
    all: Tally,
    prefixes: PartyTable<IpAddr>,
    users: PartyTable<UserId>,
    origins: PartyTable<Box<str>>,
}

/// The parties of all shards.
#[derive(Debug, Default)]
pub struct RejectedParties([Mutex<Parties>; TABLES]);

impl RejectedParties {
    /// Counts a rejection for its network, user and origin.
    pub fn add(&self, shard: u16, rejection: &PartyRejection<'_>, now: Now) {
        let Some(table) = self.0.get(usize::from(shard) % TABLES) else { return };
        let bucket = now.monotonic_ms / BUCKET_MS;
        let mut parties = table.lock();
        parties.all.advance(bucket);
        parties.all.add(bucket, 1);
        if let Some(prefix) = rejection.client.map(prefix) {
            parties.prefixes.add(|known| *known == prefix, || prefix, rejection, bucket);
        }
        if let Some(user) = rejection.user {
            parties.users.add(|known| known == user, || user.clone(), rejection, bucket);
        }
        if let Some(origin) = rejection.origin {
            let end = origin.floor_char_boundary(ORIGIN_MAX_BYTES);
            let origin = origin.get(..end).unwrap_or_default();
            parties.origins.add(
                |known| **known == *origin,
                || Box::from(origin),
                rejection,
                bucket,
            );
        }
    }

    /// All parties with rejections in the window, strongest first.
    #[must_use]
    pub fn read(&self, now: Now) -> Vec<RejectedParty> {
        let (mut prefixes, mut users, mut origins) =
            (HashMap::new(), HashMap::new(), HashMap::new());
        let mut period = Period::at(now);
        for table in &self.0 {
            let mut parties = table.lock();
            period.add(&mut parties.all);
            merge(&mut prefixes, &parties.prefixes, now);
            merge(&mut users, &parties.users, now);
            merge(&mut origins, &parties.origins, now);
        }
        let width = |prefix: &IpAddr| if prefix.is_ipv4() { 24 } else { 48 };
        let text = |prefix: &IpAddr| format!("{prefix}/{}", width(prefix));
        let mut all = views(PartyKind::Prefix, &prefixes, &period, text);
        all.extend(views(PartyKind::User, &users, &period, |user: &UserId| {
            String::from(user.as_str())
        }));
        all.extend(views(PartyKind::Origin, &origins, &period, |origin| origin.to_string()));
        all.sort_by(|one, other| {
            other.rejected.cmp(&one.rejected).then_with(|| one.value.cmp(&other.value))
        });
        all
    }
}

fn merge<K: Clone + Eq + Hash>(all: &mut HashMap<K, Tally>, table: &PartyTable<K>, now: Now) {
    let bucket = now.monotonic_ms / BUCKET_MS;
    for (key, tally) in table.keys.iter().zip(&table.tallies) {
        let mut tally = tally.clone();
        tally.advance(bucket);
        let sum = all.entry(key.clone()).or_insert_with(|| Tally::new(bucket));
        for (index, count) in (0..).zip(tally.counts) {
            sum.add(index, count);
        }
        (sum.rule, sum.wait_ms) = (tally.rule, tally.wait_ms);
    }
}

/// The last ten to twenty seconds: the present bucket and the one before.
struct Period {
    bucket: u64,
    length_ms: u64,
    /// Rejections of all parties in it.
    rejected: u64,
}

impl Period {
    fn at(now: Now) -> Self {
        let length_ms = BUCKET_MS + now.monotonic_ms % BUCKET_MS;
        Self { bucket: now.monotonic_ms / BUCKET_MS, length_ms, rejected: 0 }
    }

    fn add(&mut self, all: &mut Tally) {
        all.advance(self.bucket);
        self.rejected += self.count(all);
    }

    fn count(&self, tally: &Tally) -> u64 {
        tally.count(self.bucket) + tally.count(self.bucket.saturating_sub(1))
    }
}

fn views<K>(
    kind: PartyKind,
    all: &HashMap<K, Tally>,
    period: &Period,
    text: impl Fn(&K) -> String,
) -> Vec<RejectedParty> {
    let counted = all.iter().filter(|(_, tally)| tally.sum > 0);
    let view = |(key, tally): (&K, &Tally)| {
        let newest = period.count(tally) as f64;
        RejectedParty {
            kind,
            value: text(key),
            rule: tally.rule,
            rejected: tally.sum,
            per_s: newest * 1_000.0 / period.length_ms as f64,
            share: newest / period.rejected.max(1) as f64,
            wait_ms: tally.wait_ms,
        }
    };
    counted.map(view).collect()
}

/// The network of an address: /24 of IPv4, /48 of IPv6.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !0xff)),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Now {
        Now { monotonic_ms: second * 1_000, unix_ms: 0 }
    }

    fn of(client: &str) -> PartyRejection<'static> {
        let client = Some(client.parse().unwrap());
        PartyRejection { client, user: None, origin: None, rule: "connect_per_prefix", wait_ms: 7 }
    }

    #[test]
    fn networks_of_all_shards_are_added_and_leave_after_five_minutes() {
        let parties = RejectedParties::default();
        for (shard, client) in [(0, "203.0.113.7"), (1, "203.0.113.250"), (0, "2001:db8:1:2::1")] {
            parties.add(shard, &of(client), at(100));
        }
        let found = parties.read(at(105));
        let values: Vec<_> =
            found.iter().map(|party| (party.value.as_str(), party.rejected)).collect();
        assert_eq!(values, [("203.0.113.0/24", 2), ("2001:db8:1::/48", 1)]);
        assert_eq!((found[0].rule, found[0].wait_ms), ("connect_per_prefix", 7));
        assert!(found[0].per_s > 0.1);
        assert_eq!((found[0].share * 3.0).round(), 2.0);
        assert_eq!(parties.read(at(125))[0].share, 0.0, "none in the last seconds");
        assert_eq!(parties.read(at(389)).len(), 2);
        assert!(parties.read(at(405)).is_empty());
    }

    #[test]
    fn heavy_network_stays_among_many_others() {
        let parties = RejectedParties::default();
        for number in 0..10_000_u32 {
            let client = Some(IpAddr::V4(Ipv4Addr::from_bits(number << 8)));
            parties.add(0, &PartyRejection { client, ..of("::1") }, at(1));
            if number % 10 == 0 {
                parties.add(0, &of("203.0.113.7"), at(1));
            }
        }
        let found = parties.read(at(2));
        assert_eq!(found.len(), ENTRIES_MAX);
        assert_eq!(found[0].value, "203.0.113.0/24");
        let share = found[0].share;
        assert!((0.089..0.092).contains(&share), "of all, not of those in the table: {share}");
        assert!(found[0].rejected >= 990, "{}", found[0].rejected);
    }

    #[test]
    fn users_and_origins_are_counted_apart() {
        let parties = RejectedParties::default();
        let user = UserId::parse("u_1").unwrap();
        let long = "x".repeat(300);
        let rejection =
            PartyRejection { user: Some(&user), origin: Some(&long), ..of("203.0.113.7") };
        parties.add(3, &rejection, at(1));
        let kinds: Vec<_> = parties.read(at(1)).iter().map(|party| party.kind).collect();
        assert_eq!(kinds.len(), 3);
        let origin = parties.read(at(1)).into_iter().find(|party| party.kind == PartyKind::Origin);
        assert_eq!(origin.unwrap().value.len(), ORIGIN_MAX_BYTES);
    }
}
