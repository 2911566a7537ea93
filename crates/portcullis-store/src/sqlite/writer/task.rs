//! A change in the writer's queue, and the caller that waits for it.
//! Never: a result before the commit.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::changes::Change;
use crate::error::StoreError;
use crate::sqlite::tables::state::WriteState;
use crate::sqlite::writer::progress::Progress;

/// A change in the writer's queue.
pub(crate) trait Task: Send {
    /// Whether the change must not start: its caller has a result already.
    fn is_cancelled(&self) -> bool;

    /// Performs the change inside the open transaction and keeps its result, unless cancelled.
    ///
    /// # Errors
    /// The error that the caller will get.
    fn perform(
        &mut self,
        state: &mut WriteState<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<(), StoreError>;

    /// Sends the result to the caller, or the failure of the whole batch.
    fn reply(self: Box<Self>, failure: Option<&StoreError>);
}

/// A change and its caller.
pub(crate) struct ChangeTask<A, F> {
    change: Option<F>,
    result: Result<A, StoreError>,
    progress: Arc<Progress>,
    reply: oneshot::Sender<Result<A, StoreError>>,
}

impl<A, F> ChangeTask<A, F>
where
    A: Send + 'static,
    F: FnOnce(&mut WriteState<'_>, &mut Vec<Change>) -> Result<A, StoreError> + Send + 'static,
{
    /// A task for a change without a deadline, and the receiver of its result.
    #[cfg(test)]
    pub(crate) fn of(change: F) -> (Box<dyn Task>, oneshot::Receiver<Result<A, StoreError>>) {
        Self::new(change, Arc::default())
    }

    /// A task for a change that can be cancelled, and the receiver of its result.
    #[expect(clippy::new_ret_no_self, reason = "the queue takes tasks of any change")]
    pub(crate) fn new(
        change: F,
        progress: Arc<Progress>,
    ) -> (Box<dyn Task>, oneshot::Receiver<Result<A, StoreError>>) {
        let (reply, receiver) = oneshot::channel();
        let result = Err(StoreError::Busy);
        (Box::new(Self { change: Some(change), result, progress, reply }), receiver)
    }
}

impl<A, F> Task for ChangeTask<A, F>
where
    A: Send + 'static,
    F: FnOnce(&mut WriteState<'_>, &mut Vec<Change>) -> Result<A, StoreError> + Send + 'static,
{
    fn is_cancelled(&self) -> bool {
        self.progress.is_cancelled()
    }

    fn perform(
        &mut self,
        state: &mut WriteState<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        if let Some(change) = self.change.take()
            && self.progress.start()
        {
            self.result = self.progress.enter(|| change(state, changes));
            return self.result.as_ref().map(|_| ()).map_err(Clone::clone);
        }
        Ok(())
    }

    fn reply(self: Box<Self>, failure: Option<&StoreError>) {
        let result = match failure {
            Some(failure) => Err(failure.clone()),
            None => self.result,
        };
        // If the caller has stopped waiting, the change is in force all the same.
        let _ = self.reply.send(result);
    }
}
