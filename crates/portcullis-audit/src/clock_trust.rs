//! Whether the wall clock is trusted to say that files are old: not soon after it was set ahead.
//! Never: a file that is kept for good; after some hours the clock counts as right.

use std::sync::{Mutex, PoisonError};

use portcullis_model::Now;

const HOUR_MS: i64 = 3_600_000;
/// A clock that is ahead by more than this, against the monotonic clock, was set.
const STEP_MS: i64 = HOUR_MS;
/// The time in which an operator can set a wrong clock right.
const HOLD_MS: u64 = 6 * HOUR_MS.unsigned_abs();

/// The wall clock, as the log has seen it.
#[derive(Debug, Default)]
pub(crate) struct ClockTrust {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The wall clock minus the monotonic clock, as long as it was not set ahead.
    difference_ms: Option<i64>,
    /// The monotonic time until which the clock is not trusted.
    held_until_ms: Option<u64>,
}

impl ClockTrust {
    /// Whether files can be removed for their age now.
    ///
    /// At the start the only sign of a wrong clock is that files are overdue, as after a long
    /// stop. It is called once a minute.
    pub(crate) fn is_trusted(&self, now: Now, is_overdue: bool) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let monotonic_ms = i64::try_from(now.monotonic_ms).unwrap_or(i64::MAX);
        let difference_ms = now.unix_ms.saturating_sub(monotonic_ms);
        let was_set = match state.difference_ms {
            None => is_overdue,
            Some(before_ms) => difference_ms.saturating_sub(before_ms) > STEP_MS,
        };
        // Small steps add up; a clock that was set back is measured from there.
        let is_new =
            was_set || state.difference_ms.is_none_or(|before_ms| difference_ms < before_ms);
        if is_new {
            state.difference_ms = Some(difference_ms);
        }
        if was_set {
            state.held_until_ms = Some(now.monotonic_ms.saturating_add(HOLD_MS));
            tracing::warn!(
                "the clock may be wrong: old files of the security log are kept for six hours more"
            );
        }
        state.held_until_ms.is_none_or(|until_ms| now.monotonic_ms >= until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    fn at(minute: u64, ahead_ms: i64) -> Now {
        let monotonic_ms = minute * 60_000;
        let unix_ms = 1_785_585_600_000 + i64::try_from(monotonic_ms).unwrap() + ahead_ms;
        Now { monotonic_ms, unix_ms }
    }

    #[test]
    fn clock_that_was_set_ahead_is_trusted_after_six_hours() {
        for ahead_ms in [2 * HOUR_MS, 100 * DAY_MS] {
            let clock = ClockTrust::default();
            assert!(clock.is_trusted(at(0, 0), false));
            assert!(clock.is_trusted(at(1, 4_000), false), "a small correction");
            assert!(!clock.is_trusted(at(2, ahead_ms), false));
            assert!(!clock.is_trusted(at(361, ahead_ms), false));
            assert!(clock.is_trusted(at(362, ahead_ms), false));
        }
    }

    #[test]
    fn small_steps_add_up_and_a_clock_set_back_is_measured_from_there() {
        let clock = ClockTrust::default();
        let steps: Vec<_> = (0..10)
            .map(|step: i64| clock.is_trusted(at(step.unsigned_abs(), step * HOUR_MS / 2), false))
            .collect();
        assert_eq!(steps[..4], [true, true, true, false]);
        assert!(steps[4..].iter().all(|trusted| !trusted), "{steps:?}");
        let clock = ClockTrust::default();
        assert!(clock.is_trusted(at(0, 0), false));
        assert!(clock.is_trusted(at(1, -DAY_MS), false), "files only seem younger");
        assert!(!clock.is_trusted(at(2, 0), false));
    }

    #[test]
    fn overdue_files_at_the_start_are_kept_for_six_hours_once() {
        let clock = ClockTrust::default();
        assert!(!clock.is_trusted(at(0, 0), true));
        assert!(!clock.is_trusted(at(359, 0), true));
        assert!(clock.is_trusted(at(360, 0), true));
        assert!(clock.is_trusted(at(9_000, 0), true), "a server that runs removes them");
    }
}
