//! Waits for a condition under a deadline, and measures the time of an operation.
//! Never: a fixed pause in place of a condition.

use std::time::{Duration, Instant};

use crate::deadline::{Deadline, WAIT};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Polls until `look` returns a value, and returns it.
///
/// # Panics
/// If there is no value within [`WAIT`]; `what` names it.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(WAIT, what, look)
}

/// The same with another deadline.
///
/// # Panics
/// If there is no value in time.
pub fn until_within<T>(wait: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(wait);
    loop {
        if let Some(found) = look() {
            return found;
        }
        deadline.check(what);
        pause();
    }
}

/// Leaves the processor to others before the next look.
pub(crate) fn pause() {
    std::thread::sleep(PAUSE);
}

/// The result of an operation, and its duration.
#[expect(clippy::disallowed_methods, reason = "tests measure by the machine's clock")]
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let outcome = act();
    (outcome, start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn condition_is_polled_until_true_and_fails_at_the_deadline() {
        let mut looks = 0;
        let found = until("the third look", || {
            looks += 1;
            (looks == 3).then_some("there")
        });
        assert_eq!((found, looks), ("there", 3));
        let never = || until_within(Duration::from_millis(20), "it", || None::<()>);
        assert!(std::panic::catch_unwind(never).is_err());
        let (found, took) = timed(|| 7);
        assert!(found == 7 && took < WAIT);
    }
}
