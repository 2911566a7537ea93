//! Roles and room relations, read live at every message.
//! Never: two answers for a room that is not there and one that is not for the user.

use portcullis_model::{Denial, Role, Roles, RoomId, Visibility};

use crate::authentication::principal::Principal;
use crate::authorization::event::Access;
use crate::directory::room::{Relation, Room};
use crate::directory::tables::Directory;
use crate::directory::user::User;

/// Which users may send an event, computed once from its rule and the operator's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AllowedRoles {
    /// Roles that may send it.
    pub(crate) roles: Roles,
    /// Roles that need no relation to the room, which only has to exist.
    pub(crate) anywhere: Roles,
    pub(crate) access: Access,
}

impl AllowedRoles {
    /// The rule of the event itself, before the operator's table.
    pub(crate) fn by_rule(access: Access) -> Self {
        let everyone = Role::BUILT_IN.into_iter().fold(Roles::NONE, Roles::with);
        let (roles, anywhere) = match access {
            Access::Role(role) => (at_least(role), Roles::NONE),
            Access::OwnerOr(role) => (everyone, at_least(role)),
            Access::User | Access::Joinable | Access::Member | Access::Owner => {
                (everyone, Roles::NONE)
            }
        };
        Self { roles, anywhere, access }
    }

    /// Whether the rule checks the relation of the user to the room of the message.
    pub(crate) fn covers_room(&self) -> bool {
        match self.access {
            Access::Member | Access::Owner | Access::OwnerOr(_) => true,
            Access::User | Access::Role(_) | Access::Joinable => false,
        }
    }

    /// Checks whether a caller may send it now.
    pub(crate) fn check_caller(
        &self,
        principal: &Principal,
        room: Option<&RoomId>,
        directory: &Directory,
    ) -> Result<(), Denial> {
        let (roles, withheld) = (principal.roles(), principal.withheld());
        let is_withheld = |wanted| !roles.meets(wanted) && withheld.meets(wanted);
        let outcome = self.check(principal.user(), roles, room, directory);
        // A role that needs no relation to the room has the same answer for every room, also for
        // one that does not exist.
        if outcome.is_err() && (is_withheld(self.roles) || is_withheld(self.anywhere)) {
            return Err(Denial::SecondFactor("role"));
        }
        outcome
    }

    /// Checks whether the user may send it now, with the roles in force.
    fn check(
        &self,
        user: &User,
        roles: Roles,
        room: Option<&RoomId>,
        directory: &Directory,
    ) -> Result<(), Denial> {
        if !roles.meets(self.roles) {
            return Err(Denial::Forbidden("role"));
        }
        let anywhere = roles.meets(self.anywhere);
        let relation_holds = |holds: fn(&Room, &User) -> bool, otherwise| {
            // A room that never existed and a closed one have the same look-up and rejection.
            let room = room.and_then(|id| directory.room(id));
            match room {
                Some(room) if holds(&room, user) || (anywhere && !room.is_ended()) => Ok(()),
                Some(_) => Err(Denial::Forbidden(otherwise)),
                None => Err(Denial::Forbidden("missing")),
            }
        };
        match self.access {
            Access::User | Access::Role(_) => Ok(()),
            Access::Joinable => relation_holds(is_joinable, "not_joinable"),
            Access::Member => relation_holds(|room, user| room.is_member(&user.id), "not_member"),
            Access::Owner | Access::OwnerOr(_) => relation_holds(is_owner, "not_owner"),
        }
    }
}

/// A role and those stronger than it.
fn at_least(role: Role) -> Roles {
    let stronger = Role::BUILT_IN.into_iter().take_while(|stronger| *stronger != role);
    match role {
        Role::Custom(_) => Roles::NONE.with(role),
        // Moderators act on users; they do not read what administrators read.
        Role::Auditor => Roles::NONE.with(Role::Admin).with(role),
        Role::Admin | Role::Moderator | Role::User => {
            stronger.fold(Roles::NONE, Roles::with).with(role)
        }
    }
}

fn is_joinable(room: &Room, user: &User) -> bool {
    match room.relation(&user.id) {
        Relation::Member | Relation::Owner | Relation::Invited => true,
        Relation::Barred => false,
        Relation::None => room.visibility() == Visibility::Public && !room.is_ended(),
    }
}

fn is_owner(room: &Room, user: &User) -> bool {
    room.relation(&user.id) == Relation::Owner
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Roles, UserId};

    use super::*;
    use crate::directory::room::RoomFacts;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::space::Party;
    use crate::directory::user::UserFacts;

    /// Rooms `open` and `closed` of `olga`: `mia` is a member of both, `ina` is invited, and `bea`
    /// is banned. In `left` the owner is not a member.
    fn directory() -> Directory {
        let directory = Directory::new(DirectoryLimits::default());
        let user = |name: &str| UserId::parse(name).unwrap();
        let roles = [
            ("olga", Roles::user()),
            ("mia", Roles::user()),
            ("eve", Roles::user()),
            ("bea", Roles::user()),
            ("ina", Roles::user()),
            ("mod", Roles::user().with(Role::Moderator)),
            ("adam", Roles::NONE.with(Role::Admin)),
            ("none", Roles::NONE),
        ];
        for (name, roles) in roles {
            let facts = UserFacts::new(user(name), String::from(name));
            directory.put_user(UserFacts { roles, ..facts });
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
                let party = Party::NONE;
                assert!(directory.invite(&id, &user("ina"), party));
                assert!(directory.bar(&id, &user("bea"), party));
            }
        }
        directory
    }

    #[test]
    fn t_064_access_rules_select_users_by_role_and_relation() {
        let directory = directory();
        let all = ["olga", "mia", "eve", "bea", "ina", "mod", "adam", "none"];
        let users = &all[..7];
        let cases: [(Access, &[&str], &[&str]); 23] = [
            (Access::User, &[], users),
            (Access::User, &["gone"], users),
            (Access::Role(Role::User), &[], users),
            (Access::Role(Role::Moderator), &[], &["mod", "adam"]),
            (Access::Role(Role::Admin), &[], &["adam"]),
            (Access::Role(Role::Custom(3)), &[], &[]),
            (Access::Joinable, &["open"], &["olga", "mia", "eve", "ina", "mod", "adam"]),
            (Access::Joinable, &["closed"], &["olga", "mia", "ina"]),
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
            (Access::OwnerOr(Role::Moderator), &["closed"], &["olga", "mod", "adam"]),
            (Access::OwnerOr(Role::Admin), &["open"], &["olga", "adam"]),
            (Access::OwnerOr(Role::Admin), &["gone"], &[]),
        ];
        for (access, room, expect) in cases {
            let room = room.first().map(|name| RoomId::parse(name).unwrap());
            for name in all {
                let user = directory.user(&UserId::parse(name).unwrap()).unwrap();
                let outcome = AllowedRoles::by_rule(access).check(
                    &user,
                    user.roles(),
                    room.as_ref(),
                    &directory,
                );
                let shown = format!("{access:?} {room:?} {name}");
                assert_eq!(outcome.is_ok(), expect.contains(&name), "{shown}");
                if let Err(denial) = outcome {
                    // T-065: the client gets the same answer for a missing room.
                    assert_eq!(denial.answer(), Denial::Forbidden("missing").answer(), "{shown}");
                }
            }
        }
    }

    #[test]
    fn t_066_role_change_applies_to_the_next_message() {
        let directory = directory();
        let mia = directory.user(&UserId::parse("mia").unwrap()).unwrap();
        let open = RoomId::parse("open").unwrap();
        let may = |access| {
            AllowedRoles::by_rule(access).check(&mia, mia.roles(), Some(&open), &directory).is_ok()
        };
        assert!(may(Access::Member) && !may(Access::Role(Role::Admin)));
        directory.remove_member(&open, &mia.id);
        directory.put_user(UserFacts {
            roles: Roles::user().with(Role::Admin),
            ..UserFacts::new(mia.id.clone(), String::from("mia"))
        });
        assert!(!may(Access::Member) && may(Access::Role(Role::Admin)));
        directory.remove_room(&open);
        assert!(!may(Access::Joinable));
    }
}
