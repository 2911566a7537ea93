//! Writes to the trace what limits count.
//! Never: a decision; the outcome of an attempt passes unchanged.

use portcullis_model::{Denial, Now};

use crate::limits::attempt::{Attempt, Trace, TraceEntry, refused_by};
use crate::limits::limiter::Limiter;

impl Limiter {
    /// Has everything written down that limits count, from now on. To be set before anything comes
    /// in, or the trace does not tell how full the buckets were.
    pub fn trace_to(&self, trace: Trace) {
        let _only_the_first_counts = self.trace.set(trace);
    }

    /// Writes one down, if anybody wants it, and hands its outcome on.
    pub(crate) fn note<T>(
        &self,
        now: Now,
        outcome: Result<T, Denial>,
        attempt: impl FnOnce() -> Attempt,
    ) -> Result<T, Denial> {
        if let Some(trace) = self.trace.get() {
            let refused = outcome.as_ref().err().and_then(refused_by).map(String::from);
            trace(TraceEntry { at_ms: now.monotonic_ms, refused, attempt: attempt() }, now);
        }
        outcome
    }

    /// The same of another try of somebody who waits: that it failed again is no news.
    pub(crate) fn note_again<T>(
        &self,
        now: Now,
        outcome: Result<T, Denial>,
        attempt: impl FnOnce() -> Attempt,
    ) -> Result<T, Denial> {
        if outcome.is_ok() { self.note(now, outcome, attempt) } else { outcome }
    }

    /// The same of what cannot be refused.
    pub(crate) fn note_done(&self, now: Now, attempt: impl FnOnce() -> Attempt) {
        let _done = self.note(now, Ok(()), attempt);
    }
}
