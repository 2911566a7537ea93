//! Sorts a record by the party that caused it: this server, a signed-in user, anybody else.
//! Never: by severity; a client can cause a severe record.

use portcullis_model::{Code, CodeClass};

use crate::record::fields::{Outcome, Record};

/// Which queue a record waits in, and which budget it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Operations that took effect, and faults of the server itself.
    Reserved,
    /// Routine events and rejected requests of signed-in users.
    User,
    /// Rejected requests of unauthenticated clients.
    Unauthenticated,
}

impl Lane {
    pub(crate) const ALL: [Self; 3] = [Self::Reserved, Self::User, Self::Unauthenticated];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Reserved => 0,
            Self::User => 1,
            Self::Unauthenticated => 2,
        }
    }

    /// The lane of a record.
    pub(crate) fn of(record: &Record) -> Self {
        let failure = record.outcome == Outcome::Failure;
        match record.code.class() {
            CodeClass::Operation => Self::Reserved,
            // Each rejected request of an overloaded server makes one.
            CodeClass::Service if failure && is_of_request(record) => Self::of_party(record),
            CodeClass::Service => Self::Reserved,
            CodeClass::Traffic if failure => Self::of_party(record),
            CodeClass::Traffic => Self::User,
            CodeClass::Rejection => Self::of_party(record),
        }
    }

    fn of_party(record: &Record) -> Self {
        if record.user.is_some() { Self::User } else { Self::Unauthenticated }
    }
}

/// Whether a client's request is what made the record.
fn is_of_request(record: &Record) -> bool {
    record.code == Code::SysOverload && record.client.is_some()
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Severity, UserId};

    use super::*;

    #[test]
    fn lane_follows_the_party_and_not_the_severity() {
        let failure = Outcome::Failure;
        let cases = [
            (Code::MaliciousCsrf, failure, None, Lane::Unauthenticated),
            (Code::AuthnLoginFail, failure, None, Lane::Unauthenticated),
            (Code::SysOverload, failure, None, Lane::Unauthenticated),
            (Code::SysOverload, failure, Some("u1"), Lane::User),
            (Code::AuthzFail, failure, Some("u1"), Lane::User),
            (Code::WsConnected, Outcome::Success, Some("u1"), Lane::User),
            (Code::WsDisconnected, Outcome::Unknown, Some("u1"), Lane::User),
            (Code::WsDisconnected, failure, None, Lane::Unauthenticated),
            (Code::AuthnLoginSuccess, Outcome::Success, Some("u1"), Lane::Reserved),
            (Code::AuthzAdmin, Outcome::Success, Some("u1"), Lane::Reserved),
            (Code::SysCrash, failure, None, Lane::Reserved),
            (Code::CryptDecryptFail, failure, None, Lane::Reserved),
            (Code::LogLost, failure, None, Lane::Reserved),
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
                assert_eq!(Lane::of(&record), expect, "{code:?}");
            }
        }
        let accept = Record { outcome: failure, ..Record::new(Code::SysOverload) };
        assert_eq!(Lane::of(&accept), Lane::Reserved, "no client caused it");
    }
}
