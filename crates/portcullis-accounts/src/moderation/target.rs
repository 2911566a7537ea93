//! The users that a moderator can act on, and the change of one.
//! Never: a user of the same or a higher rank; the denial does not tell whether a user exists.

use std::sync::Arc;

use portcullis_audit::Record;
use portcullis_guard::{Directory, Event, User, check_rank};
use portcullis_model::{Code, Denial, Roles, UserId};
use portcullis_server::{Context, Reply};

use super::change::{Moderation, ModerationError, Moderator};
use crate::accounts::Accounts;

/// Finds the user of an action, if `by` can act on them with the roles in force.
///
/// Administrators can act on all other users. Moderators can act on users who are neither
/// administrators nor moderators.
pub(crate) fn find(
    directory: &Directory,
    (by, roles): (&User, Roles),
    target: &UserId,
) -> Result<Arc<User>, Denial> {
    let found = directory.user(target).ok_or(Denial::Forbidden("missing"))?;
    if found.id == by.id {
        return Err(Denial::Forbidden("self"));
    }
    check_rank(roles, &found, false)?;
    Ok(found)
}

/// Makes a change that a moderator has requested.
///
/// The denial does not tell whether the user was deleted, as that of [`find`].
pub(crate) async fn change<E: Event>(
    accounts: &Accounts,
    context: &Context,
    (by, target): (&User, &User),
    what: Moderation,
    reason: Option<String>,
) -> Result<Reply, Denial> {
    let mut record = Record::new(Code::AuthzAdmin);
    record.client = Some(context.client);
    record.user = Some(by.id.clone());
    record.user_name = Some(by.name().to_string());
    record.connection = Some(context.connection);
    record.event = Some(String::from(E::NAME));
    record.labels.extend(reason.map(|reason| ("stated_reason", reason)));
    let moderator = Moderator {
        store: &*accounts.store,
        roles: &accounts.roles,
        services: context.services(),
        now: context.now,
    };
    match moderator.change(target, what, record).await {
        Ok(()) => Ok(Reply::ok()),
        Err(ModerationError::Missing) => Err(Denial::Forbidden("missing")),
        Err(ModerationError::LastAdmin) => Err(Denial::Forbidden("last_admin")),
        Err(ModerationError::Denied(denial)) => Err(denial),
    }
}

/// The end of a restriction that begins now; without a duration it has no end, 0 lifts it.
pub(crate) fn until(now_unix_ms: i64, duration_s: Option<u32>) -> i64 {
    match duration_s {
        None => portcullis_store::FOR_EVER_UNIX_MS,
        Some(0) => 0,
        Some(seconds) => now_unix_ms.saturating_add(i64::from(seconds) * 1000),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_guard::{DirectoryLimits, UserFacts};
    use portcullis_model::Role;

    use super::*;

    #[test]
    fn target_of_equal_or_higher_rank_is_rejected_like_a_missing_user() {
        let directory = Directory::new(DirectoryLimits::default());
        let user = Roles::user();
        let roles = [
            ("adam", user.with(Role::Admin)),
            ("aida", user.with(Role::Admin)),
            ("mod", user.with(Role::Moderator)),
            ("max", user.with(Role::Moderator)),
            ("sue", user.with(Role::Custom(0))),
            ("eve", user),
        ];
        let id = |name: &str| UserId::parse(name).unwrap();
        for (name, roles) in roles {
            let facts = UserFacts::new(id(name), String::from(name));
            directory.put_user(UserFacts { roles, ..facts });
        }
        let cases = [
            ("adam", "aida", true),
            ("adam", "adam", false),
            ("adam", "mod", true),
            ("adam", "gone", false),
            ("mod", "adam", false),
            ("mod", "max", false),
            ("mod", "mod", false),
            ("mod", "sue", true),
            ("mod", "eve", true),
            ("sue", "eve", true),
            ("sue", "mod", false),
        ];
        for (by, target, expect) in cases {
            let by = directory.user(&id(by)).unwrap();
            let outcome = find(&directory, (&by, by.roles()), &id(target));
            assert_eq!(outcome.is_ok(), expect, "{} {target}", by.id);
            if let Err(denial) = outcome {
                assert_eq!(denial.answer(), Denial::Forbidden("missing").answer());
            }
        }
    }

    #[test]
    fn restriction_lasts_from_now_on() {
        assert_eq!(until(5_000, Some(3)), 8_000);
        assert_eq!(until(5_000, Some(0)), 0);
        assert_eq!(until(5_000, None), i64::MAX);
    }
}
