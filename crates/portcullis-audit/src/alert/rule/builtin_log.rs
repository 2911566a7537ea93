//! The rule for the security log itself: A13.
//! Never: a condition that clients can cause.

use portcullis_model::Code;

use super::builtin::{MINUTE_S, gauge, rule};
use super::condition::Condition;
use super::rules::{Cause, Rule, Trigger};
use crate::alert::input::key::KeyKind;
use crate::alert::input::note::Flag;
use crate::alert::notification::AlertSeverity::{Critical, High};
use crate::record::fields::Outcome;

/// The log cannot be written, is slow, or lacks records.
pub(super) fn log() -> Rule {
    let any = Condition::any;
    let failed = |code| any(code).outcome(Outcome::Failure);
    let down = vec![
        failed(Code::SysMonitorDisabled).rule("security_log").not_reason("sync"),
        failed(Code::DiskSlow),
    ];
    let up = vec![
        any(Code::SysMonitorEnabled).rule("security_log"),
        any(Code::DiskSlow).outcome(Outcome::Success),
    ];
    let touched = vec![
        any(Code::LogReplaced),
        any(Code::LogTruncated),
        failed(Code::SysMonitorDisabled).rule("security_log").reason("sync"),
        any(Code::LogLost).flag(Flag::Reserved),
    ];
    // Files removed for space before their age; the end of a line lost in a crash.
    let shortened = vec![Condition::warning(Code::LogRemoved), any(Code::LogTorn)];
    rule(
        "A13",
        "The security log is in danger",
        Cause::Service,
        vec![
            gauge(Critical, down, up).of("the security log cannot be written, or is slow"),
            gauge(
                Critical,
                vec![failed(Code::SysMonitorDisabled).rule("syslog")],
                vec![any(Code::SysMonitorEnabled).rule("syslog")],
            )
            .of("the syslog server is not connected"),
            Trigger::count(KeyKind::Code, 1, MINUTE_S, Critical, touched)
                .of("logs that were replaced or truncated, or lost records of operations"),
            Trigger::count(KeyKind::Code, 1, MINUTE_S, High, shortened)
                .of("files removed for space before their age, or lines that a crash cut"),
        ],
    )
}
