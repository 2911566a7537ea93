//! How long a connection's input has waited, so that its time limit starts at its arrival.
//! Never: a clock; times are passed in.

use std::time::Duration;

use portcullis_model::{Denial, Now};

/// The times that decide how long the current input may still take, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The arrival of the input that is handled now.
    arrived_ms: u64,
    /// The last progress: the end of a job within its time, or of a pause.
    progress_ms: u64,
}

impl Progress {
    /// Starts with the next input.
    pub(crate) fn start_input(&mut self, arrived_ms: u64) {
        self.arrived_ms = arrived_ms;
    }

    /// How long the current input has waited for jobs that did not end in time.
    pub(crate) fn waited_ms(&self, now: Now) -> u64 {
        now.monotonic_ms.saturating_sub(self.arrived_ms.max(self.progress_ms))
    }

    /// The time that is left for the current input.
    pub(crate) fn time_left(&self, limit: Duration, now: Now) -> Duration {
        limit.saturating_sub(Duration::from_millis(self.waited_ms(now)))
    }

    /// Records progress: the input behind it has lost no time.
    pub(crate) fn advance(&mut self, to_ms: u64) {
        self.progress_ms = self.progress_ms.max(to_ms);
    }

    /// Records the end of a job that started at `since_ms`: one that ended in time is progress.
    pub(crate) fn job_ended(
        &mut self,
        denial: Option<&Denial>,
        since_ms: u64,
        timeout_ms: u64,
        now: Now,
    ) {
        let is_late = now.monotonic_ms > since_ms + timeout_ms
            || denial.is_some_and(|denial| denial.answer().status == 503);
        if !is_late {
            self.advance(now.monotonic_ms);
        }
    }
}
