//! Collects batches from the queue of changes.
//! Never: a reordered change.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use crate::sqlite::options::SqliteOptions;
use crate::sqlite::writer::task::Task;

/// The steps of a full `batch_wait_ms`. Sleeping in steps and then taking all changes that arrived
/// saves the senders a wake-up each, unlike waiting at the queue.
const WAIT_STEPS: u32 = 16;

/// A smaller batch is committed at once: the load is low, so waiting saves no work.
const WAIT_BATCH_MIN: usize = 8;

/// Longest wait for a change before the disk is checked again.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// The queue of changes, with those taken out while another program held the lock.
pub(super) struct ChangeQueue {
    inbox: Receiver<Option<Box<dyn Task>>>,
    held: VecDeque<Box<dyn Task>>,
    held_max: usize,
    batch_max: usize,
    batch_wait_ms: u64,
}

impl ChangeQueue {
    /// A queue that takes its changes from `inbox`; `None` there only wakes the thread.
    pub(super) fn new(inbox: Receiver<Option<Box<dyn Task>>>, options: &SqliteOptions) -> Self {
        Self {
            inbox,
            held: VecDeque::new(),
            held_max: options.queue_max,
            batch_max: options.batch_max,
            batch_wait_ms: options.batch_wait_ms,
        }
    }

    /// Fills the batch; `false` if the queue is empty and no change can arrive any more.
    ///
    /// The batch stays empty if nothing arrives within `wait`, which is zero if the thread has
    /// other work.
    pub(super) fn fill(
        &mut self,
        batch: &mut Vec<Box<dyn Task>>,
        wait: Duration,
        is_closing: bool,
    ) -> bool {
        if self.held.is_empty() {
            let first = if wait.is_zero() {
                self.inbox.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                })
            } else {
                self.inbox.recv_timeout(wait)
            };
            match first {
                Ok(first) => batch.extend(first),
                Err(RecvTimeoutError::Timeout) => return !is_closing,
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

    /// Takes changes out of the queue, so that later ones fit in and get a result.
    pub(super) fn hold(&mut self) {
        self.held.retain(|task| !task.is_cancelled());
        while self.held.len() < self.held_max {
            match self.inbox.try_recv() {
                Ok(task) => self.held.extend(task),
                Err(_) => return,
            }
        }
    }

    /// Waits for more changes if the last batch was large: as long as each step brings some, and
    /// until half as many as last time are there. A commit costs the same for any number.
    pub(super) fn wait_for_more(&mut self, batch: &mut Vec<Box<dyn Task>>, last_len: usize) {
        if last_len < WAIT_BATCH_MIN || self.batch_wait_ms == 0 || batch.is_empty() {
            return;
        }
        let step = Duration::from_millis(self.batch_wait_ms) / WAIT_STEPS;
        for _ in 0..WAIT_STEPS {
            let before = batch.len();
            if before >= last_len / 2 || before >= self.batch_max {
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
