//! The reader threads, each with its own connection.
//! Never: a change; the connections cannot write.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::Deadline;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::future::StoreFuture;
use crate::health::status::HealthCell;
use crate::sqlite::database::connection::open_reader;

/// A queued read.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// Records in the health of the store that its thread ended because of a panic.
struct FaultNotice(Arc<HealthCell>);

impl Drop for FaultNotice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_reader_ended();
        }
    }
}

/// A bounded queue of reads and its threads, which end when this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    queue: SyncSender<Read>,
    health: Arc<HealthCell>,
}

impl Readers {
    /// Opens the connections and starts the threads; `name` appears in the names of the threads.
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
                    // Dropped before the queue, so that the fault is recorded before callers get
                    // errors.
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

    /// Queues a read that has a caller; it sees everything committed before it starts.
    pub(crate) fn read<A: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, A> {
        let (reply, result) = oneshot::channel();
        let deadline = Deadline::current();
        let health = Arc::clone(&self.health);
        let queued = self.run(move |connection| {
            // Dropped before `reply`, so that the fault is recorded before the caller knows.
            let _notice = FaultNotice(health);
            // The work is skipped if the caller does not wait any more.
            if !reply.is_closed() {
                let result = read(connection);
                let _ = reply.send(result);
            }
        });
        Box::pin(async move {
            queued?;
            let result = match deadline {
                None => result.await,
                // A read that comes too late has had no effect.
                Some(deadline) => tokio::time::timeout(deadline.remaining(), result)
                    .await
                    .map_err(|_| StoreError::Busy)?,
            };
            result.unwrap_or(Err(StoreError::Closed))
        })
    }

    /// Queues work for one of the threads.
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
