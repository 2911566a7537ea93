//! What weakens a promise, logged and recorded at the start.
//! Never: a weakened promise that leaves no record.

use portcullis_audit::{Audit, Outcome, Record};
use portcullis_model::{Code, Now};

/// Records each weakened promise.
pub(crate) fn record(weakened: &[&'static str], audit: &Audit, now: Now) {
    for words in weakened {
        tracing::warn!(danger = words, "a promise is weakened");
        let mut record = Record::new(Code::SysStartup);
        record.rule = "danger";
        record.outcome = Outcome::Success;
        record.detail = Some(String::from(*words));
        audit.record(record, now);
    }
}
