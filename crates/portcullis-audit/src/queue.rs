//! Two bounded lanes between those who record and the one who writes.
//! Never: blocks a recorder; a full lane counts what it turns away.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use portcullis_model::{Code, Now, Severity};

use crate::record::{Outcome, Record};

/// What the writer takes in one go.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Critical records first, then the others, each in the order they came.
    pub(crate) records: VecDeque<(Record, Now)>,
    /// Whether nothing will come any more.
    pub(crate) last: bool,
}

/// Records of one kind that found no place.
#[derive(Debug)]
struct Missed {
    count: u64,
    severity: Severity,
}

#[derive(Debug, Default)]
struct Lanes {
    critical: VecDeque<(Record, Now)>,
    ordinary: VecDeque<(Record, Now)>,
    /// By code and rule, which are our own words: as many as there are kinds of refusals.
    turned_away: HashMap<(Code, &'static str), Missed>,
    latest: Now,
    closed: bool,
}

/// The lanes. Worst-case memory: the sum of both limits times about 4 KiB, when all texts are as
/// long as they may be; 40 MiB with the defaults, and a tenth of it for usual records.
#[derive(Debug)]
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
    wake: Condvar,
    ordinary_max: usize,
    critical_max: usize,
}

impl Queue {
    pub(crate) fn new(ordinary_max: usize, critical_max: usize) -> Self {
        Self { lanes: Mutex::default(), wake: Condvar::new(), ordinary_max, critical_max }
    }

    /// Records of both lanes that wait, and how many may.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let lanes = self.lock();
        let waiting = lanes.critical.len() + lanes.ordinary.len();
        (waiting, self.critical_max + self.ordinary_max)
    }

    /// Puts a record in its lane; `false` when the lane is full or the log is closed.
    ///
    /// A critical record that finds its own lane full may still use the ordinary one.
    pub(crate) fn push(&self, record: Record, now: Now) -> bool {
        let mut lanes = self.lock();
        lanes.latest = now;
        let closed = lanes.closed;
        let critical = record.severity == Severity::Critical;
        if !closed && critical && lanes.critical.len() < self.critical_max {
            lanes.critical.push_back((record, now));
        } else if !closed && lanes.ordinary.len() < self.ordinary_max {
            lanes.ordinary.push_back((record, now));
        } else {
            let missed = lanes
                .turned_away
                .entry((record.code, record.rule))
                .or_insert(Missed { count: 0, severity: record.severity });
            missed.count += 1;
            missed.severity = missed.severity.max(record.severity);
            return false;
        }
        drop(lanes);
        self.wake.notify_one();
        true
    }

    /// Waits until there is something, and takes all of it.
    pub(crate) fn take(&self) -> Taken {
        let mut lanes = self.lock();
        while lanes.is_empty() && !lanes.closed {
            lanes = self.wake.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
        let mut records = std::mem::take(&mut lanes.critical);
        records.append(&mut lanes.ordinary);
        let now = lanes.latest;
        for ((code, rule), missed) in lanes.turned_away.drain() {
            records.push_back((turned_away(code, rule, &missed), now));
        }
        Taken { records, last: lanes.closed }
    }

    /// The time of the last record.
    pub(crate) fn latest(&self) -> Now {
        self.lock().latest
    }

    /// Lets nothing more in; what waits is still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn is_empty(&self) -> bool {
        self.critical.is_empty() && self.ordinary.is_empty() && self.turned_away.is_empty()
    }
}

fn turned_away(code: Code, rule: &'static str, missed: &Missed) -> Record {
    Record {
        outcome: Outcome::Failure,
        rule,
        reason: "queue_full",
        event: Some(String::from(code.name())),
        suppressed: missed.count,
        severity: missed.severity,
        ..Record::new(Code::LogSuppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_warnings_leaves_room_for_what_is_critical() {
        let queue = Queue::new(3, 2);
        let push = |code| queue.push(Record::new(code), Now::default());
        let warnings = (0..10).filter(|_| push(Code::WsProtocolViolation)).count();
        assert_eq!(warnings, 3);
        let critical = (0..4).filter(|_| push(Code::SysMonitorDisabled)).count();
        assert_eq!(critical, 2);
        let taken = queue.take();
        let mut told: Vec<_> = taken
            .records
            .iter()
            .map(|(record, _)| (record.code.name(), record.event.as_deref(), record.suppressed))
            .collect();
        told[5..].sort_unstable();
        assert_eq!(
            told,
            [
                ("sys_monitor_disabled", None, 0),
                ("sys_monitor_disabled", None, 0),
                ("ws_protocol_violation", None, 0),
                ("ws_protocol_violation", None, 0),
                ("ws_protocol_violation", None, 0),
                ("log_suppressed", Some("sys_monitor_disabled"), 2),
                ("log_suppressed", Some("ws_protocol_violation"), 7),
            ]
        );
        assert!(push(Code::WsProtocolViolation), "there is room again");
        queue.close();
        assert!(!push(Code::SysCrash));
        assert!(queue.take().last);
    }
}
