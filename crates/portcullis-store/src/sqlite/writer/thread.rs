//! The loop of the writer thread: batches, and work between two transactions.
//! Never: stops for another program's lock; work that needs no lock goes on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use portcullis_model::TimeHistogram;
use rusqlite::Connection;

use crate::changes::CommitFeed;
use crate::field_seal::FieldSeal;
use crate::health::disk_watch::DiskWatch;
use crate::sqlite::copy::paged::{CopyJob, PagedCopy};
use crate::sqlite::options::SqliteOptions;
use crate::sqlite::writer::commit::Writer;
use crate::sqlite::writer::queue::{ChangeQueue, IDLE};
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
        let mut rounds = Rounds {
            writer,
            queue: ChangeQueue::new(self.inbox, &self.options),
            interludes: self.interludes,
            feed: self.feed,
            is_closing: self.is_closing,
            last_len: 0,
        };
        let mut job: Option<CopyJob> = None;
        loop {
            let end = match job.take() {
                None => rounds.run(None),
                Some(job) => job.run(connection, |copy| rounds.run(Some(copy))).unwrap_or_default(),
            };
            match end {
                RoundsEnd::Closed => break,
                RoundsEnd::Copied => {}
                RoundsEnd::CopyRequested(requested) => job = Some(requested),
            }
        }
        if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            // The next start reads the log again; nothing is lost.
            tracing::warn!(%error, "the store closed without a checkpoint of its log");
        }
    }
}

/// Why the rounds ended.
#[derive(Default)]
enum RoundsEnd {
    /// The store is closed.
    Closed,
    /// The copy has ended.
    #[default]
    Copied,
    /// A copy is to start.
    CopyRequested(CopyJob),
}

/// The rounds of the writer: work between two transactions, then a batch.
struct Rounds<'c> {
    writer: Writer<'c>,
    queue: ChangeQueue,
    interludes: Receiver<Interlude>,
    feed: Box<dyn CommitFeed>,
    is_closing: Arc<AtomicBool>,
    last_len: usize,
}

impl Rounds<'_> {
    /// Runs until the store is closed, the copy has ended, or another copy is to start.
    fn run(&mut self, mut copy: Option<&mut PagedCopy<'_>>) -> RoundsEnd {
        let Self { writer, queue, interludes, feed, is_closing, last_len } = self;
        let run_interludes = |writer: &mut Writer<'_>, feed: &mut dyn CommitFeed| {
            while let Ok(interlude) = interludes.try_recv() {
                interlude(writer, feed);
            }
        };
        let mut batch = Vec::new();
        loop {
            run_interludes(writer, feed.as_mut());
            writer.check_disk();
            let mut wait = IDLE;
            if let Some(copy) = &mut copy {
                if copy.turn(writer.state.disk.monitor.state()) {
                    return RoundsEnd::Copied;
                }
                wait = copy.rest().min(IDLE);
            } else if let Some(job) = writer.requested_copy.take() {
                return RoundsEnd::CopyRequested(job);
            }
            let is_closing = is_closing.load(Ordering::Acquire);
            if writer.has_cleanup() || is_closing {
                wait = Duration::ZERO;
            }
            if !queue.fill(&mut batch, wait, is_closing) {
                return RoundsEnd::Closed;
            }
            queue.wait_for_more(&mut batch, *last_len);
            *last_len = batch.len();
            if batch.is_empty() && !writer.has_cleanup() {
                continue;
            }
            writer.commit(&mut batch, feed.as_mut(), &mut |writer, feed| {
                run_interludes(writer, feed);
                queue.hold();
            });
        }
    }
}
