//! Bounded queues, one per record group, between the recording threads and the writer thread.
//! Never: blocks a recording thread; records that do not fit are counted by kind.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_model::{Code, Now};

use crate::record::fields::Record;
use crate::record::group::RecordGroup;
use crate::record::kind::{KindTotal, KindTotals};
use crate::record::log_events;

/// Without records, the writer wakes up after this time and checks the file.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// A queued record with its time.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) now: Now,
    pub(crate) group: RecordGroup,
}

/// The work of the writer after a wait.
#[derive(Debug, Default)]
pub(crate) struct WriterWork {
    /// The new records: the reserved group first, each group in order.
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) now: Now,
    /// Whether the once-a-second checks are due.
    pub(crate) check: bool,
    /// Whether the operator rotated the file (SIGHUP).
    pub(crate) reopen: bool,
    /// Whether the log is closed and no record follows.
    pub(crate) last: bool,
}

#[derive(Debug, Default)]
struct GroupQueue {
    new: VecDeque<Entry>,
    /// Records that the file could not take yet.
    held: VecDeque<Entry>,
    /// The number of records that the writer is writing.
    writing: usize,
}

impl GroupQueue {
    fn len(&self) -> usize {
        self.new.len() + self.held.len() + self.writing
    }
}

#[derive(Debug, Default)]
struct QueueState {
    groups: [GroupQueue; 3],
    /// Records that did not fit, since the last report.
    lost: KindTotals,
    lost_total: u64,
    now: Now,
    check: bool,
    reopen: bool,
    closed: bool,
    /// Whether the writer processes its last work.
    busy: bool,
}

/// Maximum number of queued records of each group, including held ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimits {
    pub(crate) reserved: usize,
    pub(crate) user: usize,
    pub(crate) unauthenticated: usize,
}

/// The queues of all groups.
///
/// Worst-case memory: the sum of the limits times about 4 KiB, when all texts have their maximum
/// length. That is 80 MiB with the defaults; usual records need a fifth of it.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    wake: Condvar,
    idle: Condvar,
    limits: QueueLimits,
}

impl Queue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), idle: Condvar::new(), limits }
    }

    /// The number of queued records, and the maximum.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let waiting = self.lock().groups.iter().map(GroupQueue::len).sum();
        (waiting, RecordGroup::ALL.into_iter().map(|group| self.limits.of(group)).sum())
    }

    /// The number of records that did not fit.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost_total
    }

    /// Queues a record; `false` when its queue is full or the log is closed.
    ///
    /// When the reserved queue is full, its records use the users' queue.
    pub(crate) fn push(&self, record: Record, group: RecordGroup, now: Now) -> bool {
        let mut state = self.lock();
        state.advance(now);
        let target = match group {
            _ if state.closed => None,
            group if state.has_room(group, &self.limits) => Some(group),
            RecordGroup::Reserved if state.has_room(RecordGroup::User, &self.limits) => {
                Some(RecordGroup::User)
            }
            RecordGroup::Reserved | RecordGroup::User | RecordGroup::Unauthenticated => None,
        };
        let Some(target) = target else {
            state.count_lost(&record);
            return false;
        };
        let entry = Entry { record, now, group };
        if let Some(queue) = state.groups.get_mut(target.index()) {
            queue.new.push_back(entry);
        }
        drop(state);
        self.wake.notify_one();
        true
    }

    /// Passes the time to the writer, which then checks the file.
    pub(crate) fn tick(&self, now: Now) {
        self.wake_writer(now, |state| state.check = true);
    }

    /// Notifies the writer that the operator rotated the file.
    pub(crate) fn reopen(&self, now: Now) {
        self.wake_writer(now, |state| state.reopen = true);
    }

    fn wake_writer(&self, now: Now, request: impl FnOnce(&mut QueueState)) {
        let mut state = self.lock();
        state.advance(now);
        request(&mut state);
        drop(state);
        self.wake.notify_one();
    }

    /// Waits for work, and takes all new records.
    pub(crate) fn wait(&self) -> WriterWork {
        let mut state = self.lock();
        let mut timed_out = false;
        state.busy = false;
        self.idle.notify_all();
        while !state.has_work() && !timed_out {
            let waited = self.wake.wait_timeout(state, IDLE_INTERVAL);
            let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            (state, timed_out) = (next, timeout.timed_out());
        }
        state.busy = true;
        let check = timed_out | std::mem::take(&mut state.check);
        let reopen = std::mem::take(&mut state.reopen);
        let entries = state.take(|queue| &mut queue.new);
        WriterWork { entries, now: state.now, check, reopen, last: state.closed }
    }

    /// Takes the held records.
    pub(crate) fn take_held(&self) -> VecDeque<Entry> {
        self.lock().take(|queue| &mut queue.held)
    }

    /// Whether records wait because the file cannot be written.
    pub(crate) fn has_held(&self) -> bool {
        self.lock().groups.iter().any(|queue| !queue.held.is_empty())
    }

    /// Takes one record for each kind with lost records.
    pub(crate) fn take_lost(&self) -> VecDeque<Entry> {
        let mut state = self.lock();
        let now = state.now;
        let entry = |(kind, total)| Entry {
            record: log_events::records_lost(kind, total),
            now,
            group: RecordGroup::Reserved,
        };
        state.lost.drain().map(entry).collect()
    }

    /// Ends the writing of the records that the writer took; holds `rest`, which is not written.
    pub(crate) fn finish_writing(&self, rest: impl IntoIterator<Item = Entry>) {
        let mut state = self.lock();
        for queue in &mut state.groups {
            queue.writing = 0;
        }
        for entry in rest {
            // As in `push`: records that do not fit in the reserved queue use the users' queue.
            let group = match entry.group {
                RecordGroup::Reserved if !state.has_room(RecordGroup::Reserved, &self.limits) => {
                    RecordGroup::User
                }
                group @ (RecordGroup::Reserved
                | RecordGroup::User
                | RecordGroup::Unauthenticated) => group,
            };
            if let Some(queue) = state.groups.get_mut(group.index()) {
                queue.held.push_back(entry);
            }
        }
    }

    /// Waits until the writer has no work.
    #[cfg(test)]
    pub(crate) fn wait_idle(&self) {
        let is_busy = |state: &mut QueueState| state.busy || state.has_work();
        drop(self.idle.wait_while(self.lock(), is_busy));
    }

    /// The time of the newest record or tick.
    pub(crate) fn now(&self) -> Now {
        self.lock().now
    }

    /// Rejects further records; the writer still takes the queued ones.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueLimits {
    fn of(&self, group: RecordGroup) -> usize {
        match group {
            RecordGroup::Reserved => self.reserved,
            RecordGroup::User => self.user,
            RecordGroup::Unauthenticated => self.unauthenticated,
        }
    }
}

impl QueueState {
    fn advance(&mut self, now: Now) {
        if now.monotonic_ms >= self.now.monotonic_ms {
            self.now = now;
        }
    }

    fn has_work(&self) -> bool {
        self.closed
            || self.check
            || self.reopen
            || self.groups.iter().any(|queue| !queue.new.is_empty())
    }

    fn has_room(&self, group: RecordGroup, limits: &QueueLimits) -> bool {
        self.groups.get(group.index()).is_some_and(|queue| queue.len() < limits.of(group))
    }

    fn take(
        &mut self,
        records: impl Fn(&mut GroupQueue) -> &mut VecDeque<Entry>,
    ) -> VecDeque<Entry> {
        let mut entries = VecDeque::new();
        for queue in &mut self.groups {
            let mut taken = std::mem::take(records(queue));
            queue.writing += taken.len();
            if entries.is_empty() {
                entries = taken;
            } else {
                entries.append(&mut taken);
            }
        }
        entries
    }

    /// Counts a record that is not written, including the records that it counts itself.
    fn count_lost(&mut self, record: &Record) {
        let counts_others = matches!(record.code, Code::LogSuppressed | Code::LogLost);
        let count = if counts_others { record.suppressed } else { 1 };
        self.lost_total += count;
        self.lost.add(record.kind(), KindTotal { count, severity: record.severity });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(QueueLimits { reserved: 2, user: 3, unauthenticated: 3 })
    }

    fn push(queue: &Queue, group: RecordGroup, count: usize) -> usize {
        let code = match group {
            RecordGroup::Reserved => Code::AuthzAdmin,
            RecordGroup::User => Code::AuthzFail,
            RecordGroup::Unauthenticated => Code::MaliciousCsrf,
        };
        (0..count).filter(|_| queue.push(Record::new(code), group, Now::default())).count()
    }

    #[test]
    fn full_queue_leaves_the_others_room_and_counts_losses() {
        let queue = queue();
        assert_eq!(push(&queue, RecordGroup::Unauthenticated, 10), 3);
        assert_eq!(push(&queue, RecordGroup::Reserved, 3), 3, "one record uses the users' queue");
        assert_eq!(push(&queue, RecordGroup::User, 4), 2);
        assert_eq!((queue.waiting(), queue.lost()), ((8, 8), 9));
        let work = queue.wait();
        assert_eq!(work.entries.len(), 8);
        let lost: Vec<_> = queue
            .take_lost()
            .into_iter()
            .map(|entry| (entry.record.event, entry.record.suppressed, entry.group))
            .collect();
        assert_eq!(lost.len(), 2);
        assert!(lost.contains(&(Some(String::from("malicious_csrf")), 7, RecordGroup::Reserved)));
        assert!(lost.contains(&(Some(String::from("authz_fail")), 2, RecordGroup::Reserved)));
        assert!(queue.take_lost().is_empty());
        queue.close();
        assert_eq!(push(&queue, RecordGroup::Reserved, 1), 0);
        assert!(queue.wait().last);
    }

    #[test]
    fn held_records_still_count_toward_the_limit() {
        let queue = queue();
        assert_eq!(push(&queue, RecordGroup::Unauthenticated, 3), 3);
        let taken = queue.wait().entries;
        assert_eq!(push(&queue, RecordGroup::Unauthenticated, 1), 0, "they are not written yet");
        queue.finish_writing(taken);
        assert_eq!(push(&queue, RecordGroup::Unauthenticated, 1), 0, "they are held");
        assert_eq!(queue.take_held().len(), 3);
        queue.finish_writing([]);
        assert_eq!(push(&queue, RecordGroup::Unauthenticated, 1), 1);
    }

    #[test]
    fn lost_summary_counts_the_records_that_it_reports() {
        let queue = Queue::new(QueueLimits { reserved: 0, user: 0, unauthenticated: 0 });
        let summary = Record { suppressed: 40, ..Record::new(Code::LogSuppressed) };
        assert!(!queue.push(summary, RecordGroup::Unauthenticated, Now::default()));
        assert_eq!(queue.lost(), 40);
    }
}
