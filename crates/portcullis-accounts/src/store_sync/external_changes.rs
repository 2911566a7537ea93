//! Records changes of users that another process made: the command line, or SQL in the database.
//! Never: unrecorded; a process that can write there can create an administrator.

use portcullis_audit::{Audit, Outcome, Record, utc};
use portcullis_guard::{User, UserFacts};
use portcullis_model::{Code, Now, Role, Severity};
use portcullis_store::{OperatorAction, OperatorActionKind};

/// Records a change that an operator made at the command line.
pub(crate) fn record_operator_change(audit: &Audit, act: &OperatorAction, now: Now) {
    let code = match act.kind {
        OperatorActionKind::Roles => Code::PrivilegePermissionsChanged,
        OperatorActionKind::Status | OperatorActionKind::Invitation => Code::AuthzAdmin,
        OperatorActionKind::Factors => Code::AuthnPasswordChange,
        OperatorActionKind::Session => Code::AuthnTokenRevoked,
        OperatorActionKind::LoginLink => Code::AuthnTokenCreated,
        OperatorActionKind::Opened => Code::SessionCreated,
        OperatorActionKind::Keys => Code::KeyRotated,
        OperatorActionKind::LogErased => Code::LogErased,
    };
    let mut record = Record::new(code);
    record.severity = Severity::Warning;
    record.outcome = Outcome::Success;
    record.reason = "operator";
    record.target = act.user.clone();
    if act.kind == OperatorActionKind::LogErased {
        record.labels = erased_lines(&act.detail);
    }
    record.detail = Some(format!("{} at {}", act.detail, utc(act.at_unix_ms)));
    audit.record(record, now);
}

/// The numbers in `lines 1 to 7: 3 erased …`, for the verification of the log.
fn erased_lines(detail: &str) -> Vec<(&'static str, String)> {
    let mut numbers = detail.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty());
    ["first", "last", "count"]
        .into_iter()
        .filter_map(|name| numbers.next().map(|number| (name, String::from(number))))
        .collect()
}

/// Records that a user has become an administrator or moderator, whatever process stored it.
pub(crate) fn record_new_roles(audit: &Audit, known: &User, facts: &UserFacts, now: Now) {
    let gained = |role| facts.roles.contains(role) && !known.roles().contains(role);
    let what = match (gained(Role::Admin), gained(Role::Moderator)) {
        (true, _) => "the user is an administrator now",
        (false, true) => "the user is a moderator now",
        (false, false) => return,
    };
    let mut record = Record::new(Code::PrivilegePermissionsChanged);
    record.outcome = Outcome::Success;
    record.reason = "beside_server";
    record.target = Some(facts.id.clone());
    record.target_name = Some(facts.name.clone());
    record.detail = Some(String::from(what));
    audit.record(record, now);
}
