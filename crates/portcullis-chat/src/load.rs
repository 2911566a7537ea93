//! Fills the directory with the stored rooms at the start.
//! Never: a query while the server runs.

use portcullis_guard::{Charge, Directory, Party};
use portcullis_store::{RoomSnapshot, StoreSnapshot};

use crate::room_feed;

/// Fills the directory with the stored rooms and memberships, after its users.
///
/// All stored entries are in force, also those past the limits of the directory.
pub fn load(loaded: &StoreSnapshot, directory: &Directory) {
    // The most active room first, as rooms are listed, so that no entry has to move.
    let mut rooms: Vec<&RoomSnapshot> = loaded.rooms.iter().collect();
    rooms.sort_unstable_by_key(|room| std::cmp::Reverse(room.active_unix_ms));
    for RoomSnapshot { room, active_unix_ms } in rooms {
        let charge = Charge { party: Party::NONE, active_unix_ms: *active_unix_ms };
        directory.put_charged_room(room_feed::room_facts(room), charge);
    }
    for (room, user) in &loaded.members {
        directory.add_member(room, user);
    }
    for (room, user) in &loaded.invited {
        directory.invite(room, user, Party::NONE);
    }
    for (room, user) in &loaded.barred {
        directory.bar(room, user, Party::NONE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_guard::{DirectoryLimits, Relation, Table};
    use portcullis_model::{Roles, RoomId, UserId, Visibility};
    use portcullis_store::{AccountStore, InviteRequest, NewRoom, NewUser, RoomStore, Store};

    use super::*;
    use crate::install::tests::store;

    #[tokio::test]
    async fn directory_is_filled_from_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        let (ann, room) = (UserId::parse("ann").unwrap(), RoomId::parse("tea").unwrap());
        let bob = UserId::parse("bob").unwrap();
        for (id, name) in [(&ann, "Ann"), (&bob, "Bob")] {
            let user = NewUser {
                id: id.clone(),
                username: Arc::from(name),
                password_phc: None,
                issuer: None,
                subject: None,
                roles: Roles::user(),
                created_unix_ms: 1,
                setup: false,
                invitation: None,
                roles_issued_unix_ms: None,
            };
            store.create_user(user).await.unwrap();
        }
        let tea = NewRoom {
            id: room.clone(),
            name: Arc::from("Tea"),
            visibility: Visibility::Private,
            owner: ann.clone(),
            created_unix_ms: 1,
            origin: 0,
            rooms_per_user_max: 1,
            party: 0,
            fence: None,
        };
        store.create_room(tea).await.unwrap();
        let (user, by) = (bob.clone(), ann.clone());
        let room_id = room.clone();
        let request =
            InviteRequest { room: room_id, user, by, anywhere: false, invited_max: 1, party: 0 };
        store.invite_to_room(request).await.unwrap();

        let loaded = store.load().await.unwrap();
        let live = Directory::new(DirectoryLimits::default());
        load(&loaded, &live);
        let found = live.room(&room).unwrap();
        assert!(found.is_member(&ann) && found.owner() == ann);
        assert_eq!(found.relation(&bob), Relation::Invited);
        assert_eq!(found.visibility(), Visibility::Private);

        // Stored entries are in force, also beyond the limit.
        let limits = DirectoryLimits { rooms_max: 0, memberships_max: 0, ..Default::default() };
        let small = Directory::new(limits);
        load(&loaded, &small);
        assert!(small.room(&room).unwrap().is_member(&ann));
        assert!(small.check_space(Table::Rooms, Party::NONE).is_err());
    }
}
