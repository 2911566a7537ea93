//! The loop of the writer thread: batches, and work between two transactions.
//! Never: stops for another program's lock; work that needs no lock goes on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use portcullis_model::TimeHistogram;
use rusqlite::Connection;

use crate::changes::CommitFeed;
use crate::field_seal::FieldSeal;
use crate::health::disk_watch::DiskWatch;
use crate::sqlite::options::SqliteOptions;
use crate::sqlite::writer::commit::Writer;
use crate::sqlite::writer::queue::ChangeQueue;
use crate::sqlite::writer::recheck::Interlude;
use crate::sqlite::writer::task::Task;

/// The inputs of the thread.
pub(crate) struct WriterThread {
    /// Changes, in the order of their requests; `None` only wakes the thread.
    pub(crate) inbox: Receiver<Option<Box<dyn Task>>>,
    /// Work between two transactions.
    pub(crate) interludes: Receiver<Interlude>,
    /// Receives the committed changes.
    pub(crate) feed: Box<dyn CommitFeed>,
    /// Batch size and wait.
    pub(crate) options: SqliteOptions,
    /// The seal of fields, if there is one.
    pub(crate) seal: Option<Arc<dyn FieldSeal>>,
    /// Set when the store closes: the thread completes the queue, then ends.
    pub(crate) is_closing: Arc<AtomicBool>,
    /// Counts the times of commits.
    pub(crate) commit_times: Arc<TimeHistogram>,
}

impl WriterThread {
    /// Runs until the store is closed or dropped.
    pub(crate) fn run(mut self, connection: &Connection, disk: DiskWatch) {
        let mut writer = match Writer::new(connection, self.seal.take(), disk) {
            Ok(writer) => writer,
            Err(error) => return tracing::error!(%error, "the writer of the store cannot start"),
        };
        writer.commit_times = self.commit_times;
        let mut queue = ChangeQueue::new(self.inbox, &self.options);
        let interludes = self.interludes;
        let run_interludes = |writer: &mut Writer<'_>, feed: &mut dyn CommitFeed| {
            while let Ok(interlude) = interludes.try_recv() {
                interlude(writer, feed);
            }
        };
        let mut batch = Vec::new();
        let mut last_len = 0;
        loop {
            run_interludes(&mut writer, self.feed.as_mut());
            writer.check_disk();
            let is_closing = self.is_closing.load(Ordering::Acquire);
            if !queue.fill(&mut batch, writer.has_cleanup() || is_closing, is_closing) {
                break;
            }
            queue.wait_for_more(&mut batch, last_len);
            last_len = batch.len();
            if batch.is_empty() && !writer.has_cleanup() {
                continue;
            }
            writer.commit(&mut batch, self.feed.as_mut(), &mut |writer, feed| {
                run_interludes(writer, feed);
                queue.hold();
            });
        }
        if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            // The next start reads the log again; nothing is lost.
            tracing::warn!(%error, "the store closed without a checkpoint of its log");
        }
    }
}
