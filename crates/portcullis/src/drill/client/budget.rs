//! The bounds of a drill: connections, time, and pauses between connections.
//! Never: a flood; a drill sends less than a busy browser.

use std::thread;
use std::time::Duration;

use portcullis_model::Moment;

use super::obstacle::Obstacle;

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

    /// Takes one connection, after a pause.
    pub(crate) fn take(&mut self) -> Result<(), Obstacle> {
        if self.connections >= CONNECTIONS_MAX {
            let why = format!("the drill has opened {CONNECTIONS_MAX} connections, the most");
            return Err(Obstacle::UsedUp(why));
        }
        if Moment::now().since(self.started) >= TIME_MAX {
            let why = format!("the drill has run for {} s, the longest", TIME_MAX.as_secs());
            return Err(Obstacle::UsedUp(why));
        }
        self.connections += 1;
        thread::sleep(PAUSE);
        Ok(())
    }

    /// Checks that the time that is left permits a wait.
    pub(crate) fn check_time(&self, wait: Duration) -> Result<(), Obstacle> {
        let left = TIME_MAX.saturating_sub(Moment::now().since(self.started));
        if wait <= left {
            return Ok(());
        }
        Err(Obstacle::UsedUp(format!(
            "it takes up to {} s, and {} s are left of the {} s of a drill",
            wait.as_secs(),
            left.as_secs(),
            TIME_MAX.as_secs()
        )))
    }

    /// The connections that were opened.
    pub(crate) fn connections(&self) -> u32 {
        self.connections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_ends_with_its_connections_and_its_time() {
        let used_up = |taken: Result<(), Obstacle>| match taken {
            Err(Obstacle::UsedUp(why)) => why,
            other => panic!("{other:?}"),
        };
        let mut budget = Budget { connections: CONNECTIONS_MAX - 1, started: Moment::now() };
        budget.take().unwrap();
        assert!(used_up(budget.take()).contains("300 connections"));
        let mut late = Budget { connections: 0, started: Moment::now() };
        late.take().unwrap();
        assert_eq!(late.connections(), 1);
        late.check_time(TIME_MAX / 2).unwrap();
        assert!(used_up(late.check_time(TIME_MAX)).contains("of the 60 s of a drill"));
    }
}
