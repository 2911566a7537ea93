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
        OperatorActionKind::Status | OperatorActionKind::Invitation | OperatorActionKind::Block => {
            Code::AuthzAdmin
        }
        OperatorActionKind::Factors => Code::AuthnPasswordChange,
        OperatorActionKind::Session => Code::AuthnTokenRevoked,
        OperatorActionKind::LoginLink => Code::AuthnTokenCreated,
        OperatorActionKind::Opened => Code::SessionCreated,
        OperatorActionKind::Keys => Code::KeyRotated,
        OperatorActionKind::LogErased => Code::LogErased,
        OperatorActionKind::Backup => Code::BackupCreated,
        OperatorActionKind::Restored => Code::BackupRestored,
    };
    let mut record = Record::new(code);
    if act.kind != OperatorActionKind::Backup {
        record.severity = Severity::Warning;
    }
    record.outcome = Outcome::Success;
    record.reason = "operator";
    record.target = act.user.clone();
    if act.kind == OperatorActionKind::LogErased {
        record.labels = erased_lines(&act.detail);
    }
    let detail = match act.kind {
        // A network and a reason can identify a person, so they are labels.
        OperatorActionKind::Block => {
            let (words, labels) = block_labels(&act.detail);
            record.rule = "block";
            record.labels = labels;
            words
        }
        OperatorActionKind::Roles
        | OperatorActionKind::Status
        | OperatorActionKind::Factors
        | OperatorActionKind::Session
        | OperatorActionKind::Opened
        | OperatorActionKind::Invitation
        | OperatorActionKind::LoginLink
        | OperatorActionKind::Keys
        | OperatorActionKind::LogErased
        | OperatorActionKind::Backup
        | OperatorActionKind::Restored => act.detail.clone(),
    };
    record.detail = Some(format!("{detail} at {}", utc(act.at_unix_ms)));
    audit.record(record, now);
}

/// The message and the labels for `blocked NETWORK all for 60 s: REASON, by OPERATOR`.
fn block_labels(detail: &str) -> (String, Vec<(&'static str, String)>) {
    let (text, by) = detail.rsplit_once(", by ").unwrap_or((detail, "an operator"));
    let (facts, reason) = text.split_once(": ").unwrap_or((text, ""));
    let mut words = facts.split(' ');
    let (operation, network) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let more: String = words.flat_map(|word| [" ", word]).collect();
    let mut labels = vec![("address", String::from(network))];
    if !reason.is_empty() {
        labels.push(("stated_reason", String::from(reason)));
    }
    (format!("network {operation}{more}, by {by}"), labels)
}

/// The numbers in `lines 1 to 7: 3 erased …`, for the verification of the log.
fn erased_lines(detail: &str) -> Vec<(&'static str, String)> {
    let mut numbers = detail.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty());
    ["first", "last", "count"]
        .into_iter()
        .filter_map(|name| numbers.next().map(|number| (name, String::from(number))))
        .collect()
}

/// Records that a user has become an administrator, moderator or auditor, in any process.
pub(crate) fn record_new_roles(audit: &Audit, known: &User, facts: &UserFacts, now: Now) {
    let gained = |role| facts.roles.contains(role) && !known.roles().contains(role);
    let what = match (gained(Role::Admin), gained(Role::Moderator), gained(Role::Auditor)) {
        (true, _, _) => "the user is an administrator now",
        (false, true, _) => "the user is a moderator now",
        (false, false, true) => "the user is an auditor now",
        (false, false, false) => return,
    };
    let mut record = Record::new(Code::PrivilegePermissionsChanged);
    record.outcome = Outcome::Success;
    record.reason = "beside_server";
    record.target = Some(facts.id.clone());
    record.target_name = Some(facts.name.clone());
    record.detail = Some(String::from(what));
    audit.record(record, now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_and_reason_of_a_block_are_labels() {
        let by = ", by uid 0 at the command line";
        let cases = [
            (
                "blocked 2001:db8::/48 all for 60 s: a: b, by me",
                "network blocked all for 60 s",
                vec![("address", "2001:db8::/48"), ("stated_reason", "a: b, by me")],
            ),
            ("unblocked 203.0.113.0/24", "network unblocked", vec![("address", "203.0.113.0/24")]),
        ];
        for (detail, words, labels) in cases {
            let (found, found_labels) = block_labels(&format!("{detail}{by}"));
            assert_eq!(found, format!("{words}{by}"));
            let labels: Vec<_> =
                labels.into_iter().map(|(name, value)| (name, String::from(value))).collect();
            assert_eq!(found_labels, labels);
        }
    }
}
