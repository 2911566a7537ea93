//! The thread that writes: collects batches from the queue, and does what lies between them.
//! Never: stops for another program's lock; what needs no lock goes on meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use rusqlite::Connection;

use crate::field_seal::FieldSeal;
use crate::health::disk_watch::DiskWatch;
use crate::sqlite::store::SqliteOptions;
use crate::sqlite::writer::commit::Writer;
use crate::sqlite::writer::task::{Task, Turn};
use crate::store::CommitFeed;

/// The waits a full `batch_wait_ms` is cut into. Sleeping in steps and then taking everything
/// that came costs the senders no wake-up each, as waiting in the queue would.
const LINGER_STEPS: u32 = 16;

/// A smaller batch is committed at once: the load is low, so waiting saves no work.
const COMPANY_MIN: usize = 8;

/// Longest wait for a change before the disk is looked at again.
const IDLE: Duration = Duration::from_secs(1);

/// What the thread works on and for.
pub(crate) struct Work {
    /// Changes, in the order of their requests; `None` only wakes the thread.
    pub(crate) inbox: Receiver<Option<Box<dyn Task>>>,
    /// What runs between two transactions.
    pub(crate) turns: Receiver<Turn>,
    /// What hears of commits.
    pub(crate) feed: Box<dyn CommitFeed>,
    /// Batch size and wait.
    pub(crate) options: SqliteOptions,
    /// What fields are sealed with, when they are.
    pub(crate) seal: Option<Arc<dyn FieldSeal>>,
    /// Set when the store closes: finish what is queued, then end.
    pub(crate) closing: Arc<AtomicBool>,
}

/// Changes taken out of the queue while another program held the lock.
struct Queue {
    inbox: Receiver<Option<Box<dyn Task>>>,
    held: VecDeque<Box<dyn Task>>,
    held_max: usize,
    batch_max: usize,
}

impl Work {
    /// Runs until the store is closed or dropped.
    pub(crate) fn run(mut self, connection: &Connection, disk: DiskWatch) {
        let mut writer = match Writer::new(connection, self.seal.take(), disk) {
            Ok(writer) => writer,
            Err(error) => return tracing::error!(%error, "the store's writer cannot start"),
        };
        let mut queue = Queue {
            inbox: self.inbox,
            held: VecDeque::new(),
            held_max: self.options.queue_max,
            batch_max: self.options.batch_max,
        };
        let turns = self.turns;
        let between = |writer: &mut Writer<'_>, feed: &mut dyn CommitFeed| {
            while let Ok(turn) = turns.try_recv() {
                turn(writer, feed);
            }
        };
        let mut batch = Vec::new();
        let mut company = 0;
        loop {
            between(&mut writer, self.feed.as_mut());
            writer.look_at_disk();
            let closing = self.closing.load(Ordering::Acquire);
            if !queue.gather(&mut batch, writer.has_chores() || closing, closing) {
                break;
            }
            queue.linger(&mut batch, company, self.options.batch_wait_ms);
            company = batch.len();
            if batch.is_empty() && !writer.has_chores() {
                continue;
            }
            writer.commit(&mut batch, self.feed.as_mut(), &mut |writer, feed| {
                between(writer, feed);
                queue.hold();
            });
        }
        if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            // The log is read again at the next start; nothing is lost.
            tracing::warn!(%error, "the store closed without folding its log into the file");
        }
    }
}

impl Queue {
    /// Fills the batch; `false` when there is nothing left and nothing can come.
    ///
    /// Comes back with an empty batch when something else is to be done.
    fn gather(&mut self, batch: &mut Vec<Box<dyn Task>>, at_once: bool, closing: bool) -> bool {
        if self.held.is_empty() {
            let first = if at_once {
                self.inbox.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                })
            } else {
                self.inbox.recv_timeout(IDLE)
            };
            match first {
                Ok(first) => batch.extend(first),
                Err(RecvTimeoutError::Timeout) => return !closing,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        self.drain(batch);
        true
    }

    fn drain(&mut self, batch: &mut Vec<Box<dyn Task>>) {
        while batch.len() < self.batch_max {
            match self.held.pop_front() {
                Some(task) => batch.push(task),
                None => match self.inbox.try_recv() {
                    Ok(task) => batch.extend(task),
                    Err(_) => return,
                },
            }
        }
    }

    /// Takes changes out of the queue, so that those behind them find room and get an answer.
    fn hold(&mut self) {
        self.held.retain(|task| !task.is_withdrawn());
        while self.held.len() < self.held_max {
            match self.inbox.try_recv() {
                Ok(task) => self.held.extend(task),
                Err(_) => return,
            }
        }
    }

    /// Waits for company when the last batch had some: as long as each step brings more, and until
    /// half as many as last time are there. A commit costs the same for one change and for many.
    fn linger(&mut self, batch: &mut Vec<Box<dyn Task>>, company: usize, wait_ms: u64) {
        if company < COMPANY_MIN || wait_ms == 0 || batch.is_empty() {
            return;
        }
        let step = Duration::from_millis(wait_ms) / LINGER_STEPS;
        for _ in 0..LINGER_STEPS {
            let before = batch.len();
            if before >= company / 2 || before >= self.batch_max {
                return;
            }
            std::thread::sleep(step);
            self.drain(batch);
            if batch.len() == before {
                return;
            }
        }
    }
}
