//! The records that the log makes about itself: faults, rotation, changes by other programs.
//! Never: a record about a client.

use portcullis_model::{Code, Severity};

use crate::record::fields::{Outcome, Record};
use crate::record::kind::{Kind, KindTotal};

/// The rule of records about the log's file and disk.
const RULE: &str = "security_log";
/// The rule of records about forwarding.
const SYSLOG_RULE: &str = "syslog";

/// The file cannot be written; records wait in memory.
pub(crate) fn file_failed(state: &'static str, error: &std::io::Error) -> Record {
    Record {
        detail: Some(format!("the file cannot be written: {error}")),
        ..file_event(Code::SysMonitorDisabled, Outcome::Failure, state)
    }
}

/// The file can be written again after a fault.
pub(crate) fn file_recovered(state: &'static str) -> Record {
    let detail = "the file can be written again; the queued records follow";
    Record {
        detail: Some(String::from(detail)),
        ..file_event(Code::SysMonitorEnabled, Outcome::Success, state)
    }
}

/// A sync failed: the newest lines may be lost when the machine stops.
pub(crate) fn sync_failed() -> Record {
    Record {
        detail: Some(String::from("the disk did not confirm the newest lines")),
        ..file_event(Code::SysMonitorDisabled, Outcome::Failure, "sync")
    }
}

/// A sync takes longer than expected.
pub(crate) fn disk_slow(elapsed_ms: u64) -> Record {
    Record {
        detail: Some(format!("a sync has taken {elapsed_ms} ms and has not finished")),
        ..file_event(Code::DiskSlow, Outcome::Failure, "")
    }
}

/// The slow sync has finished.
pub(crate) fn disk_recovered() -> Record {
    Record {
        severity: Severity::Info,
        detail: Some(String::from("the sync has finished")),
        ..file_event(Code::DiskSlow, Outcome::Success, "")
    }
}

/// The syslog server has not been connected for a while.
pub(crate) fn syslog_down(error: &str) -> Record {
    Record {
        rule: SYSLOG_RULE,
        detail: Some(format!("no connection to the syslog server: {error}; the lines wait")),
        ..event(Code::SysMonitorDisabled, Outcome::Failure, "down", None)
    }
}

/// The syslog server is connected again.
pub(crate) fn syslog_up() -> Record {
    let detail = "the syslog server is connected again; all waiting lines were sent";
    Record {
        rule: SYSLOG_RULE,
        detail: Some(String::from(detail)),
        ..event(Code::SysMonitorEnabled, Outcome::Success, "up", None)
    }
}

/// The log closed its file and continues in a new one.
pub(crate) fn file_rotated(reason: &'static str, detail: String) -> Record {
    event(Code::LogRotated, Outcome::Success, reason, Some(detail))
}

/// The log works, also when nothing happens.
pub(crate) fn heartbeat() -> Record {
    event(Code::LogHeartbeat, Outcome::Success, "", None)
}

/// Another program changed the file.
pub(crate) fn file_replaced(reason: &'static str, detail: String) -> Record {
    event(Code::LogReplaced, Outcome::Failure, reason, Some(detail))
}

/// The retention rules removed a closed file.
pub(crate) fn file_removed(reason: &'static str, severity: Severity, detail: String) -> Record {
    Record {
        rule: "retention",
        severity,
        ..event(Code::LogRemoved, Outcome::Success, reason, Some(detail))
    }
}

/// The server erases personal parts of old lines; written before it does.
pub(crate) fn personal_parts_expired(name: &str, (first, last): (u64, u64), count: u64) -> Record {
    let detail = format!("personal parts older than audit.personal_days are erased in {name}");
    let mut record = event(Code::LogErased, Outcome::Success, "age", Some(detail));
    (record.rule, record.severity) = ("retention", Severity::Info);
    for (label, number) in [("first", first), ("last", last), ("count", count)] {
        record.labels.push((label, number.to_string()));
    }
    record
}

/// Standard output did not take some lines.
pub(crate) fn stdout_lost(lines: u64) -> Record {
    Record { suppressed: lines, ..event(Code::LogLost, Outcome::Failure, "stdout", None) }
}

/// Counts the records of one kind that sampling suppressed.
pub(crate) fn records_suppressed(kind: Kind, total: KindTotal) -> Record {
    unwritten(Code::LogSuppressed, "sampled", kind, total)
}

/// Counts the records of one kind that their full queue rejected.
pub(crate) fn records_lost(kind: Kind, total: KindTotal) -> Record {
    unwritten(Code::LogLost, "queue_full", kind, total)
}

fn unwritten(code: Code, reason: &'static str, (event, rule): Kind, total: KindTotal) -> Record {
    Record {
        outcome: Outcome::Failure,
        rule,
        reason,
        event: Some(String::from(event.name())),
        severity: total.severity,
        suppressed: total.count,
        ..Record::new(code)
    }
}

fn file_event(code: Code, outcome: Outcome, reason: &'static str) -> Record {
    Record { rule: RULE, ..event(code, outcome, reason, None) }
}

fn event(code: Code, outcome: Outcome, reason: &'static str, detail: Option<String>) -> Record {
    Record { outcome, reason, detail, ..Record::new(code) }
}
