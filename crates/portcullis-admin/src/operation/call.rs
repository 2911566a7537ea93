//! The caller of an operation, and the checks and the record of a change.
//! Never: a change without a reason and a record.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Permit, User};
use portcullis_model::limits::REASON_CHARS;
use portcullis_model::{Code, ConnectionId, Denial, Now, UserId};
use portcullis_server::{Context, Services};

/// The time after which a change ends when the payload names none, in seconds.
const DEFAULT_DURATION_S: u64 = 3_600;
/// Longest duration of a change: 30 days, in seconds.
const DURATION_MAX_S: u64 = 30 * 24 * 3_600;

/// The caller of an operation.
#[derive(Debug, Clone)]
pub(crate) enum Actor {
    /// An administrator or auditor in `/admin`.
    User {
        user: Arc<User>,
        client: IpAddr,
        connection: ConnectionId,
        /// The time since the login, in seconds, if the token says it.
        login_age_s: Option<i64>,
    },
    /// The operator at the machine, with the key of the data directory.
    Operator,
}

/// One call of an operation.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) actor: Actor,
    pub(crate) services: Arc<Services>,
    pub(crate) now: Now,
}

impl Call {
    /// The call of a permitted event.
    pub(crate) fn of_user<O>(permit: &Permit<O>, context: &Context) -> Self {
        let actor = Actor::User {
            user: Arc::clone(permit.user()),
            client: context.client,
            connection: context.connection,
            login_age_s: permit.login_age_s(),
        };
        Self { actor, services: Arc::clone(context.services()), now: context.now }
    }

    /// The call of an operator at the machine.
    pub(crate) fn of_operator(services: Arc<Services>) -> Self {
        let now = services.clock.now();
        Self { actor: Actor::Operator, services, now }
    }

    /// The name of the caller in answers and alerts.
    pub(crate) fn by(&self) -> String {
        match &self.actor {
            Actor::User { user, .. } => user.name().to_string(),
            Actor::Operator => String::from("operator"),
        }
    }

    /// Checks the age of the login, for operations whose greatest age depends on the payload.
    /// The operator at the machine needs none.
    pub(crate) fn check_login_age(&self, max_age_s: i64) -> Result<(), Denial> {
        match &self.actor {
            Actor::Operator => Ok(()),
            Actor::User { login_age_s: Some(age_s), .. } if *age_s <= max_age_s => Ok(()),
            Actor::User { .. } => Err(Denial::ReauthRequired),
        }
    }

    /// Finds the user that a payload names by id.
    pub(crate) fn find_user(&self, id: &str) -> Result<Arc<User>, Denial> {
        let id = UserId::parse(id).map_err(|_| unknown_user())?;
        self.services.directory.user(&id).ok_or_else(unknown_user)
    }

    /// Finds a user by id, or by the whole name, regardless of case.
    ///
    /// It reads all users, which takes milliseconds: do not call it on the thread of a shard.
    pub(crate) fn find_user_by_name(&self, id_or_name: &str) -> Result<UserId, Denial> {
        if let Ok(user) = self.find_user(id_or_name) {
            return Ok(user.id.clone());
        }
        let (directory, name) = (&self.services.directory, id_or_name.to_lowercase());
        let users = directory.user_ids().into_iter().filter_map(|id| directory.user(&id));
        let mut named = users.filter(|user| user.name().to_lowercase() == name);
        match (named.next(), named.next()) {
            (Some(only), None) => Ok(only.id.clone()),
            (Some(_), Some(_)) => {
                let why = "several users have this name: write the id, which admin:users shows";
                Err(Denial::app("user_ambiguous", why))
            }
            (None, _) => Err(unknown_user()),
        }
    }

    /// Records an operation that changed something, with its reason. Such records count for A14.
    pub(crate) fn record(&self, event: &'static str, reason: &str, more: impl FnOnce(&mut Record)) {
        let mut record = self.change_record(event, reason);
        more(&mut record);
        self.services.audit.record(record, self.now);
    }

    /// The record of an operation that changes something.
    pub(crate) fn change_record(&self, event: &'static str, reason: &str) -> Record {
        let mut record = Record::new(Code::AuthzAdmin);
        record.outcome = Outcome::Success;
        self.describe(&mut record);
        record.event = Some(String::from(event));
        record.labels.push(("stated_reason", String::from(reason)));
        record
    }

    /// Adds the caller to a record.
    pub(crate) fn describe(&self, record: &mut Record) {
        match &self.actor {
            Actor::User { user, client, connection, .. } => {
                record.client = Some(*client);
                record.connection = Some(*connection);
                record.user = Some(user.id.clone());
                record.user_name = Some(user.name().to_string());
            }
            Actor::Operator => record.reason = "operator",
        }
    }
}

/// The denial for an id that no user has.
pub(crate) fn unknown_user() -> Denial {
    Denial::app("user_unknown", "no user has this id")
}

/// Checks the reason of a change.
pub(crate) fn check_reason(reason: &str) -> Result<(), Denial> {
    let is_visible = !reason.chars().any(char::is_control);
    if REASON_CHARS.contains(&reason.trim().chars().count()) && is_visible {
        return Ok(());
    }
    Err(Denial::app("reason_invalid", "write a reason of 3 to 200 characters, on one line"))
}

/// The end of a change, in milliseconds since 1970: an hour from now, unless the payload names
/// another duration up to the maximum.
pub(crate) fn end_unix_ms(duration_s: Option<u64>, max_s: u64, now: Now) -> Result<i64, Denial> {
    let duration_s = duration_s.unwrap_or(DEFAULT_DURATION_S);
    let max_s = max_s.min(DURATION_MAX_S);
    if duration_s == 0 || duration_s > max_s {
        let why = format!("duration_s must be from 1 to {max_s}");
        return Err(Denial::app("duration_invalid", why));
    }
    Ok(now.unix_ms.saturating_add(i64::try_from(duration_s).unwrap_or(i64::MAX / 1_000) * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_needs_three_to_two_hundred_characters_on_one_line() {
        let long = "x".repeat(201);
        for (reason, expect) in [
            ("", false),
            ("no", false),
            ("  a  ", false),
            ("why", true),
            ("\u{e9}t\u{e9}", true),
            ("two\nlines", false),
            (long.as_str(), false),
            (long.get(1..).unwrap(), true),
        ] {
            assert_eq!(check_reason(reason).is_ok(), expect, "{reason:?}");
        }
    }

    #[test]
    fn change_ends_after_an_hour_or_the_named_time() {
        let now = Now { monotonic_ms: 0, unix_ms: 1_000 };
        let day = 24 * 3_600;
        for (duration_s, max_s, expect) in [
            (None, day, Some(3_601_000)),
            (Some(60), day, Some(61_000)),
            (Some(0), day, None),
            (Some(day + 1), day, None),
            (Some(31 * day), u64::MAX, None),
            (Some(u64::MAX), u64::MAX, None),
        ] {
            assert_eq!(end_unix_ms(duration_s, max_s, now).ok(), expect, "{duration_s:?}");
        }
    }
}
