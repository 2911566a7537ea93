//! The threads that read, each with a connection of its own.
//! Never: a change; the connections cannot write.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::sqlite_schema::open_reader;
use crate::store::StoreFuture;

/// One read on its way.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// A bounded queue of reads and the threads that serve it; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Readers {
    queue: SyncSender<Read>,
}

impl Readers {
    /// Opens the connections and starts the threads.
    pub(crate) fn start(path: &Path, count: usize, queue_max: usize) -> Result<Self, StoreError> {
        let (queue, inbox) = sync_channel(queue_max.max(1));
        let inbox = Arc::new(Mutex::new(inbox));
        for number in 0..count.max(1) {
            let connection = open_reader(path)?;
            let inbox = Arc::clone(&inbox);
            std::thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || serve(&inbox, &connection))
                .map_err(|source| StoreError::File {
                    path: path.to_path_buf(),
                    source: Arc::new(source),
                })?;
        }
        Ok(Self { queue })
    }

    /// Asks for a read; it sees everything committed before it starts.
    pub(crate) fn ask<A: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<A, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, A> {
        let (reply, answer) = oneshot::channel();
        let asked = self.queue.try_send(Box::new(move |connection| {
            // Nobody waits any more: the work can be spared.
            if !reply.is_closed() {
                let _ = reply.send(read(connection));
            }
        }));
        let refused = match asked {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => Some(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => Some(StoreError::Closed),
        };
        Box::pin(async move {
            match refused {
                Some(error) => Err(error),
                None => answer.await.unwrap_or(Err(StoreError::Closed)),
            }
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
