//! The times of renewals and of further attempts.
//! Never: two servers at the same moment by design; each time has a random part.

use std::collections::VecDeque;

use portcullis_model::Now;

use crate::acme::authority::failure::FailureKind;
use crate::tls::certificate::Validity;

const HOUR_S: u64 = 60 * 60;
/// The wait after the first failure; each further one doubles it.
const RETRY_FIRST_S: u64 = 2 * 60;
/// The longest wait after a failure.
const RETRY_MAX_S: u64 = 12 * HOUR_S;
/// The waits after the authority reported a rate limit. Their limits are of hours to a week.
pub(super) const RATE_LIMITED_S: (u64, u64) = (6 * HOUR_S, 24 * HOUR_S);
/// The shortest wait after a success: a wrong clock causes no loop of orders.
const AFTER_SUCCESS_S: u64 = HOUR_S;

/// The orders that reloads start within an hour at most: a loop of reloads with other names does
/// not use up the limits of the authority.
const RELOAD_ORDERS_MAX: usize = 4;

/// A random part of a time: a fraction of [`u32::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jitter(pub(crate) u32);

impl Jitter {
    /// Spreads the times of servers; without randomness, they have no random part.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 4];
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            return Self(0);
        }
        Self(u32::from_le_bytes(bytes))
    }

    /// A random part of `whole`; all of it at most.
    fn of(self, whole: i64) -> i64 {
        let part = i128::from(whole) * i128::from(self.0) / i128::from(u32::MAX);
        i64::try_from(part).unwrap_or(0)
    }
}

/// When a certificate is renewed without advice of its authority: at two thirds of its lifetime, or
/// up to a thirtieth of it earlier.
pub(crate) fn renewal_unix_s(validity: Validity, jitter: Jitter) -> i64 {
    let lifetime_s = validity.until_unix_s.saturating_sub(validity.from_unix_s).max(0);
    let due = validity.from_unix_s.saturating_add(lifetime_s / 3 * 2);
    due.saturating_sub(jitter.of(lifetime_s / 30))
}

/// A random moment of the window that the authority suggests (RFC 9773 section 4.2), and never
/// later than a third of a day before the end of the certificate.
pub(crate) fn moment_of_window(window: (i64, i64), validity: Validity, jitter: Jitter) -> i64 {
    let (start, end) = window;
    let moment = start.saturating_add(jitter.of(end.saturating_sub(start).max(0)));
    moment.min(validity.until_unix_s.saturating_sub(8 * 60 * 60))
}

/// The wait after failures in a row, in seconds. `retry_after_s` is the wait that the authority
/// requests.
pub(crate) fn retry_wait_s(
    failures: u32,
    kind: FailureKind,
    retry_after_s: Option<u64>,
    jitter: Jitter,
) -> u64 {
    let doubled = RETRY_FIRST_S.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let (least, most) = match kind {
        FailureKind::RateLimited => RATE_LIMITED_S,
        FailureKind::Other => (doubled.min(RETRY_MAX_S), RETRY_MAX_S),
    };
    let wait = retry_after_s.unwrap_or(0).max(least).min(most);
    // A quarter earlier at most, unless the authority named the time.
    let early = jitter.of(i64::try_from(wait / 4).unwrap_or(0));
    let early = u64::try_from(early).unwrap_or(0);
    wait.saturating_sub(early).max(retry_after_s.unwrap_or(0).min(most))
}

/// The part of a wait after a failure that the authority requested: it holds for other names too.
pub(crate) fn requested_wait_s(kind: FailureKind, wait_s: u64, retry_after_s: Option<u64>) -> u64 {
    match kind {
        FailureKind::RateLimited => wait_s,
        FailureKind::Other => retry_after_s.unwrap_or(0).min(wait_s),
    }
}

/// When the next attempt starts: a wall-clock time, and not before a wait has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    due_unix_s: i64,
    not_before_ms: u64,
}

impl Plan {
    /// At once.
    pub(crate) const NOW: Self = Self { due_unix_s: i64::MIN, not_before_ms: 0 };

    /// At a wall-clock time.
    pub(crate) fn at(due_unix_s: i64) -> Self {
        Self { due_unix_s, not_before_ms: 0 }
    }

    /// At a wall-clock time, and not soon after the success at `now`.
    pub(crate) fn after_success(due_unix_s: i64, now: Now) -> Self {
        Self { due_unix_s, not_before_ms: after(now, AFTER_SUCCESS_S) }
    }

    /// After a wait.
    pub(crate) fn after_failure(wait_s: u64, now: Now) -> Self {
        Self { due_unix_s: i64::MIN, not_before_ms: after(now, wait_s) }
    }

    /// The same, and not before a wait has passed.
    pub(crate) fn with_wait(self, wait_s: u64, now: Now) -> Self {
        Self { not_before_ms: self.not_before_ms.max(after(now, wait_s)), ..self }
    }

    /// Whether it renews a complete certificate; otherwise an order waits, which keeps its time.
    pub(crate) fn is_renewal(self) -> bool {
        self.due_unix_s > i64::MIN
    }

    /// Changes the wall-clock time only.
    pub(crate) fn with_due(self, due_unix_s: i64) -> Self {
        Self { due_unix_s, ..self }
    }

    pub(crate) fn is_due(self, now: Now) -> bool {
        now.unix_s() >= self.due_unix_s && now.monotonic_ms >= self.not_before_ms
    }

    /// The wall-clock time of the next attempt.
    pub(crate) fn next_unix_s(self, now: Now) -> i64 {
        let wait_s = self.not_before_ms.saturating_sub(now.monotonic_ms) / 1_000;
        now.unix_s().saturating_add(i64::try_from(wait_s).unwrap_or(i64::MAX)).max(self.due_unix_s)
    }
}

/// The bounds of orders that reloads start; times on the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct ReloadOrders {
    /// When the newest ones started, the oldest first; at most [`RELOAD_ORDERS_MAX`].
    started_ms: VecDeque<u64>,
    /// Whether the next attempt is the first one for the names of a reload.
    is_pending: bool,
    /// The end of the wait that the authority requested.
    requested_until_ms: u64,
}

impl ReloadOrders {
    /// The plan of an order for the names of a reload.
    pub(crate) fn request(&mut self, now: Now) -> Plan {
        self.is_pending = true;
        let oldest_ms = self.started_ms.front().filter(|_| self.is_full());
        let free_ms = oldest_ms.map_or(0, |oldest_ms| oldest_ms.saturating_add(HOUR_S * 1_000));
        let not_before_ms = free_ms.max(self.requested_until_ms);
        if not_before_ms <= now.monotonic_ms {
            return Plan::NOW;
        }
        Plan { not_before_ms, ..Plan::NOW }
    }

    /// The plan of the renewal of a certificate that has all names of the newest reload. If it is
    /// due, the reload starts it, so that the bounds hold.
    pub(crate) fn renewal(&mut self, due_unix_s: i64, now: Now) -> Plan {
        let plan = Plan::at(due_unix_s);
        if plan.is_due(now) {
            return self.request(now);
        }
        self.is_pending = false;
        Plan { not_before_ms: self.requested_until_ms, ..plan }
    }

    /// Counts an attempt that starts now, if it is the first one for the names of a reload.
    pub(crate) fn start(&mut self, now: Now) {
        if !std::mem::take(&mut self.is_pending) {
            return;
        }
        if self.is_full() {
            self.started_ms.pop_front();
        }
        self.started_ms.push_back(now.monotonic_ms);
    }

    /// Keeps a wait that the authority has requested, for all names.
    pub(crate) fn wait(&mut self, wait_s: u64, now: Now) {
        self.requested_until_ms = after(now, wait_s);
    }

    /// Whether the authority has requested a wait that goes on.
    pub(crate) fn must_wait(&self, now: Now) -> bool {
        self.requested_until_ms > now.monotonic_ms
    }

    fn is_full(&self) -> bool {
        self.started_ms.len() >= RELOAD_ORDERS_MAX
    }
}

fn after(now: Now, wait_s: u64) -> u64 {
    now.monotonic_ms.saturating_add(wait_s.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: i64 = 24 * 60 * 60;
    const NONE: Jitter = Jitter(0);
    const MOST: Jitter = Jitter(u32::MAX);

    fn validity(days: i64) -> Validity {
        Validity { from_unix_s: 1_800_000_000, until_unix_s: 1_800_000_000 + days * DAY_S }
    }

    #[test]
    fn renewal_is_at_two_thirds_of_the_lifetime_or_a_little_earlier() {
        for (days, latest, earliest) in
            [(90, 60 * DAY_S, 57 * DAY_S), (6, 4 * DAY_S, 4 * DAY_S - DAY_S / 5), (0, 0, 0)]
        {
            let from = validity(days).from_unix_s;
            assert_eq!(renewal_unix_s(validity(days), NONE) - from, latest, "{days}");
            assert_eq!(renewal_unix_s(validity(days), MOST) - from, earliest, "{days}");
        }
        let wrong = Validity { from_unix_s: 100, until_unix_s: 0 };
        assert_eq!(renewal_unix_s(wrong, MOST), 100);
    }

    #[test]
    fn window_of_the_authority_is_used_and_ends_before_the_certificate() {
        let validity = validity(90);
        let from = validity.from_unix_s;
        let moment = |start: i64, end: i64, jitter| {
            moment_of_window((from + start * DAY_S, from + end * DAY_S), validity, jitter) - from
        };
        assert_eq!(moment(50, 52, NONE), 50 * DAY_S);
        assert_eq!(moment(50, 52, MOST), 52 * DAY_S);
        assert_eq!(moment(50, 52, Jitter(u32::MAX / 2)) / 3_600, 51 * 24 - 1);
        assert_eq!(moment(52, 50, MOST), 52 * DAY_S, "an invalid window");
        assert_eq!(moment(100, 200, MOST), 90 * DAY_S - 8 * 3_600);
        // A revoked certificate: the window has passed.
        assert_eq!(moment(-10, -9, MOST), -9 * DAY_S);
    }

    #[test]
    fn waits_double_up_to_twelve_hours_and_follow_the_authority() {
        use FailureKind::{Other, RateLimited};
        // Failures, kind, Retry-After, and the wait without and with the most jitter.
        for (failures, kind, retry_after_s, latest, earliest) in [
            (1, Other, None, 120, 90),
            (2, Other, None, 240, 180),
            (5, Other, None, 1_920, 1_440),
            (9, Other, None, 30_720, 23_040),
            (10, Other, None, 43_200, 32_400),
            (u32::MAX, Other, None, 43_200, 32_400),
            (0, Other, None, 120, 90),
            (1, Other, Some(600), 600, 600),
            (1, Other, Some(30), 120, 90),
            (1, Other, Some(86_400), 43_200, 43_200),
            (1, RateLimited, None, 21_600, 16_200),
            (1, RateLimited, Some(60), 21_600, 16_200),
            (1, RateLimited, Some(40_000), 40_000, 40_000),
            (9, RateLimited, Some(999_999), 86_400, 86_400),
        ] {
            let wait = |jitter| retry_wait_s(failures, kind, retry_after_s, jitter);
            let waits = (wait(NONE), wait(MOST));
            assert_eq!(waits, (latest, earliest), "{failures} {kind:?} {retry_after_s:?}");
        }
    }

    #[test]
    fn attempt_is_due_after_its_time_and_its_wait() {
        let at = |monotonic_s: u64, unix_s: i64| Now {
            monotonic_ms: monotonic_s * 1_000,
            unix_ms: unix_s * 1_000,
        };
        assert!(Plan::NOW.is_due(at(0, 0)));
        let renewal = Plan::at(5_000);
        assert!(!renewal.is_due(at(9_000, 4_999)));
        assert!(renewal.is_due(at(0, 5_000)));
        // A wall clock that is set changes nothing about the wait after a failure.
        let retry = Plan::after_failure(60, at(100, 1_000));
        for (monotonic_s, unix_s, expect) in
            [(159, 1_059, false), (159, 9_999, false), (160, 1_060, true), (160, 0, true)]
        {
            assert_eq!(retry.is_due(at(monotonic_s, unix_s)), expect, "{monotonic_s} {unix_s}");
        }
        assert_eq!(retry.next_unix_s(at(100, 1_000)), 1_060);
        // A new certificate that seems old to a wrong clock is kept for an hour.
        let success = Plan::after_success(5_000, at(100, 9_000));
        assert!(!success.is_due(at(3_699, 12_599)));
        assert!(success.is_due(at(3_700, 12_600)));
        assert_eq!(success.with_due(20_000).next_unix_s(at(3_700, 12_600)), 20_000);
    }

    fn monotonic(seconds: u64) -> Now {
        Now { monotonic_ms: seconds * 1_000, unix_ms: 0 }
    }

    #[test]
    fn reloads_start_four_orders_within_an_hour() {
        let mut orders = ReloadOrders::default();
        // Reloads each minute: their second, and that of the order which they start.
        let mut started = Vec::new();
        let mut plan = Plan::at(i64::MAX);
        for second in 0..3 * 3_600 {
            let now = monotonic(second);
            if second % 60 == 0 {
                plan = orders.request(now);
                assert!(!plan.is_renewal(), "the window of the authority does not move it");
            }
            if plan.is_due(now) {
                orders.start(now);
                started.push(second);
                plan = Plan::at(i64::MAX);
            }
        }
        let first = [0, 60, 120, 180];
        let expect: Vec<u64> = (0..3).flat_map(|hour| first.map(|at| hour * 3_600 + at)).collect();
        assert_eq!(started, expect);
        // Retries after a failure, and renewals, are not orders of a reload.
        (0..9).for_each(|_| orders.start(monotonic(20_000)));
        assert_eq!(orders.request(monotonic(20_000)), Plan::NOW);
        assert_eq!(orders.renewal(i64::MAX, monotonic(20_000)), Plan::at(i64::MAX));
        orders.start(monotonic(20_001));
        assert_eq!(orders.request(monotonic(20_001)), Plan::NOW);
    }

    #[test]
    fn renewal_that_a_reload_starts_has_the_bounds_of_its_orders() {
        let at = |second: u64| Now { unix_ms: second as i64 * 1_000, ..monotonic(second) };
        let mut orders = ReloadOrders::default();
        let now = at(100);
        // The names change between two sets that the certificate has, and the renewal is due.
        for _ in 0..RELOAD_ORDERS_MAX {
            assert!(orders.renewal(now.unix_s(), now).is_due(now));
            orders.start(now);
        }
        assert!(!orders.renewal(now.unix_s(), now).is_due(at(3_600)));
        assert!(orders.renewal(now.unix_s(), now).is_due(at(3_700)));
        // The wait of a rate limit also holds for a renewal that is not due yet.
        let mut limited = ReloadOrders::default();
        limited.wait(600, now);
        let soon = now.unix_s() + 60;
        assert!(!limited.renewal(soon, now).is_due(at(699)));
        assert!(limited.renewal(soon, now).is_due(at(700)));
        assert!(!limited.renewal(now.unix_s(), now).is_due(at(699)));
    }

    #[test]
    fn wait_that_the_authority_requested_holds_for_the_names_of_a_reload() {
        use FailureKind::{Other, RateLimited};
        for (kind, retry_after_s, wait_s, expect) in [
            (RateLimited, Some(36_000), 36_000, 36_000),
            (RateLimited, None, 20_000, 20_000),
            (Other, Some(600), 600, 600),
            (Other, Some(99_999), 43_200, 43_200),
            (Other, Some(30), 120, 30),
            (Other, None, 120, 0),
        ] {
            let requested_s = requested_wait_s(kind, wait_s, retry_after_s);
            assert_eq!(requested_s, expect, "{kind:?} {retry_after_s:?}");
            let mut orders = ReloadOrders::default();
            orders.wait(requested_s, monotonic(100));
            for _ in 0..5 {
                let plan = orders.request(monotonic(101));
                assert_eq!(plan.is_due(monotonic(101)), requested_s == 0, "{kind:?}");
                assert!(plan.is_due(monotonic(100 + requested_s.max(1))), "{kind:?}");
            }
            assert_eq!(orders.must_wait(monotonic(101)), requested_s > 0, "{kind:?}");
            assert!(!orders.must_wait(monotonic(100 + requested_s)), "{kind:?}");
        }
        // A restart with other names keeps it as well.
        let plan = Plan::at(5).with_wait(60, monotonic(1));
        assert_eq!((plan.is_due(monotonic(60)), plan.is_renewal()), (false, true));
        let failed = Plan::after_failure(600, monotonic(1));
        assert_eq!(failed.with_wait(60, monotonic(1)), failed);
    }
}
