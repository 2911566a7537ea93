//! Logs and records dangerous settings at the start.
//! Never: a dangerous setting without a record.

use portcullis_audit::{Audit, Outcome, Record};
use portcullis_model::{Code, Now};

/// Logs and records each dangerous setting.
pub(crate) fn record(dangers: &[&'static str], audit: &Audit, now: Now) {
    for text in dangers {
        tracing::warn!(danger = text, "a promise is weakened");
        let mut record = Record::new(Code::SysStartup);
        record.rule = "danger";
        record.outcome = Outcome::Success;
        record.detail = Some(String::from(*text));
        audit.record(record, now);
    }
}
