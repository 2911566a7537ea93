//! One change on its way through the writer: asked, performed, settled.
//! Never: an answer before the commit.

use tokio::sync::oneshot;

use crate::change::Change;
use crate::error::StoreError;
use crate::sqlite_writer::Writer;

/// What the writer's queue carries.
pub(crate) trait Task: Send {
    /// Does the change inside the open transaction and keeps the result.
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

/// A change and whoever waits for it.
pub(crate) struct Asked<A, F> {
    act: Option<F>,
    result: Result<A, StoreError>,
    reply: oneshot::Sender<Result<A, StoreError>>,
}

impl<A, F> Asked<A, F>
where
    A: Send + 'static,
    F: FnOnce(&mut Writer<'_>, &mut Vec<Change>) -> Result<A, StoreError> + Send + 'static,
{
    /// Makes a task of an act, and the place its answer will come.
    pub(crate) fn ask(act: F) -> (Box<dyn Task>, oneshot::Receiver<Result<A, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { act: Some(act), result: Err(StoreError::Closed), reply }), answer)
    }
}

impl<A, F> Task for Asked<A, F>
where
    A: Send + 'static,
    F: FnOnce(&mut Writer<'_>, &mut Vec<Change>) -> Result<A, StoreError> + Send + 'static,
{
    fn perform(
        &mut self,
        writer: &mut Writer<'_>,
        changes: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        if let Some(act) = self.act.take() {
            self.result = act(writer, changes);
        }
        self.result.as_ref().map(|_| ()).map_err(Clone::clone)
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
