//! The rate of control frames of one WebSocket: each ping costs the server a pong.
//! Never: more memory than one number for each connection.

use portcullis_model::{Denial, Now};

/// The interval between two control frames, in milliseconds: ten a second.
const EVERY_MS: u64 = 100;
/// Control frames that may arrive at once.
const BURST: u64 = 20;

/// The theoretical arrival time of the next control frame (GCRA), in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct ControlRate(u64);

impl ControlRate {
    /// Counts a control frame.
    ///
    /// # Errors
    /// [`Denial::ControlFlood`] above the rate.
    pub(crate) fn take(&mut self, now: Now) -> Result<(), Denial> {
        let at_ms = self.0.max(now.monotonic_ms) + EVERY_MS;
        if at_ms > now.monotonic_ms + EVERY_MS * BURST {
            return Err(Denial::ControlFlood);
        }
        self.0 = at_ms;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_224_burst_of_twenty_control_frames_passes_then_ten_a_second() {
        let mut rate = ControlRate::default();
        let mut passes = |monotonic_ms, many: usize| {
            let now = Now { monotonic_ms, ..Now::default() };
            (0..many).filter(|_| rate.take(now).is_ok()).count()
        };
        assert_eq!(passes(50_000, 1_000), 20);
        assert_eq!(passes(50_000, 10), 0);
        assert_eq!(passes(51_000, 1_000), 10);
        assert_eq!(passes(90_000, 1_000), 20);
    }
}
