//! The bounds of a drill: connections, time, and pauses between connections.
//! Never: a flood; a drill sends less than a busy browser.

use std::thread;
use std::time::Duration;

use portcullis_model::Moment;

/// Most connections of a drill.
pub(crate) const CONNECTIONS_MAX: u32 = 300;
/// Longest time of a drill; the server ends it after two minutes.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(60);
/// The pause before each connection: 40 connections a second at most.
const PAUSE: Duration = Duration::from_millis(25);

/// The connections and the time that are left.
#[derive(Debug)]
pub(crate) struct Budget {
    connections: u32,
    started: Moment,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { connections: 0, started: Moment::now() }
    }

    /// Takes one connection, after a pause; the reason if none is left.
    pub(crate) fn take(&mut self) -> Result<(), String> {
        let [of_connections, of_time] = used_up();
        if self.connections >= CONNECTIONS_MAX {
            return Err(of_connections);
        }
        if Moment::now().since(self.started) >= TIME_MAX {
            return Err(of_time);
        }
        self.connections += 1;
        thread::sleep(PAUSE);
        Ok(())
    }

    /// Checks that a wait can be part of the drill; the reason if it cannot.
    pub(crate) fn check_time(&self, wait: Duration) -> Result<(), String> {
        let left = TIME_MAX.saturating_sub(Moment::now().since(self.started));
        if wait <= left {
            return Ok(());
        }
        Err(format!(
            "it takes up to {} s, and {} s are left of the {} s of a drill",
            wait.as_secs(),
            left.as_secs(),
            TIME_MAX.as_secs()
        ))
    }

    /// The connections that were opened.
    pub(crate) fn connections(&self) -> u32 {
        self.connections
    }
}

/// Whether a case was left out because the connections or the time of the drill were used up.
pub(crate) fn is_used_up(reason: &str) -> bool {
    used_up().iter().any(|used_up| used_up == reason)
}

/// The reasons: all connections, all time.
fn used_up() -> [String; 2] {
    [
        format!("the drill has opened {CONNECTIONS_MAX} connections, the most"),
        format!("the drill has run for {} s, the longest", TIME_MAX.as_secs()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_ends_with_its_connections_and_its_time() {
        let mut budget = Budget { connections: CONNECTIONS_MAX - 1, started: Moment::now() };
        assert_eq!(budget.take(), Ok(()));
        let reason = budget.take().unwrap_err();
        assert!(reason.contains("300 connections") && is_used_up(&reason), "{reason}");
        let mut late = Budget { connections: 0, started: Moment::now() };
        assert_eq!(late.take(), Ok(()));
        assert_eq!(late.connections(), 1);
        assert_eq!(late.check_time(TIME_MAX / 2), Ok(()));
        // A case that is too long for any drill ends none.
        let reason = late.check_time(TIME_MAX).unwrap_err();
        assert!(reason.contains("of the 60 s of a drill") && !is_used_up(&reason), "{reason}");
    }
}
