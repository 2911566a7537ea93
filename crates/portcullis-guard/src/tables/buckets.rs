//! The buckets of all rates: which bucket a limit takes from, and what a rejection costs.
//! Never: a flood that fills the buckets of other clients.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::{Limit, LimitKey, Now};

use crate::tables::block::ViolationCount;
use crate::tables::rate::{NS_A_MS, PERIOD_MAX_MS, Penalty, Rate, nanoseconds};
use crate::tables::rate_table::{Bucket, RejectionCost, Table};

/// A rate that all clients share: one number, updated by all threads.
#[derive(Debug, Default)]
struct Total {
    arrival_ns: AtomicU64,
}

impl Total {
    fn take(&self, rate: &Rate, now_ns: u64) -> Result<(), u64> {
        let mut wait_ms = 0;
        let step = |arrival_ns| match rate.step(arrival_ns, now_ns) {
            Ok(next) => Some(next),
            Err(wait) => {
                wait_ms = wait;
                None
            }
        };
        let taken = self.arrival_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        taken.map(drop).map_err(|_| wait_ms)
    }

    /// Caps a total of a former rate: it is used up under this rate at most.
    fn cap(&self, rate: Rate, now_ns: u64) {
        self.arrival_ns.fetch_min(rate.used_up_ns(now_ns), Ordering::Relaxed);
    }

    fn spend(&self, rate: &Rate, now_ns: u64, units: u32) -> u64 {
        let mut wait_ms = 0;
        let _always_ok = self.arrival_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| {
            let (next, wait) = rate.spend(at, now_ns, units);
            wait_ms = wait;
            Some(next)
        });
        wait_ms
    }
}

/// All tables. Three of them, so that flooding with addresses or user names fills no other.
///
/// Memory: 3 x `rate_keys_max` x 16 bytes, taken at start; 12 MiB for 262,144 keys.
pub(crate) struct Rates {
    hasher: RandomState,
    prefixes: Table,
    names: Table,
    users: Table,
    totals: [Total; Limit::ALL.len()],
    /// Returning clients, while the server is overloaded.
    known: Total,
    /// TLS handshakes of addresses from which a user is signed in.
    neighbours: Total,
    /// TLS handshakes of addresses that connect often.
    often: Total,
}

/// The usage of a table of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableUse {
    /// The name: `prefixes`, `names` or `users`.
    pub table: &'static str,
    /// Buckets in use.
    pub used: usize,
    /// All buckets.
    pub max: usize,
}

/// The table of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BucketTable {
    Prefixes,
    Names,
    Users,
    Total,
}

impl Rates {
    pub(crate) fn new(keys_max: usize) -> Self {
        let table = || Table::new(keys_max);
        Self {
            hasher: RandomState::new(),
            prefixes: table(),
            names: table(),
            users: table(),
            totals: std::array::from_fn(|_| Total::default()),
            known: Total::default(),
            neighbours: Total::default(),
            often: Total::default(),
        }
    }

    /// The usage of the tables.
    pub(crate) fn tables(&self, now: Now) -> [TableUse; 3] {
        let now_ns = nanoseconds(now);
        let tables = [("prefixes", &self.prefixes), ("names", &self.names), ("users", &self.users)];
        tables.map(|(name, table)| {
            let (used, max) = table.fill(now_ns);
            TableUse { table: name, used, max }
        })
    }

    /// A key for [`Rates::take`]: a hash keyed by a secret of this process, so that clients cannot
    /// choose keys that collide.
    pub(crate) fn key(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    /// Takes one from the bucket of a limit and key. The error is the time to wait, in ms.
    pub(crate) fn take(&self, limit: Limit, key: u64, rate: &Rate, now: Now) -> Result<(), u64> {
        let now_ns = nanoseconds(now);
        match self.table(place(limit)) {
            Some(table) => {
                table.with(salted(limit, key), now_ns, |bucket| bucket.take_capped(rate, now_ns))
            }
            None => match self.totals.get(limit.index()) {
                Some(total) => total.take(rate, now_ns),
                None => Err(PERIOD_MAX_MS),
            },
        }
    }

    /// Takes one of an address prefix; `refused` is the cost of a rejected attempt.
    pub(crate) fn take_prefix(
        &self,
        limit: Limit,
        key: u64,
        rate: &Rate,
        refused: RejectionCost,
        now: Now,
    ) -> Result<(), u64> {
        let now_ns = nanoseconds(now);
        let take = |bucket: &mut Bucket| match refused {
            RejectionCost::Free => bucket.take_capped(rate, now_ns),
            RejectionCost::Charged => bucket.take(rate, now_ns, refused),
        };
        self.prefixes.with(salted(limit, key), now_ns, take)
    }

    /// Adds a rejected attempt to those of an address prefix that wait for the same rate. Returns
    /// the time that the attempts before it need, in ms, at most the period of the rate.
    ///
    /// Nothing is reserved: clients that retry after this time pass one by one.
    pub(crate) fn queue(&self, limit: Limit, key: u64, rate: &Rate, now: Now) -> u64 {
        let now_ns = nanoseconds(now);
        let mut before_ns = 0;
        let join = |bucket: &mut Bucket| {
            let free_ns = bucket.arrival_ns.max(now_ns);
            before_ns = free_ns - now_ns;
            let next_ns = free_ns.saturating_add(rate.interval_ns());
            bucket.arrival_ns = next_ns.min(now_ns.saturating_add(rate.period_ns()));
            Ok(())
        };
        let joined = self.prefixes.with(salted(limit, key.rotate_left(32)), now_ns, join);
        joined.map_or(0, |()| before_ns.div_ceil(NS_A_MS))
    }

    /// Takes one of the returning clients. The error is the time to wait, in ms.
    pub(crate) fn take_returning(&self, rate: &Rate, now: Now) -> Result<(), u64> {
        self.known.take(rate, nanoseconds(now))
    }

    /// Takes one TLS handshake of an address from which a user is signed in.
    pub(crate) fn take_neighbour(&self, rate: &Rate, now: Now) -> Result<(), u64> {
        self.neighbours.take(rate, nanoseconds(now))
    }

    /// Takes one TLS handshake of an address that connects often.
    pub(crate) fn take_often(&self, rate: &Rate, now: Now) -> Result<(), u64> {
        self.often.take(rate, nanoseconds(now))
    }

    /// Counts units that have arrived. The error is the time without further units, in ms.
    pub(crate) fn spend(
        &self,
        limit: Limit,
        key: u64,
        rate: &Rate,
        units: u32,
        now: Now,
    ) -> Result<(), u64> {
        let now_ns = nanoseconds(now);
        let wait_ms = match self.table(place(limit)) {
            Some(table) => {
                return table.with(salted(limit, key), now_ns, |bucket| {
                    let (next, wait_ms) = rate.spend(bucket.arrival_ns, now_ns, units);
                    bucket.arrival_ns = next;
                    if wait_ms == 0 { Ok(()) } else { Err(wait_ms) }
                });
            }
            None => match self.totals.get(limit.index()) {
                Some(total) => total.spend(rate, now_ns, units),
                None => PERIOD_MAX_MS,
            },
        };
        if wait_ms == 0 { Ok(()) } else { Err(wait_ms) }
    }

    /// Takes one of a key that this server has issued. Unauthenticated clients cannot fill the
    /// table of such keys.
    pub(crate) fn take_own(
        &self,
        limit: Limit,
        key: u64,
        rate: &Rate,
        now: Now,
    ) -> Result<(), u64> {
        let now_ns = nanoseconds(now);
        let take = |bucket: &mut Bucket| bucket.take_capped(rate, now_ns);
        self.users.with(!salted(limit, key), now_ns, take)
    }

    /// Checks whether one could be taken, and takes nothing. The error is the time to wait, in ms.
    pub(crate) fn check(&self, limit: Limit, key: u64, rate: &Rate, now: Now) -> Result<(), u64> {
        let now_ns = nanoseconds(now);
        rate.step(self.capped_ns(limit, key, rate, now_ns), now_ns).map(|_| ())
    }

    /// As [`Rates::check`], of a key that [`Rates::take_own`] takes from.
    pub(crate) fn check_own(
        &self,
        limit: Limit,
        key: u64,
        rate: &Rate,
        now: Now,
    ) -> Result<(), u64> {
        let now_ns = nanoseconds(now);
        let arrival_ns = self.users.capped_ns(!salted(limit, key), rate.used_up_ns(now_ns));
        rate.step(arrival_ns, now_ns).map(|_| ())
    }

    /// Caps totals of former rates after a reload: they are used up under these rates at most.
    ///
    /// An attempt does not cap a total: the load of the server changes the rates of totals, and
    /// clients must not free a total by causing load.
    pub(crate) fn cap_totals(&self, rates: impl IntoIterator<Item = (Limit, Rate)>, now: Now) {
        let now_ns = nanoseconds(now);
        for (limit, rate) in rates {
            match (place(limit), self.totals.get(limit.index())) {
                (BucketTable::Total, Some(total)) if !has_debts(limit) => total.cap(rate, now_ns),
                _ => {}
            }
            match limit {
                Limit::ConnectTotal => self.known.cap(rate, now_ns),
                Limit::TlsTotal => [&self.neighbours, &self.often]
                    .into_iter()
                    .for_each(|total| total.cap(rate, now_ns)),
                _ => {}
            }
        }
    }

    /// Returns one that [`Rates::take`] has taken.
    pub(crate) fn give_back(&self, limit: Limit, key: u64, rate: &Rate) {
        if let Some(table) = self.table(place(limit)) {
            let interval_ns = rate.interval_ns();
            table.change(salted(limit, key), |arrival_ns| arrival_ns.saturating_sub(interval_ns));
        }
    }

    /// Returns one that [`Rates::take_own`] has taken.
    pub(crate) fn give_back_own(&self, limit: Limit, key: u64, rate: &Rate) {
        let interval_ns = rate.interval_ns();
        self.users.change(!salted(limit, key), |arrival_ns| arrival_ns.saturating_sub(interval_ns));
    }

    /// Checks whether a key is blocked by [`Rates::count_violation`]. The error is the time left,
    /// in ms.
    pub(crate) fn check_block(&self, limit: Limit, key: u64, now: Now) -> Result<(), u64> {
        let count = ViolationCount::stored(self.arrival_ns(limit, key));
        match count.left_ms(nanoseconds(now)) {
            0 => Ok(()),
            left_ms => Err(left_ms),
        }
    }

    /// How many of the rate are used up now.
    pub(crate) fn used(&self, limit: Limit, key: u64, rate: &Rate, now: Now) -> u32 {
        let now_ns = nanoseconds(now);
        let ahead_ns = self.capped_ns(limit, key, rate, now_ns).saturating_sub(now_ns);
        u32::try_from(ahead_ns.div_ceil(rate.interval_ns())).unwrap_or(u32::MAX)
    }

    /// Counts a violation. Over the rate the key is blocked: for `penalty.length_ms` at first,
    /// longer with every further violation, up to `penalty.longest_ms`.
    pub(crate) fn count_violation(
        &self,
        limit: Limit,
        key: u64,
        rate: &Rate,
        penalty: Penalty,
        now: Now,
    ) {
        let Some(table) = self.table(place(limit)) else { return };
        let now_ns = nanoseconds(now);
        let count = |bucket: &mut Bucket| {
            let count = ViolationCount::stored(bucket.arrival_ns);
            bucket.arrival_ns = count.after_violation(rate, penalty, now_ns).to_stored();
            Ok(())
        };
        // A full table has no bucket for another key.
        let _full = table.with(salted(limit, key), now_ns, count);
    }

    /// Clears the bucket of a limit and key.
    pub(crate) fn clear(&self, limit: Limit, key: u64) {
        if let Some(table) = self.table(place(limit)) {
            table.clear(salted(limit, key));
        }
    }

    /// When a bucket has drained. An arrival time of a former rate is capped, where the limit has
    /// no debts of bytes.
    fn capped_ns(&self, limit: Limit, key: u64, rate: &Rate, now_ns: u64) -> u64 {
        match self.table(place(limit)) {
            Some(table) if !has_debts(limit) => {
                table.capped_ns(salted(limit, key), rate.used_up_ns(now_ns))
            }
            Some(_) if has_blocks(limit) => {
                let count = ViolationCount::stored(self.arrival_ns(limit, key));
                count.drained_ns(rate, now_ns)
            }
            Some(_) | None => self.arrival_ns(limit, key),
        }
    }

    fn arrival_ns(&self, limit: Limit, key: u64) -> u64 {
        match self.table(place(limit)) {
            Some(table) => table.arrival_ns(salted(limit, key)),
            None => {
                let total = self.totals.get(limit.index());
                total.map_or(u64::MAX, |total| total.arrival_ns.load(Ordering::Relaxed))
            }
        }
    }

    fn table(&self, place: BucketTable) -> Option<&Table> {
        match place {
            BucketTable::Prefixes => Some(&self.prefixes),
            BucketTable::Names => Some(&self.names),
            BucketTable::Users => Some(&self.users),
            BucketTable::Total => None,
        }
    }
}

/// The table of the buckets of a limit.
fn place(limit: Limit) -> BucketTable {
    match (limit, limit.key()) {
        // Attackers that name an account must not fill the table of signed-in users.
        (Limit::LoginPerUser | Limit::LoginFailedPerUser | Limit::CodeFailedPerUser, _) => {
            BucketTable::Names
        }
        (_, LimitKey::Prefix) => BucketTable::Prefixes,
        (_, LimitKey::User | LimitKey::Connection) => BucketTable::Users,
        (_, LimitKey::Total) => BucketTable::Total,
    }
}

/// Whether a bucket of a limit can be beyond its rate: bytes that have arrived, blocks.
fn has_debts(limit: Limit) -> bool {
    let has_bytes = matches!(
        limit,
        Limit::BytesPerConnection | Limit::BytesPerUser | Limit::BytesPerPrefix | Limit::BytesTotal
    );
    has_bytes || has_blocks(limit)
}

/// Whether a bucket of a limit holds a [`ViolationCount`].
fn has_blocks(limit: Limit) -> bool {
    matches!(limit, Limit::PenaltyPerPrefix | Limit::PenaltyPerUser)
}

/// Different limits of one key have different buckets.
fn salted(limit: Limit, key: u64) -> u64 {
    let salt = limit.index() as u64 + 1;
    key ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { monotonic_ms: ms, unix_ms: 0 }
    }

    /// Makes attempts at the given times; returns how many pass.
    fn passes(limit: Limit, rate: Rate, times_ms: impl Iterator<Item = u64>) -> usize {
        let rates = Rates::new(1024);
        let key = rates.key("client");
        times_ms.filter(|time| rates.take(limit, key, &rate, at(*time)).is_ok()).count()
    }

    #[test]
    fn attempt_over_the_rate_is_rejected_also_across_a_boundary() {
        let ten = Rate::per(10, 60_000);
        let connect = Limit::ConnectPerPrefix;
        // T-070.
        assert_eq!(passes(connect, ten, (0..11).map(|_| 5)), 10);
        // T-071: there is no window to straddle.
        let straddling = (0..10).map(|_| 59_000).chain((0..10).map(|_| 61_000));
        assert_eq!(passes(connect, ten, straddling), 10);
        // A client that waits gets one for each interval.
        let patient = (0..10).map(|_| 0).chain([6_000, 12_000, 18_000]);
        assert_eq!(passes(connect, ten, patient), 13);
    }

    #[test]
    fn t_079_rejected_attempts_are_not_charged() {
        let rate = Rate::per(10, 60_000);
        let rated = [
            Limit::ConnectPerPrefix,
            Limit::ConnectKnownPerPrefix,
            Limit::RequestPerPrefix,
            Limit::LoginPerPrefix,
            Limit::MessagePerUser,
        ];
        for limit in rated {
            // Repeated attempts change nothing: so many pass in five minutes, and one an interval
            // later.
            let repeated = (0..3_000).map(|n| n * 100);
            assert_eq!(passes(limit, rate, repeated), 10 + 49, "{limit:?}");
            let (rates, key) = (Rates::new(1024), 7);
            let take = |ms| rates.take(limit, key, &rate, at(ms));
            assert_eq!((0..1_000).filter(|_| take(0).is_ok()).count(), 10);
            assert_eq!((take(5_999), take(6_000)), (Err(1), Ok(())), "{limit:?}");
        }
        // A rate class charges rejected attempts.
        let (rates, key) = (Rates::new(1024), 7);
        let take = |ms| {
            rates.take_prefix(Limit::ConnectPerPrefix, key, &rate, RejectionCost::Charged, at(ms))
        };
        assert_eq!((0..300_000).step_by(100).filter(|ms| take(*ms).is_ok()).count(), 10);
    }

    #[test]
    fn waiting_clients_get_the_time_of_their_turn() {
        let (rates, rate) = (Rates::new(1024), Rate::per(10, 60_000));
        let limit = Limit::ConnectPerPrefix;
        let queue = |ms| rates.queue(limit, 7, &rate, at(ms));
        assert_eq!([queue(0), queue(0), queue(0)], [0, 6_000, 12_000]);
        assert_eq!(queue(15_000), 3_000, "three wait for 18 s");
        // The time is never longer than a period.
        assert!((0..1_000).all(|_| queue(15_000) <= 60_000));
        assert_eq!(queue(75_000), 0);
        assert_eq!(rates.take(limit, 7, &rate, at(15_000)), Ok(()), "waiting takes nothing");
    }

    #[test]
    fn kinds_and_keys_count_apart() {
        let rates = Rates::new(1024);
        let one = Rate::per(1, 1000);
        for limit in [Limit::ConnectPerPrefix, Limit::RequestPerPrefix, Limit::LoginPerUser] {
            for name in ["a", "b"] {
                assert_eq!(rates.take(limit, rates.key(name), &one, at(0)), Ok(()));
                assert!(rates.take(limit, rates.key(name), &one, at(0)).is_err());
            }
        }
    }

    #[test]
    fn t_072_full_table_rejects_new_keys_keeps_active_ones_and_recovers() {
        let rates = Rates::new(4096);
        let rate = Rate::per(2, 60_000);
        let take = |key: u64, ms| rates.take(Limit::MessagePerUser, key, &rate, at(ms));
        let hot = rates.key("hot");
        assert!(take(hot, 0).is_ok() && take(hot, 0).is_ok());
        let passed = (0..100_000).filter(|key| take(rates.key(*key), 0).is_ok()).count();
        assert!(passed <= 4096, "{passed}");
        assert!(passed >= 3800, "slots are used well: {passed}");
        assert!(take(hot, 0).is_err(), "a flood of keys does not evict it");
        assert_eq!(take(rates.key("late"), 61_000), Ok(()));
        assert_eq!(take(hot, 61_000), Ok(()));
    }

    #[test]
    fn repeated_violations_extend_a_penalty_that_ends() {
        let (rates, rate) = (Rates::new(1024), Rate::per(3, 60_000));
        let limit = Limit::PenaltyPerPrefix;
        let penalty = Penalty { length_ms: 60_000, longest_ms: 600_000 };
        let key = rates.key("client");
        let count_violation = |ms| rates.count_violation(limit, key, &rate, penalty, at(ms));
        let wait_ms = |ms| rates.check_block(limit, key, at(ms)).err().unwrap_or(0);
        for _ in 0..3 {
            count_violation(0);
        }
        assert_eq!(wait_ms(0), 0, "a few are forgiven");
        count_violation(0);
        assert_eq!((wait_ms(0), wait_ms(59_999), wait_ms(60_000)), (60_000, 1, 0));
        // One violation a second extends the block; one in five seconds does not.
        (0..60).for_each(|second| count_violation(second * 1_000));
        assert!(wait_ms(60_000) >= 59_000, "{}", wait_ms(60_000));
        (0..100_000).for_each(|_| count_violation(60_000));
        assert_eq!(wait_ms(60_000), 600_000);
        rates.clear(limit, key);
        assert_eq!(wait_ms(60_000), 0);
        assert_eq!(rates.used(limit, key, &rate, at(60_000)), 0);
    }

    #[test]
    fn rate_of_a_reload_holds_at_once_for_a_key_that_used_up_the_former() {
        let (slow, quick) = (Rate::per(2, 3_600_000), Rate::per(20, 60_000));
        for limit in [Limit::LoginFailedPerUser, Limit::ConnectPerPrefix, Limit::TicketPerUser] {
            let rates = Rates::new(1024);
            let take = |rate, ms| rates.take(limit, 7, rate, at(ms));
            assert_eq!([take(&slow, 0), take(&slow, 0)], [Ok(()), Ok(())]);
            assert!(rates.check(limit, 7, &slow, at(60_000)).is_err());
            // It is used up under the new rate: nothing is given away.
            assert_eq!(rates.used(limit, 7, &quick, at(0)), 20, "{limit:?}");
            assert_eq!(rates.check(limit, 7, &quick, at(0)), Err(3_000), "{limit:?}");
            assert_eq!((take(&quick, 3_000), take(&quick, 3_000)), (Ok(()), Err(3_000)));
            assert_eq!((0..100).filter(|_| take(&quick, 63_000).is_ok()).count(), 20);
            let own = |rate, ms| rates.take_own(limit, 8, rate, at(ms));
            assert_eq!([own(&slow, 0), own(&slow, 0)], [Ok(()), Ok(())]);
            assert_eq!(rates.check_own(limit, 8, &quick, at(0)), Err(3_000));
            assert_eq!(own(&quick, 3_000), Ok(()));
            let free = RejectionCost::Free;
            let apart = |rate, ms| rates.take_prefix(limit, 9, rate, free, at(ms));
            assert_eq!([apart(&slow, 0), apart(&slow, 0)], [Ok(()), Ok(())]);
            assert_eq!((apart(&quick, 0), apart(&quick, 3_000)), (Err(3_000), Ok(())));
            let charged = |rate, ms| {
                let outcome = rates.take_prefix(limit, 10, rate, RejectionCost::Charged, at(ms));
                outcome.is_ok()
            };
            assert_eq!([0, 0, 0].map(|ms| charged(&slow, ms)), [true, true, false]);
            // A charged rejection costs a period more at most.
            assert_eq!((charged(&quick, 0), charged(&quick, 63_000)), (false, true));
        }
    }

    #[test]
    fn total_of_a_former_rate_is_capped_by_a_reload_alone() {
        let (slow, quick) = (Rate::per(2, 3_600_000), Rate::per(20, 60_000));
        for limit in [Limit::LoginTotal, Limit::ConnectTotal] {
            let rates = Rates::new(1024);
            let take = |rate, ms| rates.take(limit, 0, rate, at(ms));
            assert_eq!([take(&slow, 0), take(&slow, 0)], [Ok(()), Ok(())]);
            assert!(take(&quick, 3_000).is_err(), "the load of the server frees no total");
            rates.cap_totals([(limit, quick)], at(0));
            assert_eq!((take(&quick, 3_000), take(&quick, 3_000)), (Ok(()), Err(3_000)));
        }
    }

    #[test]
    fn block_and_debt_outlast_a_change_of_the_rate() {
        let (rates, quick) = (Rates::new(1024), Rate::per(100, 1_000));
        let (limit, rate) = (Limit::PenaltyPerPrefix, Rate::per(1, 60_000));
        let penalty = Penalty { length_ms: 600_000, longest_ms: 3_600_000 };
        (0..2).for_each(|_| rates.count_violation(limit, 7, &rate, penalty, at(0)));
        assert!(rates.used(limit, 7, &quick, at(0)) > quick.count);
        rates.count_violation(limit, 7, &quick, penalty, at(0));
        assert!(rates.check_block(limit, 7, at(500_000)).is_err());
        let slow = Rate::per(1_000, 36_000_000);
        assert!(rates.used(limit, 7, &slow, at(0)) > slow.count);
        assert!(rates.check(limit, 7, &slow, at(0)).is_err_and(|wait_ms| wait_ms > 600_000));
        for limit in [Limit::BytesPerUser, Limit::BytesTotal] {
            assert!(rates.spend(limit, 7, &rate, 9, at(0)).is_err());
            rates.cap_totals([(limit, quick)], at(0));
            assert!(rates.check(limit, 7, &quick, at(400_000)).is_err(), "{limit:?}");
        }
    }

    #[test]
    fn spent_units_are_a_debt_of_tables_and_totals() {
        // A gigabyte a second is a rate as well.
        let (rates, fast) = (Rates::new(1024), Rate::per(1_000_000_000, 1_000));
        for limit in [Limit::BytesTotal, Limit::BytesPerUser] {
            let spend = |units| rates.spend(limit, 7, &fast, units, at(0));
            assert_eq!(spend(1_000_000_000), Ok(()));
            assert_eq!(spend(1_000_000), Err(1));
            assert_eq!(rates.check(limit, 7, &fast, at(0)), Err(2));
        }
    }
}
