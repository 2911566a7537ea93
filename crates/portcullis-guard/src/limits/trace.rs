//! Writes the attempts that limits count to the trace.
//! Never: a decision; the outcome of an attempt passes unchanged.

use portcullis_model::{Denial, Now};

use crate::limits::attempt::{Attempt, Trace, TraceEntry, rejected_by};
use crate::limits::limiter::Limiter;

impl Limiter {
    /// Traces everything that limits count from now on. Only the first call has an effect.
    ///
    /// To be called before the first connection: otherwise the state of the buckets is unknown.
    pub fn trace_to(&self, trace: Trace) {
        let _only_the_first_counts = self.trace.set(trace);
    }

    /// Traces an attempt, and passes its outcome on.
    pub(crate) fn note<T>(
        &self,
        now: Now,
        outcome: Result<T, Denial>,
        attempt: impl FnOnce() -> Attempt,
    ) -> Result<T, Denial> {
        if let Some(trace) = self.trace.get() {
            let refused = outcome.as_ref().err().and_then(rejected_by).map(String::from);
            trace(TraceEntry { at_ms: now.monotonic_ms, refused, attempt: attempt() }, now);
        }
        outcome
    }

    /// As [`Limiter::note`], for a client that waits: a repeated rejection is not traced.
    pub(crate) fn note_again<T>(
        &self,
        now: Now,
        outcome: Result<T, Denial>,
        attempt: impl FnOnce() -> Attempt,
    ) -> Result<T, Denial> {
        if outcome.is_ok() { self.note(now, outcome, attempt) } else { outcome }
    }

    /// As [`Limiter::note`], for an attempt that cannot be rejected.
    pub(crate) fn note_done(&self, now: Now, attempt: impl FnOnce() -> Attempt) {
        let _done = self.note(now, Ok(()), attempt);
    }
}
