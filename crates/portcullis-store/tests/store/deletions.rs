//! Users and rooms that an operator deletes beside a running store.
//! Never: a server.

use std::sync::Arc;

use portcullis_model::{Role, Roles};
use portcullis_store::{
    AccountStore, AppendOutcome, Change, ChangeStore, CreateUserOutcome, DeleteRoomOutcome,
    DeleteUserOutcome, DeleteUserRequest, HistoryRequest, InviteOutcome, InviteRequest,
    JoinOutcome, JoinRequest, MessageStore, NewMessage, NewRoom, NewUser, OwnedRooms,
    RecheckOutcome, RoomStore, SqliteOperatorStore, SqliteStore, Store, UserChange, UserChangeKind,
    Visibility,
};

use crate::fixture::{
    FeedRecorder, StoreDirectory, foreign_user, local_user, new_message, new_room, room_id, user_id,
};

fn far(name: &str) -> NewUser {
    NewUser { id: user_id("far"), username: Arc::from(name), ..foreign_user("far") }
}

async fn create(store: &SqliteStore, name: &str, owner: &str) {
    let new = NewRoom { visibility: Visibility::Private, ..new_room(name, owner) };
    store.create_room(new).await.unwrap();
}

async fn invite(store: &SqliteStore, name: &str, user: &str, by: &str) {
    let (room, user, by) = (room_id(name), user_id(user), user_id(by));
    let request = InviteRequest { room, user, by, anywhere: true, invited_max: 9, party: 5 };
    assert_eq!(store.invite_to_room(request).await.unwrap(), InviteOutcome::Invited);
}

async fn join(store: &SqliteStore, name: &str, user: &str) -> JoinOutcome {
    let join = JoinRequest {
        room: room_id(name),
        user: user_id(user),
        origin: 0,
        members_max: 9,
        party: 6,
    };
    store.join_room(join).await.unwrap()
}

async fn send(store: &SqliteStore, number: u32, name: &str, user: &str) -> AppendOutcome {
    let message = NewMessage { sent_unix_ms: 50, ..new_message(&format!("m{number}"), name, user) };
    store.append(message).await.unwrap()
}

/// Ann, Bob, a foreign user, and the administrator Root.
///
/// Ann and Bob are members of each other's room, and Ann has sent a message to both.
async fn open_with_rows(
    directory: &StoreDirectory,
) -> (SqliteStore, FeedRecorder, SqliteOperatorStore) {
    let (store, feed) = directory.open();
    let root = NewUser { roles: Roles::user().with(Role::Admin), ..local_user("Root") };
    for user in [local_user("Ann"), local_user("Bob"), root, far("Far")] {
        assert_eq!(store.create_user(user).await.unwrap(), CreateUserOutcome::Created);
    }
    create(&store, "anns", "ann").await;
    create(&store, "bobs", "bob").await;
    invite(&store, "anns", "bob", "ann").await;
    invite(&store, "bobs", "ann", "bob").await;
    for (number, name, user) in [(1, "anns", "bob"), (2, "bobs", "ann")] {
        assert!(matches!(
            join(&store, name, user).await,
            JoinOutcome::Joined { by_role: false, .. }
        ));
        assert!(matches!(send(&store, number, name, "ann").await, AppendOutcome::Stored { .. }));
    }
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    feed.take();
    let operator = SqliteOperatorStore::open(&directory.path(), None, "root").unwrap();
    (store, feed, operator)
}

fn deletion(user: &str, rooms: OwnedRooms) -> DeleteUserRequest {
    DeleteUserRequest { user: user_id(user), rooms, at_unix_ms: 60 }
}

#[tokio::test]
async fn deleted_user_is_gone_with_everything_but_messages() {
    let directory = StoreDirectory::new();
    let (store, feed, operator) = open_with_rows(&directory).await;
    let outcome = operator.delete_user(&deletion("ann", OwnedRooms::Deleted)).unwrap();
    assert_eq!(outcome, DeleteUserOutcome::Deleted { rooms: 1 });
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    let reported = feed.take();
    assert!(reported.contains(&Change::RoomDeleted { room: room_id("anns") }), "{reported:?}");
    let authority = reported.iter().find_map(|change| match change {
        Change::AccessSnapshot(authority) => Some(authority),
        _ => None,
    });
    let users: Vec<_> = authority.unwrap().users.iter().map(|user| user.id.clone()).collect();
    assert!(!users.contains(&user_id("ann")) && users.len() == 3);

    // No cached membership is left.
    assert_eq!(send(&store, 3, "anns", "bob").await, AppendOutcome::NotMember);
    assert_eq!(send(&store, 4, "bobs", "ann").await, AppendOutcome::NotMember);
    assert!(matches!(send(&store, 5, "bobs", "bob").await, AppendOutcome::Stored { seq: 2, .. }));
    let page = HistoryRequest { room: room_id("bobs"), before: None, after: None, limit: 9 };
    let (rows, _) = store.history(page).await.unwrap();
    assert_eq!(&*rows[0].username, "deleted user");
    assert!(store.find_account("ann").await.unwrap().is_none());
    assert!(store.credentials("Ann").await.unwrap().is_none());
    assert_eq!(store.load().await.unwrap().members.len(), 1);
    let again = operator.delete_user(&deletion("ann", OwnedRooms::Deleted)).unwrap();
    assert_eq!(again, DeleteUserOutcome::Missing);
    let anew = NewUser { id: user_id("ann2"), ..local_user("Ann") };
    assert_eq!(store.create_user(anew).await.unwrap(), CreateUserOutcome::Created);
}

#[tokio::test]
async fn deleted_user_of_another_issuer_does_not_come_back() {
    let directory = StoreDirectory::new();
    let (store, _, operator) = open_with_rows(&directory).await;
    let outcome = operator.delete_user(&deletion("far", OwnedRooms::Deleted)).unwrap();
    assert_eq!(outcome, DeleteUserOutcome::Deleted { rooms: 0 });
    assert_eq!(store.create_user(far("Far")).await.unwrap(), CreateUserOutcome::Deleted);
    let last = operator.delete_user(&deletion("root", OwnedRooms::Deleted)).unwrap();
    assert_eq!(last, DeleteUserOutcome::LastAdmin);
}

#[tokio::test]
async fn rooms_of_a_deleted_user_are_kept_listed_and_deletable() {
    let directory = StoreDirectory::new();
    let (store, feed, operator) = open_with_rows(&directory).await;
    let outcome = operator.delete_user(&deletion("bob", OwnedRooms::Kept)).unwrap();
    assert_eq!(outcome, DeleteUserOutcome::Deleted { rooms: 1 });
    let rooms = operator.rooms(0, 9).unwrap();
    let listed: Vec<_> = rooms
        .iter()
        .map(|room| (room.id.as_str(), &*room.owner, room.members, room.messages))
        .collect();
    assert_eq!(listed, [("anns", "Ann", 1, 1), ("bobs", "deleted user", 1, 1)]);
    assert_eq!(operator.rooms(1, 9).unwrap().len(), 1);
    assert_eq!(operator.delete_room(&room_id("bobs")).unwrap(), DeleteRoomOutcome::Deleted);
    assert_eq!(operator.delete_room(&room_id("bobs")).unwrap(), DeleteRoomOutcome::Rejected);
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    assert!(feed.take().contains(&Change::RoomDeleted { room: room_id("bobs") }));
    assert_eq!(send(&store, 3, "bobs", "ann").await, AppendOutcome::NotMember);
    // The same by SQL: no cached membership survives it.
    directory.sql().execute("UPDATE rooms SET deleted = 1 WHERE id = 'anns'", []).unwrap();
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    assert!(feed.take().contains(&Change::RoomDeleted { room: room_id("anns") }));
    assert_eq!(send(&store, 4, "anns", "ann").await, AppendOutcome::NotMember);
}

#[tokio::test]
async fn used_invitation_by_a_role_is_reported() {
    let directory = StoreDirectory::new();
    let (store, feed, _) = open_with_rows(&directory).await;
    invite(&store, "anns", "root", "root").await;
    let joined = JoinOutcome::Joined { seq: 1, already: false, by_role: true };
    assert_eq!(join(&store, "anns", "root").await, joined);
    let by_role =
        |change: &Change| matches!(change, Change::Joined { by_role: true, party: 6, .. });
    assert!(feed.take().iter().any(by_role));
    let already = JoinOutcome::Joined { seq: 1, already: true, by_role: false };
    assert_eq!(join(&store, "anns", "root").await, already);
    // An invitation of the owner replaces one by a role, and a role does not replace it.
    for by in ["root", "bob", "root"] {
        invite(&store, "bobs", "root", by).await;
    }
    assert!(matches!(
        join(&store, "bobs", "root").await,
        JoinOutcome::Joined { by_role: false, .. }
    ));
    let loaded = store.load().await.unwrap();
    assert!(loaded.invited.is_empty() && loaded.barred.is_empty());
}

#[tokio::test]
async fn muted_foreign_user_keeps_the_name() {
    let directory = StoreDirectory::new();
    let (store, _, _) = open_with_rows(&directory).await;
    let mute = |until_unix_ms| UserChange {
        user: user_id("far"),
        what: UserChangeKind::Muted { until_unix_ms },
        at_unix_ms: 60,
    };
    store.change_user(mute(100)).await.unwrap();
    for (at_unix_ms, expect) in [(99, "Far"), (100, "Renamed")] {
        let renamed = NewUser { created_unix_ms: at_unix_ms, ..far("Renamed") };
        assert_eq!(store.create_user(renamed).await.unwrap(), CreateUserOutcome::Created);
        assert_eq!(&*store.find_account("u_far").await.unwrap().unwrap().username, expect);
    }
}
