//! What was done to people beside this server, as records: by its command line, or in the database.
//! Never: silent; who can write there can make themselves administrator.

use portcullis_audit::{Audit, Outcome, Record, utc};
use portcullis_guard::{User, UserFacts};
use portcullis_model::{Code, Now, Role, Severity};
use portcullis_store::{OperatorAction, OperatorActionKind};

/// Records what an operator did at the command line.
pub(crate) fn record_act(audit: &Audit, act: &OperatorAction, now: Now) {
    let code = match act.kind {
        OperatorActionKind::Roles => Code::PrivilegePermissionsChanged,
        OperatorActionKind::Status | OperatorActionKind::Invitation => Code::AuthzAdmin,
        OperatorActionKind::Factors => Code::AuthnPasswordChange,
        OperatorActionKind::Session => Code::AuthnTokenRevoked,
        OperatorActionKind::LoginLink => Code::AuthnTokenCreated,
        OperatorActionKind::Opened => Code::SessionCreated,
        OperatorActionKind::Keys => Code::KeyRotated,
    };
    let mut record = Record::new(code);
    record.severity = Severity::Warning;
    record.outcome = Outcome::Success;
    record.reason = "operator";
    record.target = act.user.clone();
    record.detail = Some(format!("{} at {}", act.detail, utc(act.at_unix_ms)));
    audit.record(record, now);
}

/// Records that somebody keeps order now who did not, whoever wrote it into the database.
pub(crate) fn record_gain(audit: &Audit, known: &User, facts: &UserFacts, now: Now) {
    let gained = |role| facts.roles.contains(role) && !known.roles().contains(role);
    let what = match (gained(Role::Admin), gained(Role::Moderator)) {
        (true, _) => "an administrator now",
        (false, true) => "a moderator now",
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
