//! One rule and one key from the first threshold until half an hour after the last.
//! Never: more than five pieces of evidence, or texts of unbounded length.

use portcullis_model::Code;

use crate::alert::notification::{
    Acknowledgement, AlertKey, AlertSeverity, AlertState, Suggestion,
};

/// A resolved alert fires again under the same id within this time.
pub(crate) const REOPEN_MS: i64 = 30 * 60_000;
/// Records that are shown with an alert.
pub(crate) const EVIDENCE_MAX: usize = 5;

/// Whether the cause is there, and what ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It resolves when its threshold was not reached for a while.
    Open,
    /// It resolves when a record says so.
    Gauge,
    /// It was quiet since this time.
    Resolved(i64),
}

/// Thresholds of one rule, as bits in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ReachedThresholds(pub(crate) u32);

impl ReachedThresholds {
    /// Adds the threshold with this index; a rule has at most four.
    pub(crate) fn add(&mut self, index: usize) {
        self.0 |= 1 << index.min(31);
    }

    pub(crate) fn add_all(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(crate) fn has(self, index: usize) -> bool {
        index < 32 && self.0 & (1 << index) != 0
    }
}

/// Counts of an incident. Times are those of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) distinct: Option<(&'static str, u64)>,
    pub(crate) threshold: Option<(u64, u64)>,
    /// The thresholds of the rule that were reached since it fired, or fired again.
    pub(crate) reached: ReachedThresholds,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    /// The last time at which the threshold was reached.
    pub(crate) over_ms: i64,
    /// The first time of the alert that a storm counted.
    pub(crate) storm_ms: Option<i64>,
    /// The note that was counted last: two thresholds of a rule count it once.
    pub(crate) note: u64,
}

/// The last message of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LastMessage {
    pub(crate) state: Option<AlertState>,
    pub(crate) at_ms: i64,
    pub(crate) events: u64,
    pub(crate) severity: Option<AlertSeverity>,
    pub(crate) reopened: u32,
    /// The times of messages in the last hour; as many as an incident may send.
    pub(crate) times: Vec<i64>,
}

/// A record that belongs to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) code: Code,
    /// On the monotonic clock, to find its line.
    pub(crate) at_ms: u64,
    pub(crate) reference: Option<String>,
    pub(crate) sequence: Option<u64>,
}

/// An acknowledgement, and what the incident was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcknowledgedState {
    pub(crate) acknowledgement: Acknowledgement,
    pub(crate) events: u64,
    pub(crate) severity: AlertSeverity,
}

/// One rule and one key. At most about 1.5 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incident {
    pub(crate) id: String,
    pub(crate) rule: String,
    pub(crate) key: Option<AlertKey>,
    pub(crate) severity: AlertSeverity,
    pub(crate) phase: Phase,
    pub(crate) tally: Tally,
    pub(crate) reopened: u32,
    pub(crate) sent: LastMessage,
    pub(crate) acknowledged: Option<AcknowledgedState>,
    pub(crate) evidence: Vec<Proof>,
    pub(crate) suggest: Vec<Suggestion>,
}

impl Incident {
    /// Moves its times that are later to this one: the clock was set back since.
    pub(crate) fn limit_times(&mut self, at_ms: i64) {
        let (tally, sent) = (&mut self.tally, &mut self.sent);
        let times = [&mut tally.first_ms, &mut tally.last_ms, &mut tally.over_ms, &mut sent.at_ms];
        for time in times.into_iter().chain(&mut sent.times) {
            *time = at_ms.min(*time);
        }
        if let Phase::Resolved(since_ms) = &mut self.phase {
            *since_ms = at_ms.min(*since_ms);
        }
    }

    pub(crate) fn new(
        id: String,
        rule: &str,
        key: Option<AlertKey>,
        severity: AlertSeverity,
        at_ms: i64,
    ) -> Self {
        Self {
            id,
            rule: String::from(rule),
            key,
            severity,
            phase: Phase::Open,
            tally: Tally { first_ms: at_ms, last_ms: at_ms, over_ms: at_ms, ..Tally::default() },
            reopened: 0,
            sent: LastMessage::default(),
            acknowledged: None,
            evidence: Vec::new(),
            suggest: Vec::new(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        match self.phase {
            Phase::Open | Phase::Gauge => true,
            Phase::Resolved(_) => false,
        }
    }

    /// The threshold is reached, again or still.
    pub(crate) fn reach(&mut self, severity: AlertSeverity, at_ms: i64) {
        match self.phase {
            Phase::Open => self.severity = self.severity.max(severity),
            // A state has the severity of its newest record.
            Phase::Gauge => self.severity = severity,
            Phase::Resolved(_) => {
                self.phase = Phase::Open;
                self.reopened = self.reopened.saturating_add(1);
                self.severity = severity;
                self.acknowledged = None;
                self.evidence.clear();
                self.tally.reached = ReachedThresholds::default();
            }
        }
        self.tally.over_ms = at_ms;
        self.tally.last_ms = at_ms;
    }

    pub(crate) fn resolve(&mut self, at_ms: i64) {
        if self.is_open() {
            self.phase = Phase::Resolved(at_ms);
        }
    }

    /// Resolves it when it was quiet for long enough.
    pub(crate) fn settle(&mut self, at_ms: i64, resolve_after_ms: i64) {
        if self.phase == Phase::Open && at_ms - self.tally.over_ms >= resolve_after_ms {
            self.resolve(at_ms);
        }
    }

    /// Whether it is over and cannot be reopened, and all that had to be sent was.
    pub(crate) fn is_over(&self, at_ms: i64) -> bool {
        let Phase::Resolved(since_ms) = self.phase else { return false };
        let quiet_ms = at_ms - since_ms;
        let is_sent = matches!(self.sent.state, None | Some(AlertState::Resolved));
        quiet_ms > REOPEN_MS && (is_sent || quiet_ms > 24 * 60 * 60_000)
    }

    pub(crate) fn prove(&mut self, proof: Proof) {
        if self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(proof);
        }
    }
}
