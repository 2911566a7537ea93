//! The current time as a value that callers pass down.
//! Never: called by a guard; only `SystemClock` reads the machine's clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One moment on both clocks of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds since the server started; never goes back. For deadlines and rates.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970-01-01T00:00:00Z. For tokens, records and stored times.
    pub unix_ms: i64,
}

impl Now {
    /// Whole seconds since 1970, as tokens count them (RFC 7519 section 2, `NumericDate`).
    #[must_use]
    pub fn unix_s(self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }
}

/// The source of `Now`: the machine, or a test.
pub trait Clock: Send + Sync {
    /// Reads both clocks at once.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts the monotonic count at zero.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            unix_ms: i64::try_from(unix.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

/// One moment of the machine's monotonic clock, for waits without a `Now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Instant);

impl Moment {
    /// This moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// The moment after this time; the same moment if the clock cannot represent it.
    #[must_use]
    pub fn plus(self, time: std::time::Duration) -> Self {
        Self(self.0.checked_add(time).unwrap_or(self.0))
    }

    /// The time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> std::time::Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}
