//! Roles and room relations, read live at every message.
//! Never: two answers for a room that is not there and one that is not for the user.

use portcullis_model::{Denial, Role, RoomId};

use crate::directory::Directory;
use crate::directory_room::{Relation, Room, Visibility};
use crate::directory_user::User;
use crate::event::Access;

/// Whether the user may do this, now.
pub(crate) fn check(
    access: Access,
    user: &User,
    room: Option<&RoomId>,
    directory: &Directory,
) -> Result<(), Denial> {
    let relation_holds = |holds: fn(&Room, &User) -> bool, otherwise| {
        // The same look-up and the same refusal for a room that never was and one that is closed.
        let room = room.and_then(|id| directory.room(id));
        match room {
            Some(room) if holds(&room, user) => Ok(()),
            Some(_) => Err(Denial::Forbidden(otherwise)),
            None => Err(Denial::Forbidden("missing")),
        }
    };
    match access {
        Access::User => Ok(()),
        Access::Role(role) => {
            if holds_role(user, role) {
                Ok(())
            } else {
                Err(Denial::Forbidden("role"))
            }
        }
        Access::Joinable => relation_holds(is_joinable, "private"),
        Access::Member => relation_holds(|room, user| room.is_member(&user.id), "not_member"),
        Access::Owner => relation_holds(is_owner, "not_owner"),
    }
}

/// A role is held by who has it or a stronger one.
fn holds_role(user: &User, role: Role) -> bool {
    let roles = user.roles();
    let stronger = Role::BUILT_IN.into_iter().take_while(|stronger| *stronger != role);
    roles.contains(role) || stronger.into_iter().any(|stronger| roles.contains(stronger))
}

fn is_joinable(room: &Room, user: &User) -> bool {
    let belongs = match room.relation(&user.id) {
        Relation::Member | Relation::Owner => true,
        Relation::None => false,
    };
    belongs || (room.visibility() == Visibility::Public && !room.is_ended())
}

fn is_owner(room: &Room, user: &User) -> bool {
    room.relation(&user.id) == Relation::Owner
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Roles, UserId};

    use super::*;
    use crate::directory::DirectoryLimits;
    use crate::directory_room::RoomFacts;
    use crate::directory_user::UserFacts;

    /// Rooms `open` and `closed` of `olga`, with `mia` in both; in `left` the owner is no member.
    fn directory() -> Directory {
        let directory = Directory::new(DirectoryLimits::default());
        let user = |name: &str| UserId::parse(name).unwrap();
        let roles = [
            ("olga", Roles::user()),
            ("mia", Roles::user()),
            ("eve", Roles::user()),
            ("mod", Roles::user().with(Role::Moderator)),
            ("adam", Roles::NONE.with(Role::Admin)),
            ("none", Roles::NONE),
        ];
        for (name, roles) in roles {
            let facts = UserFacts {
                id: user(name),
                name: String::from(name),
                roles,
                disabled: false,
                valid_after_unix_ms: 0,
            };
            directory.put_user(facts);
        }
        let rooms = [
            ("open", Visibility::Public),
            ("closed", Visibility::Private),
            ("left", Visibility::Private),
        ];
        for (name, visibility) in rooms {
            let id = RoomId::parse(name).unwrap();
            let facts = RoomFacts {
                id: id.clone(),
                name: String::from(name),
                owner: user("olga"),
                visibility,
            };
            directory.put_room(facts);
            directory.add_member(&id, &user("mia"));
            if name != "left" {
                directory.add_member(&id, &user("olga"));
            }
        }
        directory
    }

    #[test]
    fn t_064_who_may_do_what() {
        let directory = directory();
        let everyone = ["olga", "mia", "eve", "mod", "adam", "none"];
        let cases: [(Access, &[&str], &[&str]); 19] = [
            (Access::User, &[], &everyone),
            (Access::User, &["gone"], &everyone),
            (Access::Role(Role::User), &[], &["olga", "mia", "eve", "mod", "adam"]),
            (Access::Role(Role::Moderator), &[], &["mod", "adam"]),
            (Access::Role(Role::Admin), &[], &["adam"]),
            (Access::Joinable, &["open"], &everyone),
            (Access::Joinable, &["closed"], &["olga", "mia"]),
            (Access::Joinable, &["left"], &["olga", "mia"]),
            (Access::Joinable, &["gone"], &[]),
            (Access::Joinable, &[], &[]),
            (Access::Member, &["open"], &["olga", "mia"]),
            (Access::Member, &["closed"], &["olga", "mia"]),
            (Access::Member, &["left"], &["mia"]),
            (Access::Member, &["gone"], &[]),
            (Access::Member, &[], &[]),
            (Access::Owner, &["open"], &["olga"]),
            (Access::Owner, &["left"], &["olga"]),
            (Access::Owner, &["gone"], &[]),
            (Access::Owner, &[], &[]),
        ];
        for (access, room, expect) in cases {
            let room = room.first().map(|name| RoomId::parse(name).unwrap());
            for name in everyone {
                let user = directory.user(&UserId::parse(name).unwrap()).unwrap();
                let outcome = check(access, &user, room.as_ref(), &directory);
                let shown = format!("{access:?} {room:?} {name}");
                assert_eq!(outcome.is_ok(), expect.contains(&name), "{shown}");
                if let Err(denial) = outcome {
                    // T-065: the peer reads the same for a room that is not there.
                    assert_eq!(denial.answer(), Denial::Forbidden("missing").answer(), "{shown}");
                }
            }
        }
    }

    #[test]
    fn t_066_a_change_counts_at_the_next_message() {
        let directory = directory();
        let mia = directory.user(&UserId::parse("mia").unwrap()).unwrap();
        let open = RoomId::parse("open").unwrap();
        let may = |access| check(access, &mia, Some(&open), &directory).is_ok();
        assert!(may(Access::Member) && !may(Access::Role(Role::Admin)));
        directory.remove_member(&open, &mia.id);
        directory.put_user(UserFacts {
            id: mia.id.clone(),
            name: String::from("mia"),
            roles: Roles::user().with(Role::Admin),
            disabled: false,
            valid_after_unix_ms: 0,
        });
        assert!(!may(Access::Member) && may(Access::Role(Role::Admin)));
        directory.remove_room(&open);
        assert!(!may(Access::Joinable));
    }
}
