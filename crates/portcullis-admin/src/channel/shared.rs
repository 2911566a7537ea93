//! The state that the engine, the workers and the writer of the file share.
//! Never: a lock that is held during a request or a write.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_audit::{AlertSeverity, Audit, Outcome, Record};
use portcullis_model::{Clock, Code};
use tokio::sync::Notify;

use crate::channel::delivered::Deliveries;
use crate::channel::options::ChannelOptions;
use crate::spool::file;
use crate::spool::queue::Spool;

/// Counters of all channels.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: AtomicU64,
    pub(crate) undelivered: AtomicU64,
}

/// The state that the engine, the workers and the writer of the file share.
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
    /// Held while the file is written.
    writing: Mutex<()>,
    pub(crate) audit: Audit,
    files: ChannelFiles,
    delivered: Mutex<Deliveries>,
}

/// The files of the channels.
#[derive(Debug, Clone)]
pub struct ChannelFiles {
    /// Messages that are not delivered yet.
    pub spool: PathBuf,
    /// The time of the last delivery of each channel.
    pub delivered: PathBuf,
}

impl Shared {
    pub(crate) fn new(
        channels: Vec<ChannelOptions>,
        spool: Spool,
        files: ChannelFiles,
        audit: Audit,
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
            writing: Mutex::default(),
            audit,
            delivered: Mutex::new(Deliveries::read(&files.delivered)),
            files,
        }
    }

    pub(crate) fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel that gets an alert when this one does not deliver it in time.
    ///
    /// None for a severity that the other channel gets anyway, or below `high`.
    pub(crate) fn fallback(
        &self,
        channel: &ChannelOptions,
        severity: AlertSeverity,
    ) -> Option<&Arc<ChannelOptions>> {
        let name = channel.fallback.as_ref().filter(|_| severity >= AlertSeverity::High)?;
        let mut others = self.channels.iter().filter(|other| !self.is_off(&other.name));
        others.find(|other| other.name == *name && !other.wants(severity))
    }

    /// Counts, logs and records messages that are given up.
    pub(crate) fn undelivered(&self, channel: &str, alert: &str, why: &str, count: u64) {
        self.counts.undelivered.fetch_add(count, Ordering::Relaxed);
        tracing::error!(channel, alert, why, count, "alerts not delivered: no more attempts");
        let mut record = Record::new(Code::AlertUndelivered);
        record.outcome = Outcome::Failure;
        record.rule = "alert_channel";
        record.detail = Some(format!("{count} alerts were not delivered by {channel}: {why}"));
        record.labels.push(("alert", String::from(alert)));
        self.audit.record(record, self.clock.now());
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
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let deliveries = self.spool().all().to_vec();
        if let Err(error) = file::write(&self.files.spool, &deliveries) {
            let path = self.files.spool.display();
            tracing::error!(%error, %path, "undelivered alerts are not saved");
        }
        if let Err(error) = self.delivered().write(&self.files.delivered) {
            let path = self.files.delivered.display();
            tracing::error!(%error, %path, "the times of deliveries are not saved");
        }
    }

    /// A channel or monitor has delivered something.
    pub(crate) fn note_delivery(&self, channel: &str) {
        if self.delivered().add(channel, self.clock.now()) {
            self.changed.notify_one();
        }
    }

    pub(crate) fn delivered(&self) -> MutexGuard<'_, Deliveries> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
