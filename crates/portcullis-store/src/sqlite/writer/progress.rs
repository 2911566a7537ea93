//! How far a change is: queued, started or cancelled; and the wait of its caller.
//! Never: a change that starts after its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use portcullis_model::Deadline;
use tokio::sync::oneshot;

use crate::error::StoreError;

/// How long before its deadline a change must have started; the rest is for the commit.
const CONFIRM: Duration = Duration::from_millis(250);

const QUEUED: u8 = 0;
const STARTED: u8 = 1;
const CANCELLED: u8 = 2;

/// The progress of a change, shared by the writer and the waiting caller.
///
/// Only one of two transitions happens: the writer starts the change, or it is cancelled.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: AtomicU8,
    /// When it must have started.
    start_by: Option<Deadline>,
    /// When the caller must have a result.
    result_by: Option<Deadline>,
}

impl Progress {
    /// The progress of a change of the current request, under its deadline.
    pub(crate) fn of_request() -> Arc<Self> {
        let result_by = Deadline::current();
        let start_by = result_by.map(|deadline| {
            let left = deadline.remaining();
            Deadline::after(left.saturating_sub(CONFIRM.min(left / 2)))
        });
        Arc::new(Self { state: AtomicU8::new(QUEUED), start_by, result_by })
    }

    fn leave_queue(&self, state: u8) -> bool {
        self.state.compare_exchange(QUEUED, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Starts the change; `false` if it is cancelled or its deadline has passed.
    pub(super) fn start(&self) -> bool {
        if self.start_by.is_some_and(Deadline::has_passed) {
            self.leave_queue(CANCELLED);
            return false;
        }
        self.leave_queue(STARTED)
    }

    /// Runs a started change under the deadline of its request.
    pub(super) fn enter<A>(&self, change: impl FnOnce() -> A) -> A {
        match self.result_by {
            Some(deadline) => deadline.enter(change),
            None => change(),
        }
    }

    /// Cancels the change; `false` if it has started.
    fn cancel(&self) -> bool {
        self.leave_queue(CANCELLED) || self.state.load(Ordering::Acquire) == CANCELLED
    }

    /// Whether the change must not start: it is cancelled, or its deadline has passed.
    pub(super) fn is_cancelled(&self) -> bool {
        let is_late = self.start_by.is_some_and(Deadline::has_passed);
        (is_late && self.leave_queue(CANCELLED)) || self.state.load(Ordering::Acquire) == CANCELLED
    }

    /// Waits for the result. At the deadline the change is cancelled, or its outcome is unknown.
    pub(crate) async fn wait<A>(
        self: Arc<Self>,
        mut result: oneshot::Receiver<Result<A, StoreError>>,
    ) -> Result<A, StoreError> {
        for deadline in [self.start_by, self.result_by].into_iter().flatten() {
            match tokio::time::timeout(deadline.remaining(), &mut result).await {
                Ok(received) => return received.unwrap_or_else(|_| self.without_result()),
                Err(_) if self.cancel() => return Err(StoreError::Busy),
                Err(_) => {}
            }
        }
        match self.result_by {
            Some(_) => Err(StoreError::Unknown),
            None => result.await.unwrap_or_else(|_| self.without_result()),
        }
    }

    /// The task was dropped without a result: its deadline passed, or the writer thread ended.
    fn without_result<A>(&self) -> Result<A, StoreError> {
        if self.leave_queue(CANCELLED) {
            return Err(StoreError::Closed);
        }
        let is_cancelled = self.state.load(Ordering::Acquire) == CANCELLED;
        Err(if is_cancelled { StoreError::Busy } else { StoreError::Unknown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within_ms(ms: u64) -> Arc<Progress> {
        Deadline::after(Duration::from_millis(ms)).enter(Progress::of_request)
    }

    #[tokio::test]
    async fn change_that_has_not_started_at_its_deadline_is_cancelled() {
        let progress = within_ms(2);
        let (reply, result) = oneshot::channel::<Result<(), StoreError>>();
        let outcome = Arc::clone(&progress).wait(result).await;
        assert!(matches!(outcome, Err(StoreError::Busy)), "{outcome:?}");
        assert!(!progress.start(), "the writer must not start it any more");
        drop(reply);
    }

    #[tokio::test]
    async fn change_that_has_started_at_its_deadline_has_an_unknown_outcome() {
        let progress = within_ms(2_000);
        assert!(progress.start());
        assert!(!progress.cancel() && !progress.is_cancelled());
        let progress = Arc::new(Progress {
            state: AtomicU8::new(STARTED),
            start_by: Some(Deadline::after(Duration::ZERO)),
            result_by: Some(Deadline::after(Duration::ZERO)),
        });
        let (reply, result) = oneshot::channel::<Result<(), StoreError>>();
        let outcome = progress.wait(result).await;
        assert!(matches!(outcome, Err(StoreError::Unknown)), "{outcome:?}");
        drop(reply);
    }

    #[test]
    fn late_change_does_not_start_even_if_no_caller_waits() {
        let progress = within_ms(0);
        assert!(progress.is_cancelled() && !progress.start());
    }

    #[tokio::test]
    async fn missing_result_is_definite_unless_the_change_has_started() {
        let outcome = |has_started: bool| async move {
            let progress: Arc<Progress> = Arc::default();
            assert!(!has_started || progress.start());
            let (reply, result) = oneshot::channel::<Result<(), StoreError>>();
            drop(reply);
            progress.wait(result).await
        };
        assert!(matches!(outcome(false).await, Err(StoreError::Closed)));
        assert!(matches!(outcome(true).await, Err(StoreError::Unknown)));
    }
}
