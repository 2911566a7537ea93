//! The time of the nightly run.
//! Never: the same minute on all servers of an operator.

const HOUR_MS: i64 = 60 * 60_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The run is between this hour and two hours later, in UTC.
const START_MS: i64 = 2 * HOUR_MS;
const SPREAD_MS: i64 = 2 * HOUR_MS;
/// A report that is older than this was missed: the server did not run at night.
const MISSED_MS: i64 = 36 * HOUR_MS;
/// Then the run is so long after the start, and at most twice as long.
const AFTER_START_MS: i64 = 15 * 60_000;

/// The next night after a time. `random` spreads the runs.
pub(crate) fn next_night(unix_ms: i64, random: u16) -> i64 {
    let at = START_MS + spread(SPREAD_MS, random);
    let today = unix_ms.div_euclid(DAY_MS) * DAY_MS + at;
    if today > unix_ms { today } else { today + DAY_MS }
}

/// The next run, computed again if the clock was ahead when it was computed.
pub(crate) fn corrected(next_unix_ms: i64, unix_ms: i64, random: u16) -> i64 {
    let is_too_late = next_unix_ms.saturating_sub(unix_ms) > DAY_MS;
    if is_too_late { next_night(unix_ms, random) } else { next_unix_ms }
}

/// The first run after a start: the next night, or soon if the last one was missed.
pub(crate) fn first_run(newest_unix_ms: Option<i64>, unix_ms: i64, random: u16) -> i64 {
    let night = next_night(unix_ms, random);
    let is_missed = newest_unix_ms.is_none_or(|newest| {
        // A report of the future is of a wrong clock.
        newest > unix_ms || unix_ms - newest > MISSED_MS
    });
    let soon = unix_ms + AFTER_START_MS + spread(AFTER_START_MS, random);
    if is_missed { night.min(soon) } else { night }
}

fn spread(max_ms: i64, random: u16) -> i64 {
    max_ms * i64::from(random) / i64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_is_at_night_and_spread_by_randomness() {
        let (two, four) = (2 * HOUR_MS, 4 * HOUR_MS);
        for (at, random, expect) in [
            (0, 0, two),
            (0, u16::MAX, four),
            (two - 1, 0, two),
            (two, 0, DAY_MS + two),
            (3 * HOUR_MS, u16::MAX, four),
            (23 * HOUR_MS, 0, DAY_MS + two),
        ] {
            assert_eq!(next_night(at, random), expect, "{at} {random}");
        }
    }

    #[test]
    fn run_of_a_clock_that_was_ahead_is_computed_again() {
        let noon = 100 * DAY_MS + 12 * HOUR_MS;
        let night = 101 * DAY_MS + 2 * HOUR_MS;
        for (next, expect) in [
            (noon - 1, noon - 1),
            (night, night),
            (noon + DAY_MS, noon + DAY_MS),
            (noon + DAY_MS + 1, night),
            (i64::MAX, night),
        ] {
            assert_eq!(corrected(next, noon, 0), expect, "{next}");
        }
    }

    #[test]
    fn missed_run_is_made_soon_after_the_start() {
        let noon = 100 * DAY_MS + 12 * HOUR_MS;
        let night = 101 * DAY_MS + 2 * HOUR_MS;
        for (newest, random, expect) in [
            (None, 0, noon + AFTER_START_MS),
            (None, u16::MAX, noon + 2 * AFTER_START_MS),
            (Some(noon - MISSED_MS - 1), 0, noon + AFTER_START_MS),
            (Some(noon - MISSED_MS), 0, night),
            (Some(noon + 90 * DAY_MS), 0, noon + AFTER_START_MS),
        ] {
            assert_eq!(first_run(newest, noon, random), expect, "{newest:?}");
        }
    }
}
