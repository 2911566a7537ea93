//! What the engine, the workers and the writer of the file share.
//! Never: a lock that is held during a request or a write.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_model::Clock;
use tokio::sync::Notify;

use crate::channel::ChannelOptions;
use crate::spool::Spool;
use crate::spool_file;

/// Counters of all channels.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: AtomicU64,
    pub(crate) undelivered: AtomicU64,
}

/// What the engine, the workers and the writer of the file share.
pub(crate) struct Shared {
    pub(crate) channels: Vec<Arc<ChannelOptions>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counts: Counters,
    /// Messages were added.
    pub(crate) queued: Notify,
    /// The file has to be written.
    pub(crate) changed: Notify,
    spool: Mutex<Spool>,
    /// Channels whose receivers want no more messages.
    off: Mutex<BTreeSet<String>>,
    file: PathBuf,
}

impl Shared {
    pub(crate) fn new(
        channels: Vec<ChannelOptions>,
        spool: Spool,
        file: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            channels: channels.into_iter().map(Arc::new).collect(),
            clock,
            counts: Counters::default(),
            queued: Notify::new(),
            changed: Notify::new(),
            spool: Mutex::new(spool),
            off: Mutex::default(),
            file,
        }
    }

    pub(crate) fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Switches a channel off; returns how many of its messages are dropped.
    pub(crate) fn switch_off(&self, name: &str) -> usize {
        self.off().insert(String::from(name));
        self.spool().clear(name)
    }

    /// Whether the receiver of a channel wants no more messages.
    pub(crate) fn is_off(&self, name: &str) -> bool {
        self.off().contains(name)
    }

    fn off(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the file; an error is logged.
    pub(crate) fn save(&self) {
        let deliveries = self.spool().all().to_vec();
        if let Err(error) = spool_file::write(&self.file, &deliveries) {
            let path = self.file.display();
            tracing::error!(%error, %path, "undelivered alerts are not saved");
        }
    }
}
