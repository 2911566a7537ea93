//! Users and rooms deleted beside a store that runs, and what the store makes of it.
//! Never: a server.

use std::sync::Arc;

use portcullis_model::{MessageId, Role, Roles, RoomId};
use portcullis_store::{
    AccountStore, AppendOutcome, Change, ChangeStore, CreateUserOutcome, DeleteRoomOutcome,
    DeleteUserOutcome, DeleteUserRequest, HistoryRequest, InviteOutcome, InviteRequest,
    JoinOutcome, JoinRequest, MessageStore, NewMessage, NewRoom, NewUser, OwnedRooms,
    RecheckOutcome, RoomStore, SqliteOperatorStore, SqliteStore, Store, UserChange, UserChangeKind,
    Visibility,
};

use crate::fixture::{Heard, Place, id, own};

fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

fn foreign(name: &str) -> NewUser {
    NewUser {
        id: id("far"),
        username: Arc::from(name),
        password_phc: None,
        issuer: Some(String::from("https://id.example")),
        subject: Some(String::from("7")),
        ..own("far")
    }
}

async fn create(store: &SqliteStore, name: &str, owner: &str) {
    let new = NewRoom {
        id: room(name),
        name: Arc::from(name),
        visibility: Visibility::Private,
        owner: id(owner),
        created_unix_ms: 1,
        origin: 0,
        rooms_per_user_max: 9,
        party: 0,
        fence: None,
    };
    store.create_room(new).await.unwrap();
}

async fn invite(store: &SqliteStore, name: &str, user: &str, by: &str) {
    let (room, user, by) = (room(name), id(user), id(by));
    let ask = InviteRequest { room, user, by, anywhere: true, invited_max: 9, party: 5 };
    assert_eq!(store.invite_to_room(ask).await.unwrap(), InviteOutcome::Invited);
}

async fn join(store: &SqliteStore, name: &str, user: &str) -> JoinOutcome {
    let join =
        JoinRequest { room: room(name), user: id(user), origin: 0, members_max: 9, party: 6 };
    store.join_room(join).await.unwrap()
}

async fn say(store: &SqliteStore, number: u32, name: &str, user: &str) -> AppendOutcome {
    let message = NewMessage {
        id: MessageId::parse(&format!("m{number}")).unwrap(),
        room: room(name),
        user: id(user),
        username: Arc::from(user),
        text: String::from("hello"),
        html: None,
        reply_to: None,
        mid: None,
        digest: None,
        sent_unix_ms: 50,
        origin: 0,
        fence: None,
    };
    store.append(message).await.unwrap()
}

/// Ann, Bob, a user of another issuer and Root, who administers; Ann's room with Bob in it, and
/// Bob's room with Ann in it, who has said something in both.
async fn furnished(place: &Place) -> (SqliteStore, Heard, SqliteOperatorStore) {
    let (store, heard) = place.open();
    let root = NewUser { roles: Roles::user().with(Role::Admin), ..own("Root") };
    for user in [own("Ann"), own("Bob"), root, foreign("Far")] {
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
        assert!(matches!(say(&store, number, name, "ann").await, AppendOutcome::Stored { .. }));
    }
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    heard.take();
    let beside = SqliteOperatorStore::open(&place.path(), None, "root").unwrap();
    (store, heard, beside)
}

fn deletion(user: &str, rooms: OwnedRooms) -> DeleteUserRequest {
    DeleteUserRequest { user: id(user), rooms, at_unix_ms: 60 }
}

#[tokio::test]
async fn deleted_user_is_gone_with_everything_but_messages() {
    let place = Place::new();
    let (store, heard, beside) = furnished(&place).await;
    let outcome = beside.delete_user(&deletion("ann", OwnedRooms::Deleted)).unwrap();
    assert_eq!(outcome, DeleteUserOutcome::Deleted { rooms: 1 });
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    let told = heard.take();
    assert!(told.contains(&Change::RoomDeleted { room: room("anns") }), "{told:?}");
    let authority = told.iter().find_map(|change| match change {
        Change::Authority(authority) => Some(authority),
        _ => None,
    });
    let users: Vec<_> = authority.unwrap().users.iter().map(|user| user.id.clone()).collect();
    assert!(!users.contains(&id("ann")) && users.len() == 3);

    // Neither cached membership is left.
    assert_eq!(say(&store, 3, "anns", "bob").await, AppendOutcome::NotMember);
    assert_eq!(say(&store, 4, "bobs", "ann").await, AppendOutcome::NotMember);
    assert!(matches!(say(&store, 5, "bobs", "bob").await, AppendOutcome::Stored { seq: 2, .. }));
    let page = HistoryRequest { room: room("bobs"), before: None, after: None, limit: 9 };
    let (rows, _) = store.history(page).await.unwrap();
    assert_eq!(&*rows[0].username, "deleted user");
    assert!(store.find_account("ann").await.unwrap().is_none());
    assert!(store.credentials("Ann").await.unwrap().is_none());
    assert_eq!(store.load().await.unwrap().members.len(), 1);
    let again = beside.delete_user(&deletion("ann", OwnedRooms::Deleted)).unwrap();
    assert_eq!(again, DeleteUserOutcome::Missing);
    let anew = NewUser { id: id("ann2"), ..own("Ann") };
    assert_eq!(store.create_user(anew).await.unwrap(), CreateUserOutcome::Created);
}

#[tokio::test]
async fn deleted_user_of_another_issuer_does_not_come_back() {
    let place = Place::new();
    let (store, _, beside) = furnished(&place).await;
    let outcome = beside.delete_user(&deletion("far", OwnedRooms::Deleted)).unwrap();
    assert_eq!(outcome, DeleteUserOutcome::Deleted { rooms: 0 });
    assert_eq!(store.create_user(foreign("Far")).await.unwrap(), CreateUserOutcome::Deleted);
    let last = beside.delete_user(&deletion("root", OwnedRooms::Deleted)).unwrap();
    assert_eq!(last, DeleteUserOutcome::LastAdmin);
}

#[tokio::test]
async fn rooms_are_listed_kept_and_deleted() {
    let place = Place::new();
    let (store, heard, beside) = furnished(&place).await;
    let outcome = beside.delete_user(&deletion("bob", OwnedRooms::Kept)).unwrap();
    assert_eq!(outcome, DeleteUserOutcome::Deleted { rooms: 1 });
    let rooms = beside.rooms(0, 9).unwrap();
    let seen: Vec<_> = rooms
        .iter()
        .map(|room| (room.id.as_str(), &*room.owner, room.members, room.messages))
        .collect();
    assert_eq!(seen, [("anns", "Ann", 1, 1), ("bobs", "deleted user", 1, 1)]);
    assert_eq!(beside.rooms(1, 9).unwrap().len(), 1);
    assert_eq!(beside.delete_room(&room("bobs")).unwrap(), DeleteRoomOutcome::Deleted);
    assert_eq!(beside.delete_room(&room("bobs")).unwrap(), DeleteRoomOutcome::Rejected);
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    assert!(heard.take().contains(&Change::RoomDeleted { room: room("bobs") }));
    assert_eq!(say(&store, 3, "bobs", "ann").await, AppendOutcome::NotMember);
    // The same by SQL: nothing cached outlives it.
    place.sql().execute("UPDATE rooms SET deleted = 1 WHERE id = 'anns'", []).unwrap();
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    assert!(heard.take().contains(&Change::RoomDeleted { room: room("anns") }));
    assert_eq!(say(&store, 4, "anns", "ann").await, AppendOutcome::NotMember);
}

#[tokio::test]
async fn invitation_by_role_is_told_when_it_is_used() {
    let place = Place::new();
    let (store, heard, _) = furnished(&place).await;
    invite(&store, "anns", "root", "root").await;
    let joined = JoinOutcome::Joined { seq: 1, already: false, by_role: true };
    assert_eq!(join(&store, "anns", "root").await, joined);
    let by_role =
        |change: &Change| matches!(change, Change::Joined { by_role: true, party: 6, .. });
    assert!(heard.take().iter().any(by_role));
    let already = JoinOutcome::Joined { seq: 1, already: true, by_role: false };
    assert_eq!(join(&store, "anns", "root").await, already);
    // An invitation of the owner takes the place of one by a role, and stays one.
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
async fn muted_user_keeps_the_name_others_know() {
    let place = Place::new();
    let (store, _, _) = furnished(&place).await;
    let mute = |until_unix_ms| UserChange {
        user: id("far"),
        what: UserChangeKind::Muted { until_unix_ms },
        at_unix_ms: 60,
    };
    store.change_user(mute(100)).await.unwrap();
    for (at_unix_ms, expect) in [(99, "Far"), (100, "Said")] {
        let said = NewUser { created_unix_ms: at_unix_ms, ..foreign("Said") };
        assert_eq!(store.create_user(said).await.unwrap(), CreateUserOutcome::Created);
        assert_eq!(&*store.find_account("u_far").await.unwrap().unwrap().username, expect);
    }
}
