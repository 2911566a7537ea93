//! The alert of a test.
//! Never: an alert of a rule.

use portcullis_audit::{Alert, AlertCounts, AlertOrigin, AlertSeverity, AlertState};
use portcullis_model::Now;

/// An alert that says that it is a test.
pub(crate) fn test_alert(id: &str, now: Now) -> Alert {
    let counts = AlertCounts {
        events: 1,
        first_unix_ms: now.unix_ms,
        last_unix_ms: now.unix_ms,
        ..AlertCounts::default()
    };
    Alert {
        id: format!("al_test_{id}"),
        rule: String::from("TEST"),
        title: String::from("Test of this channel"),
        severity: AlertSeverity::Info,
        state: AlertState::Firing,
        key: None,
        counts,
        acknowledged: None,
        group: Vec::new(),
        evidence: Vec::new(),
        suggest: Vec::new(),
        origin: AlertOrigin {
            fingerprint: String::from("0000000000000000"),
            test: true,
            ..AlertOrigin::default()
        },
    }
}
