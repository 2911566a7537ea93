//! The duration of a delivery: from the acceptance of its event to the last outbox.
//! Never: a time for an event that no request of a client has caused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis_model::{Deadline, Moment};

/// The acceptance time of an event, and the number of threads that delivered it.
///
/// All threads share it with the delivery itself, so it needs no memory of its own.
#[derive(Debug, Default)]
pub struct DeliveryTiming {
    accepted: Option<Moment>,
    applied: AtomicUsize,
}

impl Clone for DeliveryTiming {
    fn clone(&self) -> Self {
        Self::since(self.accepted)
    }
}

impl DeliveryTiming {
    /// The timing of a delivery whose event was accepted then; `None` if it is not measured.
    #[must_use]
    pub fn since(accepted: Option<Moment>) -> Self {
        Self { accepted, applied: AtomicUsize::new(0) }
    }

    /// The timing of a delivery that the current request causes.
    #[must_use]
    pub fn of_request() -> Self {
        Self::since(Deadline::current().map(Deadline::accepted))
    }

    /// Records that one of `threads` has applied it; returns the time if that was the last one.
    pub(crate) fn set_applied(&self, threads: usize) -> Option<Duration> {
        let accepted = self.accepted?;
        let applied = self.applied.fetch_add(1, Ordering::Relaxed) + 1;
        (applied == threads).then(|| Moment::now().since(accepted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_thread_ends_the_time_of_a_delivery() {
        let timing = DeliveryTiming::since(Some(Moment::now()));
        let ends = [1, 2, 3].map(|_| timing.set_applied(3).is_some());
        assert_eq!(ends, [false, false, true]);
        assert!(DeliveryTiming::default().set_applied(1).is_none(), "no request has caused it");
        assert!(timing.clone().set_applied(1).is_some(), "a copy is a delivery of its own");
    }

    #[test]
    fn delivery_of_a_request_begins_when_the_request_is_accepted() {
        assert!(DeliveryTiming::of_request().set_applied(1).is_none());
        let timing = Deadline::after(Duration::ZERO).enter(DeliveryTiming::of_request);
        assert!(timing.set_applied(1).is_some());
    }
}
