//! One alert in one of its states, in the form for channels and administrators.
//! Never: text that is longer than a line; text of clients is marked as such by its field.

use portcullis_model::Reference;

/// The urgency of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AlertSeverity {
    /// For the record.
    #[default]
    Info,
    /// Check it during the day.
    Medium,
    /// Check it now, at any time of day.
    High,
    /// The service or its log is at risk: call a person.
    Critical,
}

impl AlertSeverity {
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Medium, Self::High, Self::Critical];

    /// The word used in alerts and in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The state of an alert in its life cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// The threshold was reached.
    Firing,
    /// It still is: 15 minutes later, ten times as often, or worse.
    Updated,
    /// It fires again soon after it was resolved.
    Reopened,
    /// It was reopened so often that only one message says so.
    Flapping,
    /// It was quiet for ten minutes.
    Resolved,
}

impl AlertState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Firing, Self::Updated, Self::Reopened, Self::Flapping, Self::Resolved];

    /// The word used in alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Updated => "updated",
            Self::Reopened => "reopened",
            Self::Flapping => "flapping",
            Self::Resolved => "resolved",
        }
    }

    /// Whether the cause is still there.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Firing | Self::Updated | Self::Reopened | Self::Flapping => true,
            Self::Resolved => false,
        }
    }
}

/// The key of a rule: the kind and value that it counts by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AlertKey {
    /// `user`, `name`, `prefix`, `origin`, `room`, `connection`, `code`, `sink`, `host`, …
    pub kind: &'static str,
    /// The value. A client may have chosen it: at most 64 characters, to be quoted and escaped.
    pub value: String,
}

/// A record that belongs to an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The number of its line, when it was written.
    pub sequence: Option<u64>,
    /// Its reference, which `portcullis why` explains, also when the record was only counted.
    pub reference: Option<Reference>,
}

/// An operation that would help, for an administrator to confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suggestion {
    /// Block an address range for some seconds.
    BlockAddress {
        /// In CIDR notation.
        prefix: String,
        /// For how long.
        duration_s: u64,
    },
    /// End all sessions of a user.
    EndSessions {
        /// The user's id.
        user: String,
    },
}

/// The acknowledgement of an alert by an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The administrator, by name.
    pub by: String,
    /// The note of the administrator.
    pub note: String,
    /// The time, in Unix milliseconds.
    pub unix_ms: i64,
}

/// The number and times of the events of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertCounts {
    /// Events since it fired first.
    pub events: u64,
    /// Different values seen, by name: `prefixes`, `names`, …
    pub distinct: Vec<(&'static str, u64)>,
    /// The threshold that was reached last: so many events, in a window of so many seconds.
    pub threshold: Option<(u64, u64)>,
    /// All thresholds of the rule, in their order; none where other parts of the server raise it.
    pub thresholds: Vec<AlertThreshold>,
    /// The time of the first event, in Unix milliseconds.
    pub first_unix_ms: i64,
    /// The time of the last event, in Unix milliseconds.
    pub last_unix_ms: i64,
    /// The number of times it was reopened.
    pub reopened: u32,
}

/// One threshold of the rule of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertThreshold {
    /// What it counts, or the state that it reports, in words.
    pub text: String,
    /// So many records in so many seconds; none for a threshold that does not count.
    pub count: Option<(u64, u64)>,
    /// The urgency of its alerts.
    pub severity: AlertSeverity,
    /// Whether it was reached since the alert fired, or fired again.
    pub reached: bool,
}

/// The origin of an alert, and its proof.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlertOrigin {
    /// The node, or "".
    pub node: String,
    /// Equal for equal rule and key, on all nodes and after restarts; 16 hexadecimal digits.
    pub fingerprint: String,
    /// Whether an operator asked for it, to test the channels.
    pub test: bool,
    /// The newest signed note of the log: a copy elsewhere proves later that lines are missing.
    pub note: Option<String>,
}

/// One alert in one of its states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Unique, sorts by time: `al_` and 26 characters. Equal in all states of one alert.
    pub id: String,
    /// The rule: `A1` to `A18`, `F1` to `F3`, `STORM`, or the name of one in the configuration.
    pub rule: String,
    /// The event in a few words, without text of clients.
    pub title: String,
    /// The urgency of the alert.
    pub severity: AlertSeverity,
    /// The state of the alert in its life cycle.
    pub state: AlertState,
    /// The key of the rule; none for rules that count everything.
    pub key: Option<AlertKey>,
    /// The number and times of its events.
    pub counts: AlertCounts,
    /// The acknowledgement by an administrator, if there is one.
    pub acknowledged: Option<Acknowledgement>,
    /// The keys that one alert stands for, most frequent first, when too many fired.
    pub group: Vec<(AlertKey, u64)>,
    /// Records that show the cause; at most five.
    pub evidence: Vec<Evidence>,
    /// Operations that would help.
    pub suggest: Vec<Suggestion>,
    /// Its origin.
    pub origin: AlertOrigin,
}
