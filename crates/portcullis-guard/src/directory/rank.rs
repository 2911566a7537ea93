//! Ranks of users: administrators, then moderators, then all other users.
//! Never: an operation on a user of a higher rank, even if a role grants it.

use portcullis_model::{Denial, Role, Roles};

use crate::directory::user::User;

/// The rank that a user's roles give, for operations on other users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Neither of the above, with any other roles.
    User,
    /// A moderator or auditor, also while a missing second factor withholds the role.
    Moderator,
    /// An administrator, also while a missing second factor withholds the role.
    Administrator,
}

impl Rank {
    /// The rank of a user, now.
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self::of_roles(user.roles().union(user.withheld()))
    }

    fn of_roles(roles: Roles) -> Self {
        if roles.contains(Role::Admin) {
            Self::Administrator
        } else if roles.contains(Role::Moderator) || roles.contains(Role::Auditor) {
            Self::Moderator
        } else {
            Self::User
        }
    }
}

/// Checks whether a user with these roles in force can act on another by a role.
///
/// Administrators act on all users. Moderators, and users with a role of the operator, act on users
/// without a role. As the owner of a room a user acts on those of the same rank as well.
///
/// # Errors
/// [`Denial::Forbidden`], which reads as if the other user did not exist.
pub fn check_rank(by: Roles, target: &User, is_owner: bool) -> Result<(), Denial> {
    if Rank::of(target) == Rank::User || by.contains(Role::Admin) {
        return Ok(());
    }
    // A role that is withheld gives no power.
    let own = Rank::of_roles(by);
    if is_owner && own >= Rank::of(target) { Ok(()) } else { Err(Denial::Forbidden("stronger")) }
}

#[cfg(test)]
mod tests {
    use portcullis_model::UserId;

    use super::*;
    use crate::directory::user::UserFacts;

    fn user(name: &str, roles: Roles, withheld: Option<Role>) -> User {
        let facts = UserFacts::new(UserId::parse(name).unwrap(), String::from(name));
        let withheld = withheld.map_or(Roles::NONE, |role| Roles::NONE.with(role));
        User::new(UserFacts { roles, withheld, ..facts })
    }

    #[test]
    fn user_of_a_higher_rank_is_protected() {
        let user_role = Roles::user();
        let users = [
            user("admin", user_role.with(Role::Admin), None),
            user("withheld", user_role, Some(Role::Admin)),
            user("mod", user_role.with(Role::Moderator), None),
            user("support", user_role.with(Role::Custom(0)), None),
            user("user", user_role, None),
        ];
        // By a role, then as the owner of the room.
        let cases = [
            ("admin", [true; 5], [true; 5]),
            ("withheld", [false, false, false, true, true], [false, false, false, true, true]),
            ("mod", [false, false, false, true, true], [false, false, true, true, true]),
            ("support", [false, false, false, true, true], [false, false, false, true, true]),
            ("user", [false, false, false, true, true], [false, false, false, true, true]),
        ];
        for (by, (name, role, owner)) in users.iter().zip(cases) {
            for (index, target) in users.iter().enumerate() {
                let shown = format!("{name} {}", target.id);
                assert_eq!(check_rank(by.roles(), target, false).is_ok(), role[index], "{shown}");
                assert_eq!(check_rank(by.roles(), target, true).is_ok(), owner[index], "{shown}");
            }
        }
    }
}
