//! Rates as GCRA: a count per period, stored in one number.
//! Never: a fixed window, at whose boundary twice as many would pass.

use std::cell::Cell;
use std::str::FromStr;

use portcullis_model::Now;

/// A count per period: `count` at once, then one every `period / count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many pass at once; zero rejects everything.
    pub count: u32,
    /// Time until a used-up rate is free again, in ms.
    pub period_ms: u64,
}

pub(crate) const NS_A_MS: u64 = 1_000_000;

/// The longest debt of one call, ten minutes.
const DEBT_MAX_NS: u64 = 10 * 60 * 1_000 * NS_A_MS;

/// Longest period of a rate: a day.
pub(crate) const PERIOD_MAX_MS: u64 = 24 * 60 * 60 * 1000;

impl Rate {
    /// `count` in `period_ms`.
    #[must_use]
    pub const fn per(count: u32, period_ms: u64) -> Self {
        Self { count, period_ms }
    }

    /// The same period, `factor` times the count.
    pub(crate) const fn times(self, factor: u32) -> Self {
        Self { count: self.count.saturating_mul(factor), period_ms: self.period_ms }
    }

    /// The same period, this part of the count, but at least one.
    pub(crate) const fn part(self, of: u32) -> Self {
        let count = self.count / of;
        Self { count: if count == 0 { 1 } else { count }, period_ms: self.period_ms }
    }

    /// The same period, these thousandths of the count, but at least one.
    pub(crate) fn permille(self, thousandths: u32) -> Self {
        let count = u64::from(self.count) * u64::from(thousandths) / 1_000;
        Self { count: u32::try_from(count).unwrap_or(u32::MAX).max(1), period_ms: self.period_ms }
    }

    /// The rate that passes less over time.
    pub(crate) fn slower_of(self, other: Self) -> Self {
        if self.interval_ns() >= other.interval_ns() { self } else { other }
    }

    /// Whether the count is at least one, and the period 1 ms to a day.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.count >= 1 && self.period_ms >= 1 && self.period_ms <= PERIOD_MAX_MS
    }

    pub(crate) fn period_ns(self) -> u64 {
        self.period_ms.min(PERIOD_MAX_MS).saturating_mul(NS_A_MS)
    }

    /// The interval, at least a nanosecond: 10^9 per second is the fastest rate.
    pub(crate) fn interval_ns(self) -> u64 {
        self.period_ns().checked_div(u64::from(self.count)).unwrap_or(u64::MAX).max(1)
    }

    /// The latest arrival time of a rate that is used up.
    ///
    /// A later one was stored under a rate that a reload has replaced.
    pub(crate) fn used_up_ns(self, now_ns: u64) -> u64 {
        now_ns.saturating_add(self.period_ns())
    }

    /// One step of GCRA: the theoretical arrival time after this one, or how many milliseconds to
    /// wait.
    pub(crate) fn step(self, arrival_ns: u64, now_ns: u64) -> Result<u64, u64> {
        if self.count == 0 {
            return Err(PERIOD_MAX_MS);
        }
        let next = arrival_ns.max(now_ns).saturating_add(self.interval_ns());
        let allowed = now_ns.saturating_add(self.period_ns());
        if next > allowed { Err((next - allowed).div_ceil(NS_A_MS)) } else { Ok(next) }
    }

    /// Counts units that have arrived already. Returns the arrival time after them, and the time
    /// until the rate is free again, in milliseconds.
    pub(crate) fn spend(self, arrival_ns: u64, now_ns: u64, many: u32) -> (u64, u64) {
        let spent_ns = self.interval_ns().saturating_mul(u64::from(many)).min(DEBT_MAX_NS);
        let next = arrival_ns.max(now_ns).saturating_add(spent_ns);
        let allowed = now_ns.saturating_add(self.period_ns());
        (next, next.saturating_sub(allowed).div_ceil(NS_A_MS))
    }
}

/// A text that is not a rate.
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
        if rate.is_valid() { Ok(rate) } else { Err(RateError) }
    }
}

/// How long a client is blocked for repeated violations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Penalty {
    /// The first block, in ms.
    pub length_ms: u64,
    /// The longest block, in ms.
    pub longest_ms: u64,
}

impl Default for Penalty {
    fn default() -> Self {
        Self { length_ms: 60_000, longest_ms: 3_600_000 }
    }
}

/// The state of a rate for one connection: eight bytes, no lock.
#[derive(Debug, Default)]
pub(crate) struct Gcra {
    arrival_ns: Cell<u64>,
}

impl Gcra {
    /// Takes one. The error is the time until the next one passes, in milliseconds.
    pub(crate) fn take(&self, rate: &Rate, now: Now) -> Result<(), u64> {
        let now_ns = nanoseconds(now);
        self.arrival_ns.set(self.arrival_ns.get().min(rate.used_up_ns(now_ns)));
        self.arrival_ns.set(rate.step(self.arrival_ns.get(), now_ns)?);
        Ok(())
    }

    /// Whether nothing was ever taken.
    pub(crate) fn is_unused(&self) -> bool {
        self.arrival_ns.get() == 0
    }

    /// Counts units that have arrived. The error is the time without further units, in ms.
    pub(crate) fn spend(&self, rate: &Rate, now: Now, many: u32) -> Result<(), u64> {
        let (next, wait_ms) = rate.spend(self.arrival_ns.get(), nanoseconds(now), many);
        self.arrival_ns.set(next);
        if wait_ms == 0 { Ok(()) } else { Err(wait_ms) }
    }

    /// Takes one that cannot be rejected; returns whether the rate is used up now. The rate is the
    /// same in each call.
    pub(crate) fn count(&self, rate: &Rate, now: Now) -> bool {
        let now_ns = nanoseconds(now);
        match rate.step(self.arrival_ns.get(), now_ns) {
            Ok(next) => {
                self.arrival_ns.set(next);
                rate.step(next, now_ns).is_err()
            }
            Err(_) => true,
        }
    }
}

pub(crate) fn nanoseconds(now: Now) -> u64 {
    now.monotonic_ms.saturating_mul(NS_A_MS)
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

    #[test]
    fn attempt_after_the_reported_wait_passes() {
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
    fn counting_says_when_the_budget_is_used_up() {
        let ten = Rate::per(10, 60_000);
        let cell = Gcra::default();
        let verdicts: Vec<bool> = (0..12).map(|_| cell.count(&ten, at(0))).collect();
        assert_eq!(verdicts.iter().position(|used| *used), Some(9));
        assert!(!cell.count(&ten, at(60_000)));
    }

    #[test]
    fn rate_that_a_reload_replaced_holds_for_its_own_period_only() {
        let (slow, quick) = (Rate::per(2, 3_600_000), Rate::per(20, 60_000));
        let cell = Gcra::default();
        assert_eq!([cell.take(&slow, at(0)), cell.take(&slow, at(0))], [Ok(()), Ok(())]);
        assert_eq!(cell.take(&slow, at(0)), Err(1_800_000));
        assert_eq!(cell.take(&quick, at(0)), Err(3_000), "used up, and not free");
        assert_eq!(cell.take(&quick, at(3_000)), Ok(()));
        assert_eq!(cell.take(&quick, at(3_000)), Err(3_000));
        assert_eq!((0..100).filter(|_| cell.take(&quick, at(63_000)).is_ok()).count(), 20);
    }

    #[test]
    fn spent_units_are_a_debt() {
        let (cell, rate) = (Gcra::default(), Rate::per(1_000, 1_000));
        assert_eq!(cell.spend(&rate, at(0), 600), Ok(()));
        assert_eq!(cell.spend(&rate, at(0), 600), Err(200));
        assert_eq!(cell.spend(&rate, at(200), 0), Ok(()));
        assert_eq!(cell.spend(&rate, at(1_200), 5_000), Err(4_000));
        // However much came, it is paid off in bounded time.
        assert_eq!(cell.spend(&rate, at(10_000), u32::MAX), Err(600_000 - 1_000));
    }
}
