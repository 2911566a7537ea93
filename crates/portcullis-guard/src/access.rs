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
    let stronger = Role::ALL.into_iter().take_while(|stronger| *stronger != role);
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
