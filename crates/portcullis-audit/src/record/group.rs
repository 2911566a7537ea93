//! Assigns a record to a group by its cause: the server, a user, an unauthenticated client.
//! Never: by severity; a client can cause a severe record.

use portcullis_model::{Code, CodeClass};

use crate::record::fields::{Outcome, Record};

/// The group of a record: selects its queue and its sampling budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RecordGroup {
    /// Operations that took effect, and faults of the server itself.
    Reserved,
    /// Routine events and rejected requests of signed-in users.
    User,
    /// Rejected requests of unauthenticated clients.
    Unauthenticated,
}

impl RecordGroup {
    pub(crate) const ALL: [Self; 3] = [Self::Reserved, Self::User, Self::Unauthenticated];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Reserved => 0,
            Self::User => 1,
            Self::Unauthenticated => 2,
        }
    }

    /// The group of a record.
    pub(crate) fn of(record: &Record) -> Self {
        let failure = record.outcome == Outcome::Failure;
        match record.code.class() {
            CodeClass::Operation => Self::Reserved,
            // An overloaded server makes such a record for each rejected request.
            CodeClass::Service if failure && is_client_overload(record) => Self::of_client(record),
            CodeClass::Service => Self::Reserved,
            CodeClass::Traffic if failure => Self::of_client(record),
            CodeClass::Traffic => Self::User,
            CodeClass::Rejection => Self::of_client(record),
        }
    }

    fn of_client(record: &Record) -> Self {
        if record.user.is_some() { Self::User } else { Self::Unauthenticated }
    }
}

/// Whether a client's request caused an overload record.
fn is_client_overload(record: &Record) -> bool {
    record.code == Code::SysOverload && record.client.is_some()
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Severity, UserId};

    use super::*;

    #[test]
    fn group_follows_the_cause_and_not_the_severity() {
        let failure = Outcome::Failure;
        let cases = [
            (Code::MaliciousCsrf, failure, None, RecordGroup::Unauthenticated),
            (Code::AuthnLoginFail, failure, None, RecordGroup::Unauthenticated),
            (Code::SysOverload, failure, None, RecordGroup::Unauthenticated),
            (Code::SysOverload, failure, Some("u1"), RecordGroup::User),
            (Code::AuthzFail, failure, Some("u1"), RecordGroup::User),
            (Code::WsConnected, Outcome::Success, Some("u1"), RecordGroup::User),
            (Code::WsDisconnected, Outcome::Unknown, Some("u1"), RecordGroup::User),
            (Code::WsDisconnected, failure, None, RecordGroup::Unauthenticated),
            (Code::AuthnLoginSuccess, Outcome::Success, Some("u1"), RecordGroup::Reserved),
            (Code::AuthzAdmin, Outcome::Success, Some("u1"), RecordGroup::Reserved),
            (Code::SysCrash, failure, None, RecordGroup::Reserved),
            (Code::CryptDecryptFail, failure, None, RecordGroup::Reserved),
            (Code::LogLost, failure, None, RecordGroup::Reserved),
        ];
        for (code, outcome, user, expect) in cases {
            for severity in [Severity::Info, Severity::Critical] {
                let record = Record {
                    outcome,
                    severity,
                    client: "192.0.2.1".parse().ok(),
                    user: user.and_then(|user| UserId::parse(user).ok()),
                    ..Record::new(code)
                };
                assert_eq!(RecordGroup::of(&record), expect, "{code:?}");
            }
        }
        let accept = Record { outcome: failure, ..Record::new(Code::SysOverload) };
        assert_eq!(RecordGroup::of(&accept), RecordGroup::Reserved, "no client caused it");
    }
}
