//! The threads that read, each with a connection of its own.
//! Never: a change; the connections cannot write.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::Deadline;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::health::monitor::HealthCell;
use crate::sqlite::database::migrations::open_reader;
use crate::store::StoreFuture;

/// One read on its way.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Notes that a thread has ended by a fault.
struct FaultNotice(Arc<HealthCell>);

impl Drop for FaultNotice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.reader_ended();
        }
    }
}

/// A bounded queue of reads and the threads that serve it; they end when this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    queue: SyncSender<Read>,
    health: Arc<HealthCell>,
}

impl Readers {
    /// Opens the connections and starts the threads; `name` says what they read.
    pub(crate) fn start(
        path: &Path,
        name: &str,
        count: usize,
        queue_max: usize,
        health: &Arc<HealthCell>,
    ) -> Result<Self, StoreError> {
        let (queue, inbox) = sync_channel(queue_max.max(1));
        let inbox = Arc::new(Mutex::new(inbox));
        for number in 0..count.max(1) {
            let connection = open_reader(path)?;
            let inbox = Arc::clone(&inbox);
            let notice = FaultNotice(Arc::clone(health));
            std::thread::Builder::new()
                .name(format!("store-{name}-{number}"))
                .spawn(move || {
                    // Dropped before the queue is, so that it is noted before callers get errors.
                    let _notice = notice;
                    serve(&inbox, &connection);
                })
                .map_err(|source| StoreError::File {
                    path: path.to_path_buf(),
                    source: Arc::new(source),
                })?;
        }
        Ok(Self { queue, health: Arc::clone(health) })
    }

    /// Asks for a read; it sees everything committed before it starts.
    pub(crate) fn ask<A: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, A> {
        let (reply, answer) = oneshot::channel();
        let deadline = Deadline::current();
        let health = Arc::clone(&self.health);
        let asked = self.run(move |connection| {
            // Dropped before the caller's answer is, so that it is noted before the caller knows.
            let _notice = FaultNotice(health);
            // The caller does not wait any more: the work can be spared.
            if !reply.is_closed() {
                let answer = read(connection);
                let _ = reply.send(answer);
            }
        });
        Box::pin(async move {
            asked?;
            let answer = match deadline {
                None => answer.await,
                // A read that comes too late has had no effect.
                Some(deadline) => tokio::time::timeout(deadline.remaining(), answer)
                    .await
                    .map_err(|_| StoreError::Busy)?,
            };
            answer.unwrap_or(Err(StoreError::Closed))
        })
    }

    /// Runs something on one of the threads, at its turn.
    pub(crate) fn run(
        &self,
        read: impl FnOnce(&Connection) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.queue.try_send(Box::new(read)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }
}

fn serve(inbox: &Mutex<Receiver<Read>>, connection: &Connection) {
    loop {
        // The lock is held while waiting, so that the threads take turns at the queue.
        let next = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(read) => read(connection),
            Err(_) => return,
        }
    }
}
