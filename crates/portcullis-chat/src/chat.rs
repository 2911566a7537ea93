//! Options of chat, and the state that all events share.
//! Never: the work of one event.

use std::sync::Arc;

use portcullis_guard::{Party, Relation, Table, User};
use portcullis_model::Denial;
use portcullis_server::Context;
use portcullis_store::Store;

/// Options of chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatOptions {
    /// Most rooms that one user can own.
    pub rooms_per_user_max: u32,
    /// Most members of one room.
    pub members_per_room_max: u32,
    /// Most rooms of which one user can be a member.
    pub memberships_per_user_max: u32,
    /// Most users whom one room has invited, and most users whom it has barred.
    pub standing_per_room_max: u32,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            rooms_per_user_max: 100,
            members_per_room_max: 10_000,
            memberships_per_user_max: 5_000,
            standing_per_room_max: 1_000,
        }
    }
}

/// The state that all events share.
pub(crate) struct Chat {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) options: ChatOptions,
}

impl Chat {
    /// Checks that a user can have one more membership, before it is stored.
    ///
    /// The relation of the user to the room decides whether the membership needs more space.
    pub(crate) fn check_membership(
        &self,
        context: &Context,
        user: &User,
        relation: Relation,
    ) -> Result<(), Denial> {
        let most = usize::try_from(self.options.memberships_per_user_max).unwrap_or(usize::MAX);
        if context.directory.membership_count(&user.id) >= most {
            return Err(Denial::RoomLimit("memberships_per_user"));
        }
        match relation {
            Relation::Invited | Relation::Barred => Ok(()),
            Relation::None | Relation::Member | Relation::Owner => {
                context.directory.check_space(Table::Memberships, Party::of(context.client))
            }
        }
    }
}
