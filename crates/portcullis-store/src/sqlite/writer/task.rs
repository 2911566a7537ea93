//! One change on its way through the writer: queued, started or cancelled, finished.
//! Never: an answer before the commit; a change that begins after its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use portcullis_model::Deadline;
use tokio::sync::oneshot;

use crate::changes::Change;
use crate::error::StoreError;
use crate::sqlite::writer::commit::Writer;
use crate::store::CommitFeed;

/// How long before its deadline a change must have begun: the rest is for the commit.
const CONFIRM: Duration = Duration::from_millis(250);

/// Work between two transactions, which needs no lock on the database.
pub(crate) type Turn = Box<dyn FnOnce(&mut Writer<'_>, &mut dyn CommitFeed) + Send>;

/// A change in the writer's queue.
pub(crate) trait Task: Send {
    /// Whether the caller has its answer already: the change must not begin.
    fn is_withdrawn(&self) -> bool;

    /// Performs the change inside the open transaction and keeps the result, unless cancelled.
    ///
    /// # Errors
    /// The same error the caller will get.
    fn perform(
        &mut self,
        writer: &mut Writer<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<(), StoreError>;

    /// Gives the caller the result, or the failure of the whole batch.
    fn settle(self: Box<Self>, failure: Option<&StoreError>);
}

const QUEUED: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// How far a change is; shared by the writer and the caller that waits.
///
/// Exactly one of two moves it on from the queue: the writer starts it, or it is cancelled.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: AtomicU8,
    /// When it must have begun.
    begin_by: Option<Deadline>,
    /// When the caller must have an answer.
    answer_by: Option<Deadline>,
}

impl Progress {
    /// A change of the request that runs on this thread, under its deadline.
    pub(crate) fn of_request() -> Arc<Self> {
        let answer_by = Deadline::current();
        let begin_by = answer_by.map(|deadline| {
            let left = deadline.remaining();
            Deadline::after(left.saturating_sub(CONFIRM.min(left / 2)))
        });
        Arc::new(Self { state: AtomicU8::new(QUEUED), begin_by, answer_by })
    }

    fn move_on(&self, state: u8) -> bool {
        self.state.compare_exchange(QUEUED, state, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Lets the writer start; `false` when the change is cancelled or its deadline has passed.
    fn begin(&self) -> bool {
        if self.begin_by.is_some_and(Deadline::has_passed) {
            self.move_on(WITHDRAWN);
            return false;
        }
        self.move_on(BEGUN)
    }

    /// Withdraws the change; `false` when it has begun.
    fn withdraw(&self) -> bool {
        self.move_on(WITHDRAWN) || self.state.load(Ordering::Acquire) == WITHDRAWN
    }

    fn is_withdrawn(&self) -> bool {
        let over = self.begin_by.is_some_and(Deadline::has_passed) && self.move_on(WITHDRAWN);
        over || self.state.load(Ordering::Acquire) == WITHDRAWN
    }

    /// Waits for the answer; at the deadline the change is cancelled, or its outcome unknown.
    pub(crate) async fn wait<A>(
        self: Arc<Self>,
        mut answer: oneshot::Receiver<Result<A, StoreError>>,
    ) -> Result<A, StoreError> {
        for deadline in [self.begin_by, self.answer_by].into_iter().flatten() {
            match tokio::time::timeout(deadline.remaining(), &mut answer).await {
                Ok(answered) => return answered.unwrap_or_else(|_| self.lost()),
                Err(_) if self.withdraw() => return Err(StoreError::Busy),
                Err(_) => {}
            }
        }
        match self.answer_by {
            Some(_) => Err(StoreError::Unknown),
            None => answer.await.unwrap_or_else(|_| self.lost()),
        }
    }

    /// The task is gone without an answer: its time was over, or the writer's thread has ended.
    fn lost<A>(&self) -> Result<A, StoreError> {
        if self.move_on(WITHDRAWN) {
            return Err(StoreError::Closed);
        }
        let withdrawn = self.state.load(Ordering::Acquire) == WITHDRAWN;
        Err(if withdrawn { StoreError::Busy } else { StoreError::Unknown })
    }
}

/// A change and the caller that waits for it.
pub(crate) struct Asked<A, F> {
    act: Option<F>,
    result: Result<A, StoreError>,
    progress: Arc<Progress>,
    reply: oneshot::Sender<Result<A, StoreError>>,
}

impl<A, F> Asked<A, F>
where
    A: Send + 'static,
    F: FnOnce(&mut Writer<'_>, &mut Vec<Change>) -> Result<A, StoreError> + Send + 'static,
{
    /// Makes a task of an act without a deadline, and the receiver of its answer.
    #[cfg(test)]
    pub(crate) fn ask(act: F) -> (Box<dyn Task>, oneshot::Receiver<Result<A, StoreError>>) {
        Self::ask_with(act, Arc::default())
    }

    /// Makes a task of an act that can be cancelled, and the receiver of its answer.
    pub(crate) fn ask_with(
        act: F,
        progress: Arc<Progress>,
    ) -> (Box<dyn Task>, oneshot::Receiver<Result<A, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let result = Err(StoreError::Busy);
        (Box::new(Self { act: Some(act), result, progress, reply }), answer)
    }
}

impl<A, F> Task for Asked<A, F>
where
    A: Send + 'static,
    F: FnOnce(&mut Writer<'_>, &mut Vec<Change>) -> Result<A, StoreError> + Send + 'static,
{
    fn is_withdrawn(&self) -> bool {
        self.progress.is_withdrawn()
    }

    fn perform(
        &mut self,
        writer: &mut Writer<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        if let Some(act) = self.act.take()
            && self.progress.begin()
        {
            self.result = act(writer, changes);
            return self.result.as_ref().map(|_| ()).map_err(Clone::clone);
        }
        Ok(())
    }

    fn settle(self: Box<Self>, failure: Option<&StoreError>) {
        let result = match failure {
            Some(failure) => Err(failure.clone()),
            None => self.result,
        };
        // A caller that stopped waiting is no fault; the change stands.
        let _ = self.reply.send(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within_ms(ms: u64) -> Arc<Progress> {
        Deadline::after(Duration::from_millis(ms)).enter(Progress::of_request)
    }

    #[tokio::test]
    async fn change_that_has_not_begun_at_its_deadline_is_withdrawn() {
        let progress = within_ms(2);
        let (reply, answer) = oneshot::channel::<Result<(), StoreError>>();
        let outcome = Arc::clone(&progress).wait(answer).await;
        assert!(matches!(outcome, Err(StoreError::Busy)), "{outcome:?}");
        assert!(!progress.begin(), "the writer must not begin it any more");
        drop(reply);
    }

    #[tokio::test]
    async fn change_that_has_begun_at_its_deadline_has_an_unknown_outcome() {
        let progress = within_ms(2_000);
        assert!(progress.begin());
        assert!(!progress.withdraw() && !progress.is_withdrawn());
        let progress = Arc::new(Progress {
            state: AtomicU8::new(BEGUN),
            begin_by: Some(Deadline::after(Duration::ZERO)),
            answer_by: Some(Deadline::after(Duration::ZERO)),
        });
        let (reply, answer) = oneshot::channel::<Result<(), StoreError>>();
        let outcome = progress.wait(answer).await;
        assert!(matches!(outcome, Err(StoreError::Unknown)), "{outcome:?}");
        drop(reply);
    }

    #[test]
    fn change_never_begins_after_its_time_even_if_no_caller_waits() {
        let progress = within_ms(0);
        assert!(progress.is_withdrawn() && !progress.begin());
    }

    #[tokio::test]
    async fn answer_that_never_comes_is_definite_unless_the_change_has_begun() {
        let lost = |begun: bool| async move {
            let progress: Arc<Progress> = Arc::default();
            assert!(!begun || progress.begin());
            let (reply, answer) = oneshot::channel::<Result<(), StoreError>>();
            drop(reply);
            progress.wait(answer).await
        };
        assert!(matches!(lost(false).await, Err(StoreError::Closed)));
        assert!(matches!(lost(true).await, Err(StoreError::Unknown)));
    }
}
