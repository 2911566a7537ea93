//! Rates as GCRA: one number a key, in tables of fixed size, and one number a connection.
//! Never: a table that grows, or a full table that lets pass.

use std::cell::Cell;
use std::hash::{BuildHasher, Hash, RandomState};
use std::str::FromStr;

use parking_lot::Mutex;
use portcullis_model::Now;

/// So many in so long: `count` at once, then one every `period / count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many may come at once; zero lets nothing pass.
    pub count: u32,
    /// How long it takes until all of them may come again.
    pub period_ms: u64,
}

/// Longest period a rate may have: a day.
pub(crate) const PERIOD_MAX_MS: u64 = 24 * 60 * 60 * 1000;

impl Rate {
    /// `count` in `period_ms`.
    #[must_use]
    pub const fn per(count: u32, period_ms: u64) -> Self {
        Self { count, period_ms }
    }

    /// The same period, `factor` times as many.
    pub(crate) const fn times(self, factor: u32) -> Self {
        Self { count: self.count.saturating_mul(factor), period_ms: self.period_ms }
    }

    /// Whether something passes, and the period is 1 ms to a day.
    #[must_use]
    pub const fn is_sound(self) -> bool {
        self.count >= 1 && self.period_ms >= 1 && self.period_ms <= PERIOD_MAX_MS
    }

    fn period_us(self) -> u64 {
        self.period_ms.min(PERIOD_MAX_MS).saturating_mul(1000)
    }

    /// The time one takes, at least a microsecond: a million a second is the fastest rate.
    fn interval_us(self) -> u64 {
        self.period_us().checked_div(u64::from(self.count)).unwrap_or(u64::MAX).max(1)
    }

    /// One step of GCRA: the theoretical arrival time after this one, or how long to wait.
    fn step(self, arrival_us: u64, now_us: u64) -> Result<u64, u64> {
        if self.count == 0 {
            return Err(PERIOD_MAX_MS);
        }
        let next = arrival_us.max(now_us).saturating_add(self.interval_us());
        let allowed = now_us.saturating_add(self.period_us());
        if next > allowed { Err((next - allowed).div_ceil(1000)) } else { Ok(next) }
    }
}

/// Why a text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a rate: write how many and how long, such as \"10/60s\" (units ms, s, m, h)")]
pub struct RateError;

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (count, period) = text.split_once('/').ok_or(RateError)?;
        let digits = period.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = period.split_at_checked(digits).ok_or(RateError)?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(RateError),
        };
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateError);
        }
        let number: u64 = number.parse().map_err(|_| RateError)?;
        let rate = Self {
            count: count.parse().map_err(|_| RateError)?,
            period_ms: number.checked_mul(unit_ms).ok_or(RateError)?,
        };
        if rate.is_sound() { Ok(rate) } else { Err(RateError) }
    }
}

/// A rate's memory inside one connection: eight bytes, no lock.
#[derive(Debug, Default)]
pub(crate) struct Gcra {
    arrival_us: Cell<u64>,
}

impl Gcra {
    /// Takes one; or says in how many milliseconds the next one passes.
    pub(crate) fn take(&self, rate: &Rate, now: Now) -> Result<(), u64> {
        let next = rate.step(self.arrival_us.get(), microseconds(now))?;
        self.arrival_us.set(next);
        Ok(())
    }

    /// Takes one that cannot be refused; says whether the rate is used up by it.
    pub(crate) fn count(&self, rate: &Rate, now: Now) -> bool {
        let now_us = microseconds(now);
        match rate.step(self.arrival_us.get(), now_us) {
            Ok(next) => {
                self.arrival_us.set(next);
                rate.step(next, now_us).is_err()
            }
            Err(_) => true,
        }
    }
}

/// What a bucket in a table is for; each kind counts apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateKind {
    /// Connection attempts of an address prefix.
    ConnectPerPrefix,
    /// Page and API requests of an address prefix.
    RequestPerPrefix,
    /// Log-ins and registrations of an address prefix.
    LoginPerPrefix,
    /// Log-ins to one user name.
    LoginPerUser,
    /// Failed log-ins to one user name, over a day.
    LoginFailedPerUser,
    /// Log-ins from one known device of a user.
    LoginPerDevice,
    /// Tickets of a user.
    TicketPerUser,
    /// All events of a user, unknown and malformed ones too.
    MessagePerUser,
    /// One event of a user.
    EventPerUser,
}

/// What a refused attempt costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// Nothing: who waits as told gets through.
    Free,
    /// A quarter of an accepted one, until the wait is a period longer than it would be. A client
    /// that backs off gets through; hammering keeps only the hammerer out.
    Charged,
}

/// All tables. Three of them, so that flooding with addresses or user names fills no other.
///
/// Memory: 3 x `rate_keys_max` x 16 bytes, taken at start; 12 MiB for 262,144 keys.
pub(crate) struct Rates {
    hasher: RandomState,
    prefixes: Table,
    names: Table,
    users: Table,
}

impl Rates {
    pub(crate) fn new(keys_max: usize) -> Self {
        let table = || Table::new(keys_max);
        Self { hasher: RandomState::new(), prefixes: table(), names: table(), users: table() }
    }

    /// A key for [`Rates::take`]: a hash under a secret of this process, so that nobody can choose
    /// keys that fall together.
    pub(crate) fn key(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    /// Takes one from the bucket of `kind` and `key_hash`, or says how many ms to wait.
    pub(crate) fn take(
        &self,
        kind: RateKind,
        key_hash: u64,
        rate: &Rate,
        now: Now,
    ) -> Result<(), u64> {
        let (table, key, refused) = self.place(kind, key_hash);
        table.take(key, rate, microseconds(now), refused)
    }

    /// Whether one could be taken, or how many ms to wait; takes nothing and remembers nothing.
    pub(crate) fn look(
        &self,
        kind: RateKind,
        key_hash: u64,
        rate: &Rate,
        now: Now,
    ) -> Result<(), u64> {
        let (table, key, _) = self.place(kind, key_hash);
        rate.step(table.arrival_us(key), microseconds(now)).map(|_| ())
    }

    fn place(&self, kind: RateKind, key_hash: u64) -> (&Table, u64, Refused) {
        let (table, salt, refused) = match kind {
            RateKind::ConnectPerPrefix => (&self.prefixes, 1, Refused::Charged),
            RateKind::RequestPerPrefix => (&self.prefixes, 2, Refused::Charged),
            RateKind::LoginPerPrefix => (&self.prefixes, 3, Refused::Charged),
            // Whoever names a victim's account must not be able to keep its owner out for ever.
            RateKind::LoginPerUser => (&self.names, 4, Refused::Free),
            RateKind::MessagePerUser => (&self.users, 5, Refused::Free),
            RateKind::EventPerUser => (&self.users, 6, Refused::Free),
            RateKind::LoginFailedPerUser => (&self.names, 7, Refused::Free),
            // Only names this server has given out come here, so strangers cannot fill the table.
            RateKind::LoginPerDevice => (&self.users, 8, Refused::Free),
            RateKind::TicketPerUser => (&self.users, 9, Refused::Free),
        };
        let salt: u64 = salt;
        (table, key_hash ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15), refused)
    }
}

const SHARDS: usize = 64;
const WAYS: usize = 8;

#[derive(Clone, Copy, Default)]
struct Bucket {
    key: u64,
    /// When the bucket has drained; from then on it is free, for it remembers nothing.
    arrival_us: u64,
}

type Set = [Bucket; WAYS];

/// A two-way skewed, eight-slot set-associative table: a key has sixteen places it may stand.
struct Table {
    shards: Box<[Mutex<Box<[Set]>>]>,
}

impl Table {
    fn new(keys_max: usize) -> Self {
        let sets = keys_max.div_ceil(SHARDS * WAYS).max(1);
        let shard = || Mutex::new(vec![[Bucket::default(); WAYS]; sets].into_boxed_slice());
        Self { shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Disjoint bits choose the shard and the two sets of it.
    fn places(key: u64, sets: usize) -> [u64; 2] {
        let count = sets as u64;
        [(key & 0x1fff_ffff) % count, ((key >> 29) & 0x1fff_ffff) % count]
    }

    /// When the bucket of the key has drained; 0 when there is none.
    fn arrival_us(&self, key: u64) -> u64 {
        let Some(shard) = self.shards.get((key >> 58) as usize) else { return u64::MAX };
        let sets = shard.lock();
        let places = Self::places(key, sets.len()).into_iter();
        let mut buckets = places.filter_map(|place| sets.get(place as usize)).flatten();
        buckets.find(|bucket| bucket.key == key).map_or(0, |bucket| bucket.arrival_us)
    }

    fn take(&self, key: u64, rate: &Rate, now_us: u64, refused: Refused) -> Result<(), u64> {
        let Some(shard) = self.shards.get((key >> 58) as usize) else { return Err(PERIOD_MAX_MS) };
        let mut sets = shard.lock();
        let places = Self::places(key, sets.len());
        let mut free = None;
        let mut soonest_us = u64::MAX;
        for place in places {
            let Some(set) = sets.get(place as usize) else { continue };
            for (way, bucket) in set.iter().enumerate() {
                if bucket.key == key {
                    let found = sets.get_mut(place as usize).and_then(|set| set.get_mut(way));
                    return found
                        .map_or(Err(PERIOD_MAX_MS), |bucket| bucket.take(rate, now_us, refused));
                }
                if bucket.arrival_us <= now_us && free.is_none() {
                    free = Some((place as usize, way));
                }
                soonest_us = soonest_us.min(bucket.arrival_us);
            }
        }
        // Full fails closed: the newcomer waits until somebody's bucket has drained.
        let full = Err(soonest_us.saturating_sub(now_us).div_ceil(1000).max(1));
        let Some((place, way)) = free else { return full };
        let Some(bucket) = sets.get_mut(place).and_then(|set| set.get_mut(way)) else {
            return full;
        };
        *bucket = Bucket { key, arrival_us: 0 };
        bucket.take(rate, now_us, refused)
    }
}

impl Bucket {
    fn take(&mut self, rate: &Rate, now_us: u64, refused: Refused) -> Result<(), u64> {
        let outcome = rate.step(self.arrival_us, now_us);
        match (outcome, refused) {
            (Ok(next), _) => {
                self.arrival_us = next;
                Ok(())
            }
            (Err(wait_ms), Refused::Free) => Err(wait_ms),
            (Err(wait_ms), Refused::Charged) => {
                let longest = now_us.saturating_add(rate.period_us().saturating_mul(2));
                let charged = self.arrival_us.saturating_add(rate.interval_us() / 4);
                self.arrival_us = self.arrival_us.max(charged.min(longest));
                Err(wait_ms)
            }
        }
    }
}

fn microseconds(now: Now) -> u64 {
    now.monotonic_ms.saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { monotonic_ms: ms, unix_ms: 0 }
    }

    #[test]
    fn rates_are_read_strictly() {
        let cases = [
            ("10/60s", Some(Rate::per(10, 60_000))),
            ("1/1ms", Some(Rate::per(1, 1))),
            ("100/1m", Some(Rate::per(100, 60_000))),
            ("5/1h", Some(Rate::per(5, 3_600_000))),
            ("0/60s", None),
            ("10/0s", None),
            ("10/60", None),
            ("+10/60s", None),
            ("10 / 60s", None),
            ("-1/60s", None),
            ("10/60d", None),
            ("10/25h", None),
            ("10/s", None),
            ("/60s", None),
            ("10", None),
            ("", None),
            ("99999999999/1s", None),
            ("1/99999999999999999999s", None),
            ("1/18446744073709551615h", None),
        ];
        for (text, expect) in cases {
            assert_eq!(text.parse().ok(), expect, "{text:?}");
        }
    }

    /// Plays attempts at the given times; gives how many pass.
    fn passes(kind: RateKind, rate: Rate, times_ms: impl Iterator<Item = u64>) -> usize {
        let rates = Rates::new(1024);
        let key = rates.key("somebody");
        times_ms.filter(|time| rates.take(kind, key, &rate, at(*time)).is_ok()).count()
    }

    #[test]
    fn the_eleventh_of_ten_is_refused_and_a_boundary_does_not_help() {
        let ten = Rate::per(10, 60_000);
        let connect = RateKind::ConnectPerPrefix;
        // T-070.
        assert_eq!(passes(connect, ten, (0..11).map(|_| 5)), 10);
        // T-071: there is no window to straddle.
        let straddling = (0..10).map(|_| 59_000).chain((0..10).map(|_| 61_000));
        assert_eq!(passes(connect, ten, straddling), 10);
        // Who waits gets one an interval.
        let patient = (0..10).map(|_| 0).chain([6_000, 12_000, 18_000]);
        assert_eq!(passes(connect, ten, patient), 13);
    }

    #[test]
    fn t_079_hammering_keeps_the_hammerer_out_and_ends() {
        let rate = Rate::per(10, 60_000);
        let rates = Rates::new(1024);
        let key = rates.key("somebody");
        let take = |ms| rates.take(RateKind::ConnectPerPrefix, key, &rate, at(ms));
        let passed = (0..300_000).step_by(100).filter(|ms| take(*ms).is_ok()).count();
        assert_eq!(passed, 10, "nothing more while it hammers");
        assert!(take(310_000).is_err());
        assert_eq!(take(300_000 + 70_000), Ok(()), "a period and an interval later it is over");
        // A stock client that retries every five seconds is slowed down, not locked out.
        assert!(passes(RateKind::ConnectPerPrefix, rate, (0..600).map(|n| n * 5_000)) > 300);
        // A refused message costs nothing.
        assert_eq!(passes(RateKind::MessagePerUser, rate, (0..600).map(|n| n * 100)), 19);
    }

    #[test]
    fn waiting_as_long_as_told_is_enough() {
        for rate in [Rate::per(10, 60_000), Rate::per(3, 1_000), Rate::per(7, 10), Rate::per(1, 1)]
        {
            let cell = Gcra::default();
            let mut now = at(12_345);
            for _ in 0..100 {
                if let Err(wait_ms) = cell.take(&rate, now) {
                    assert!(wait_ms <= rate.period_ms, "{rate:?} {wait_ms}");
                    now = at(now.monotonic_ms + wait_ms);
                    assert_eq!(cell.take(&rate, now), Ok(()), "{rate:?}");
                }
            }
        }
        assert!(Gcra::default().take(&Rate::per(0, 1000), at(0)).is_err());
    }

    #[test]
    fn kinds_and_keys_count_apart() {
        let rates = Rates::new(1024);
        let one = Rate::per(1, 1000);
        for kind in [RateKind::ConnectPerPrefix, RateKind::RequestPerPrefix, RateKind::LoginPerUser]
        {
            for name in ["a", "b"] {
                assert_eq!(rates.take(kind, rates.key(name), &one, at(0)), Ok(()));
                assert!(rates.take(kind, rates.key(name), &one, at(0)).is_err());
            }
        }
    }

    #[test]
    fn t_072_a_full_table_refuses_newcomers_remembers_the_hot_and_recovers() {
        let rates = Rates::new(4096);
        let rate = Rate::per(2, 60_000);
        let take = |key: u64, ms| rates.take(RateKind::MessagePerUser, key, &rate, at(ms));
        let hot = rates.key("hot");
        assert!(take(hot, 0).is_ok() && take(hot, 0).is_ok());
        let passed = (0..100_000).filter(|key| take(rates.key(*key), 0).is_ok()).count();
        assert!(passed <= 4096, "{passed}");
        assert!(passed >= 3800, "places are used well: {passed}");
        assert!(take(hot, 0).is_err(), "a flood of keys does not make it forget");
        assert_eq!(take(rates.key("late"), 61_000), Ok(()));
        assert_eq!(take(hot, 61_000), Ok(()));
    }

    #[test]
    fn counting_says_when_the_budget_is_used_up() {
        let ten = Rate::per(10, 60_000);
        let cell = Gcra::default();
        let verdicts: Vec<bool> = (0..12).map(|_| cell.count(&ten, at(0))).collect();
        assert_eq!(verdicts.iter().position(|used| *used), Some(9));
        assert!(!cell.count(&ten, at(60_000)));
    }
}
