//! Whom a moderator may act on.
//! Never: an equal or somebody stronger; who is not there and who is not for them are one.

use std::sync::Arc;

use portcullis_guard::{Directory, User, check_rank};
use portcullis_model::{Denial, Roles, UserId};

/// The user an act is about, if `by`, with the roles in force, may act on them.
///
/// Administrators may act on everyone but themselves, others on whoever is neither an administrator
/// nor a moderator.
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

/// Until when something lasts that begins now; for ever without an end, and over with 0.
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
    fn nobody_acts_on_an_equal_or_on_who_is_not_there() {
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
    fn time_is_counted_from_now() {
        assert_eq!(until(5_000, Some(3)), 8_000);
        assert_eq!(until(5_000, Some(0)), 0);
        assert_eq!(until(5_000, None), i64::MAX);
    }
}
