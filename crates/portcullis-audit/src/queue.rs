//! Bounded queues between the recording threads and the writer thread.
//! Never: blocks a recorder; a record that finds its lane full is counted by kind.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_model::{Code, Now, Severity};

use crate::record::fields::{Outcome, Record};
use crate::record::group::Lane;
use crate::sampling::budget::Kind;

/// The writer looks after the file this often when no record comes.
const IDLE: Duration = Duration::from_secs(1);

/// A record that waits, with its time.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    pub(crate) now: Now,
    pub(crate) lane: Lane,
}

/// What the writer is woken with.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    /// Records that came since: the reserved lane first, each lane in its order.
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) now: Now,
    /// Whether a whole second passed without a record.
    pub(crate) idle: bool,
    /// Whether the operator rotated the file (SIGHUP).
    pub(crate) reopen: bool,
    /// Whether nothing will come any more.
    pub(crate) last: bool,
}

/// Records of one kind that found their lane full.
#[derive(Debug)]
struct Lost {
    count: u64,
    severity: Severity,
}

#[derive(Debug, Default)]
struct Waiting {
    fresh: VecDeque<Entry>,
    /// Records the file did not take yet.
    held: VecDeque<Entry>,
    /// Records in the writer's hands.
    taken: usize,
}

impl Waiting {
    fn len(&self) -> usize {
        self.fresh.len() + self.held.len() + self.taken
    }
}

#[derive(Debug, Default)]
struct State {
    lanes: [Waiting; 3],
    /// As many as there are kinds: bounded by our own code.
    lost: HashMap<Kind, Lost>,
    lost_total: u64,
    now: Now,
    ticked: bool,
    reopen: bool,
    closed: bool,
    /// Whether the writer works on what it was woken with.
    busy: bool,
}

/// Most records of each lane, those the writer holds back included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneLimits {
    pub(crate) reserved: usize,
    pub(crate) user: usize,
    pub(crate) unauthenticated: usize,
}

/// The lanes. Worst-case memory: the sum of the limits times about 4 KiB, when all texts are as
/// long as they may be; 80 MiB with the defaults, and a fifth of it for usual records.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    idle: Condvar,
    limits: LaneLimits,
}

impl Queue {
    pub(crate) fn new(limits: LaneLimits) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), idle: Condvar::new(), limits }
    }

    /// Records that wait, and how many may.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let waiting = self.lock().lanes.iter().map(Waiting::len).sum();
        (waiting, Lane::ALL.into_iter().map(|lane| self.limits.of(lane)).sum())
    }

    /// Records that no lane had room for.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost_total
    }

    /// Puts a record in its lane; `false` when the lane is full or the log is closed.
    ///
    /// A record that finds the reserved lane full may still use the users' lane.
    pub(crate) fn push(&self, record: Record, lane: Lane, now: Now) -> bool {
        let mut state = self.lock();
        state.advance(now);
        let place = match lane {
            _ if state.closed => None,
            lane if state.has_room(lane, &self.limits) => Some(lane),
            Lane::Reserved if state.has_room(Lane::User, &self.limits) => Some(Lane::User),
            Lane::Reserved | Lane::User | Lane::Unauthenticated => None,
        };
        let Some(place) = place else {
            state.lose(&record);
            return false;
        };
        let entry = Entry { record, now, lane };
        if let Some(waiting) = state.lanes.get_mut(place.index()) {
            waiting.fresh.push_back(entry);
        }
        drop(state);
        self.wake.notify_one();
        true
    }

    /// Hands the time to the writer, so that it looks after the file.
    pub(crate) fn tick(&self, now: Now) {
        let mut state = self.lock();
        state.advance(now);
        state.ticked = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Tells the writer that the operator rotated the file.
    pub(crate) fn reopen(&self, now: Now) {
        let mut state = self.lock();
        state.advance(now);
        state.reopen = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Waits until there is something to do, and takes all records that came since.
    pub(crate) fn wait(&self) -> Woken {
        let mut state = self.lock();
        let mut idle = false;
        state.busy = false;
        self.idle.notify_all();
        while !state.has_work() && !idle {
            let waited = self.wake.wait_timeout(state, IDLE);
            let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            (state, idle) = (next, timeout.timed_out());
        }
        state.busy = true;
        let idle = idle | std::mem::take(&mut state.ticked);
        let reopen = std::mem::take(&mut state.reopen);
        let entries = state.take(|waiting| &mut waiting.fresh);
        Woken { entries, now: state.now, idle, reopen, last: state.closed }
    }

    /// Takes the records that were held back.
    pub(crate) fn take_held(&self) -> VecDeque<Entry> {
        self.lock().take(|waiting| &mut waiting.held)
    }

    /// Takes one record for each kind that lost some.
    pub(crate) fn take_lost(&self) -> VecDeque<Entry> {
        let mut state = self.lock();
        let now = state.now;
        let entry =
            |(kind, lost)| Entry { record: lost_record(kind, &lost), now, lane: Lane::Reserved };
        state.lost.drain().map(entry).collect()
    }

    /// What the writer took is written, but for `rest`, which is held back.
    pub(crate) fn settle(&self, rest: impl IntoIterator<Item = Entry>) {
        let mut state = self.lock();
        for waiting in &mut state.lanes {
            waiting.taken = 0;
        }
        for entry in rest {
            // As in `push`: what the reserved lane has no room for takes the users' lane.
            let lane = match entry.lane {
                Lane::Reserved if !state.has_room(Lane::Reserved, &self.limits) => Lane::User,
                lane @ (Lane::Reserved | Lane::User | Lane::Unauthenticated) => lane,
            };
            if let Some(waiting) = state.lanes.get_mut(lane.index()) {
                waiting.held.push_back(entry);
            }
        }
    }

    /// Waits until the writer has done all there is to do.
    #[cfg(test)]
    pub(crate) fn wait_idle(&self) {
        let works = |state: &mut State| state.busy || state.has_work();
        drop(self.idle.wait_while(self.lock(), works));
    }

    /// The time of the last record or tick.
    pub(crate) fn now(&self) -> Now {
        self.lock().now
    }

    /// Lets nothing more in; what waits is still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaneLimits {
    fn of(&self, lane: Lane) -> usize {
        match lane {
            Lane::Reserved => self.reserved,
            Lane::User => self.user,
            Lane::Unauthenticated => self.unauthenticated,
        }
    }
}

impl State {
    fn advance(&mut self, now: Now) {
        if now.monotonic_ms >= self.now.monotonic_ms {
            self.now = now;
        }
    }

    fn has_work(&self) -> bool {
        self.closed
            || self.ticked
            || self.reopen
            || self.lanes.iter().any(|waiting| !waiting.fresh.is_empty())
    }

    fn has_room(&self, lane: Lane, limits: &LaneLimits) -> bool {
        self.lanes.get(lane.index()).is_some_and(|waiting| waiting.len() < limits.of(lane))
    }

    fn take(&mut self, from: impl Fn(&mut Waiting) -> &mut VecDeque<Entry>) -> VecDeque<Entry> {
        let mut entries = VecDeque::new();
        for waiting in &mut self.lanes {
            let mut taken = std::mem::take(from(waiting));
            waiting.taken += taken.len();
            if entries.is_empty() {
                entries = taken;
            } else {
                entries.append(&mut taken);
            }
        }
        entries
    }

    /// Counts a record that is not written, with those it stands for.
    fn lose(&mut self, record: &Record) {
        let stands_for_others = matches!(record.code, Code::LogSuppressed | Code::LogLost);
        let count = if stands_for_others { record.suppressed } else { 1 };
        self.lost_total += count;
        let kind = (record.code, record.rule);
        let lost = self.lost.entry(kind).or_insert(Lost { count: 0, severity: record.severity });
        lost.count += count;
        lost.severity = lost.severity.max(record.severity);
    }
}

fn lost_record((code, rule): Kind, lost: &Lost) -> Record {
    Record {
        outcome: Outcome::Failure,
        rule,
        reason: "queue_full",
        event: Some(String::from(code.name())),
        severity: lost.severity,
        suppressed: lost.count,
        ..Record::new(Code::LogLost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(LaneLimits { reserved: 2, user: 3, unauthenticated: 3 })
    }

    fn push(queue: &Queue, lane: Lane, count: usize) -> usize {
        let code = match lane {
            Lane::Reserved => Code::AuthzAdmin,
            Lane::User => Code::AuthzFail,
            Lane::Unauthenticated => Code::MaliciousCsrf,
        };
        (0..count).filter(|_| queue.push(Record::new(code), lane, Now::default())).count()
    }

    #[test]
    fn full_lane_leaves_room_in_the_others_and_counts_its_losses() {
        let queue = queue();
        assert_eq!(push(&queue, Lane::Unauthenticated, 10), 3);
        assert_eq!(push(&queue, Lane::Reserved, 3), 3, "one waits among the users'");
        assert_eq!(push(&queue, Lane::User, 4), 2);
        assert_eq!((queue.waiting(), queue.lost()), ((8, 8), 9));
        let woken = queue.wait();
        assert_eq!(woken.entries.len(), 8);
        let lost: Vec<_> = queue
            .take_lost()
            .into_iter()
            .map(|entry| (entry.record.event, entry.record.suppressed, entry.lane))
            .collect();
        assert_eq!(lost.len(), 2);
        assert!(lost.contains(&(Some(String::from("malicious_csrf")), 7, Lane::Reserved)));
        assert!(lost.contains(&(Some(String::from("authz_fail")), 2, Lane::Reserved)));
        assert!(queue.take_lost().is_empty());
        queue.close();
        assert_eq!(push(&queue, Lane::Reserved, 1), 0);
        assert!(queue.wait().last);
    }

    #[test]
    fn held_records_keep_their_place_in_the_lane() {
        let queue = queue();
        assert_eq!(push(&queue, Lane::Unauthenticated, 3), 3);
        let taken = queue.wait().entries;
        assert_eq!(push(&queue, Lane::Unauthenticated, 1), 0, "they are not written yet");
        queue.settle(taken);
        assert_eq!(push(&queue, Lane::Unauthenticated, 1), 0, "they are held");
        assert_eq!(queue.take_held().len(), 3);
        queue.settle([]);
        assert_eq!(push(&queue, Lane::Unauthenticated, 1), 1);
    }

    #[test]
    fn lost_summary_counts_as_the_records_it_stands_for() {
        let queue = Queue::new(LaneLimits { reserved: 0, user: 0, unauthenticated: 0 });
        let summary = Record { suppressed: 40, ..Record::new(Code::LogSuppressed) };
        assert!(!queue.push(summary, Lane::Unauthenticated, Now::default()));
        assert_eq!(queue.lost(), 40);
    }
}
