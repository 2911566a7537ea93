//! The connections whose outboxes are written at the end of a turn.
//! Never: a connection twice in one turn.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::connection::state::Connection;

/// The connections with frames to write.
#[derive(Default)]
pub(crate) struct WriteQueue {
    queued: RefCell<Vec<Rc<Connection>>>,
    wanted: Notify,
}

impl WriteQueue {
    /// Has the connection's outbox written at the end of this turn.
    pub(crate) fn add(&self, connection: &Rc<Connection>) {
        if !connection.output.is_queued.replace(true) {
            self.queued.borrow_mut().push(Rc::clone(connection));
            self.wanted.notify_one();
        }
    }

    /// Waits for connections to write, and moves them to `batch`, which has to be empty.
    pub(crate) async fn take(&self, batch: &mut Vec<Rc<Connection>>) {
        self.wanted.notified().await;
        std::mem::swap(batch, &mut *self.queued.borrow_mut());
    }
}
