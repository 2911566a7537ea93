//! Who is asked into a room and who is kept out of it.
//! Never: a server.

use std::sync::Arc;

use portcullis_model::{MessageId, RoomId};
use portcullis_store::{
    AccountStore, AppendOutcome, Change, CreateRoomOutcome, CreateUserOutcome, DeleteRoomOutcome,
    InviteOutcome, InviteRequest, JoinOutcome, JoinRequest, KickOutcome, KickRequest, LeaveOutcome,
    MessageStore, NewMessage, NewRoom, RoomStore, SqliteStore, Store, Visibility,
};

use crate::fixture::{Heard, Place, id, own};

fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

fn new_room(name: &str, visibility: Visibility) -> NewRoom {
    NewRoom {
        id: room(name),
        name: Arc::from(name),
        visibility,
        owner: id("ann"),
        created_unix_ms: 1,
        origin: 0,
        rooms_per_user_max: 9,
        party: 0,
        fence: None,
    }
}

/// Ann's public lobby and private cellar; Bob, Cid and Dan are members of neither.
async fn furnished(place: &Place) -> (SqliteStore, Heard) {
    let (store, heard) = place.open();
    for name in ["Ann", "Bob", "Cid", "Dan"] {
        assert_eq!(store.create_user(own(name)).await.unwrap(), CreateUserOutcome::Created);
    }
    for (name, visibility) in [("lobby", Visibility::Public), ("cellar", Visibility::Private)] {
        let made = store.create_room(new_room(name, visibility)).await.unwrap();
        assert_eq!(made, CreateRoomOutcome::Created);
    }
    heard.take();
    (store, heard)
}

fn wish(to: &str, user: &str, by: &str) -> InviteRequest {
    InviteRequest {
        room: room(to),
        user: id(user),
        by: id(by),
        anywhere: false,
        invited_max: 2,
        party: 0,
    }
}

async fn invite(store: &SqliteStore, to: &str, user: &str) -> InviteOutcome {
    store.invite_to_room(wish(to, user, "ann")).await.unwrap()
}

fn order(from: &str, user: &str, by: &str) -> KickRequest {
    KickRequest {
        room: room(from),
        user: id(user),
        by: id(by),
        anywhere: false,
        barred_max: 2,
        party: 0,
    }
}

async fn kick(store: &SqliteStore, from: &str, user: &str) -> KickOutcome {
    store.kick_from_room(order(from, user, "ann")).await.unwrap()
}

async fn join(store: &SqliteStore, to: &str, user: &str) -> JoinOutcome {
    let join = JoinRequest { room: room(to), user: id(user), origin: 0, members_max: 3, party: 0 };
    store.join_room(join).await.unwrap()
}

async fn leave(store: &SqliteStore, from: &str, user: &str) -> LeaveOutcome {
    store.leave_room(room(from), id(user)).await.unwrap()
}

fn message(to: &str, user: &str, number: u32) -> NewMessage {
    NewMessage {
        id: MessageId::parse(&format!("m_{to}_{user}_{number}")).unwrap(),
        room: room(to),
        user: id(user),
        username: Arc::from(user),
        text: String::from("hello"),
        html: None,
        reply_to: None,
        mid: None,
        digest: None,
        sent_unix_ms: 1,
        origin: 0,
        fence: None,
    }
}

/// Who is asked in and who is kept out, as a start finds it.
async fn standing(store: &SqliteStore) -> (Vec<String>, Vec<String>) {
    let loaded = store.load().await.unwrap();
    let texts = |pairs: &[(RoomId, portcullis_model::UserId)]| {
        let mut texts: Vec<_> = pairs.iter().map(|(room, user)| format!("{room} {user}")).collect();
        texts.sort_unstable();
        texts
    };
    (texts(&loaded.invited), texts(&loaded.barred))
}

const JOINED: JoinOutcome = JoinOutcome::Joined { seq: 0, already: false, by_role: false };
const OUT: KickOutcome = KickOutcome::Kicked { was_member: true };
const KEPT_OUT: KickOutcome = KickOutcome::Kicked { was_member: false };

#[tokio::test]
async fn the_owner_asks_in_and_whoever_may_anywhere() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    let anywhere = |ask| InviteRequest { anywhere: true, ..ask };
    let cases = [
        (wish("cellar", "bob", "cid"), InviteOutcome::Missing), // not the owner
        (wish("nowhere", "bob", "ann"), InviteOutcome::Missing),
        (wish("cellar", "ghost", "ann"), InviteOutcome::Missing),
        (anywhere(wish("cellar", "bob", "ghost")), InviteOutcome::Missing),
        (anywhere(wish("nowhere", "bob", "cid")), InviteOutcome::Missing),
        (wish("cellar", "ann", "ann"), InviteOutcome::Already),
        (wish("cellar", "bob", "ann"), InviteOutcome::Invited),
        (wish("cellar", "bob", "ann"), InviteOutcome::Invited), // once more
        (anywhere(wish("cellar", "cid", "dan")), InviteOutcome::Invited),
        (wish("cellar", "dan", "ann"), InviteOutcome::Full),
        (wish("cellar", "bob", "ann"), InviteOutcome::Invited), // takes no second place
        (wish("lobby", "dan", "ann"), InviteOutcome::Invited),  // counted by room
    ];
    for (ask, expect) in cases {
        let told = match expect {
            InviteOutcome::Invited => {
                vec![Change::Invited { room: ask.room.clone(), user: ask.user.clone(), party: 0 }]
            }
            InviteOutcome::Already | InviteOutcome::Missing | InviteOutcome::Full => vec![],
        };
        let case = format!("{ask:?}");
        assert_eq!(store.invite_to_room(ask).await.unwrap(), expect, "{case}");
        assert_eq!(heard.take(), told, "{case}");
    }
    let (invited, barred) = standing(&store).await;
    assert_eq!(invited, ["cellar u_bob", "cellar u_cid", "lobby u_dan"]);
    assert_eq!(barred, [""; 0]);
}

#[tokio::test]
async fn an_invitation_opens_a_private_room_once() {
    let place = Place::new();
    let (store, _) = furnished(&place).await;
    assert_eq!(join(&store, "cellar", "bob").await, JoinOutcome::Missing);
    assert_eq!(invite(&store, "cellar", "bob").await, InviteOutcome::Invited);
    assert_eq!(join(&store, "cellar", "cid").await, JoinOutcome::Missing, "it is Bob's");
    assert_eq!(join(&store, "cellar", "bob").await, JOINED);
    assert_eq!(standing(&store).await.0, [""; 0], "used up");
    assert_eq!(invite(&store, "cellar", "bob").await, InviteOutcome::Already);
    assert_eq!(leave(&store, "cellar", "bob").await, LeaveOutcome::Left);
    assert_eq!(join(&store, "cellar", "bob").await, JoinOutcome::Missing);

    // A full room uses up nothing.
    for name in ["bob", "cid"] {
        assert_eq!(invite(&store, "cellar", name).await, InviteOutcome::Invited);
        assert_eq!(join(&store, "cellar", name).await, JOINED);
    }
    assert_eq!(invite(&store, "cellar", "dan").await, InviteOutcome::Invited);
    assert_eq!(join(&store, "cellar", "dan").await, JoinOutcome::Full);
    assert_eq!(leave(&store, "cellar", "bob").await, LeaveOutcome::Left);
    assert_eq!(join(&store, "cellar", "dan").await, JOINED);

    // Of a public room it is used up too, and the owner needs none.
    assert_eq!(invite(&store, "lobby", "bob").await, InviteOutcome::Invited);
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    assert_eq!(standing(&store).await.0, [""; 0]);
    assert_eq!(leave(&store, "cellar", "ann").await, LeaveOutcome::Left);
    assert_eq!(leave(&store, "cellar", "dan").await, LeaveOutcome::Left);
    assert_eq!(join(&store, "cellar", "ann").await, JOINED);
}

#[tokio::test]
async fn who_is_put_out_stays_out_until_asked_in() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    heard.take();
    assert_eq!(kick(&store, "lobby", "bob").await, OUT);
    let (lobby, bob) = (room("lobby"), id("bob"));
    let left = Change::Left { room: lobby.clone(), user: bob.clone(), username: Arc::from("Bob") };
    let barred = Change::Barred { room: lobby.clone(), user: bob.clone(), party: 0 };
    assert_eq!(heard.take(), [left, barred.clone()], "the end of the membership first");
    let refused = store.append(message("lobby", "bob", 1)).await.unwrap();
    assert_eq!(refused, AppendOutcome::NotMember);
    assert_eq!(join(&store, "lobby", "bob").await, JoinOutcome::Missing, "though it is public");
    assert_eq!(kick(&store, "lobby", "bob").await, KEPT_OUT);
    assert_eq!(heard.take(), [barred]);
    assert_eq!(standing(&store).await.1, ["lobby u_bob"]);

    assert_eq!(invite(&store, "lobby", "bob").await, InviteOutcome::Invited);
    assert_eq!(standing(&store).await, (vec![String::from("lobby u_bob")], vec![]));
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    assert_eq!(standing(&store).await, (vec![], vec![]));

    // An invitation falls with it, and nobody need be a member.
    assert_eq!(invite(&store, "cellar", "cid").await, InviteOutcome::Invited);
    assert_eq!(kick(&store, "cellar", "cid").await, KEPT_OUT);
    assert_eq!(join(&store, "cellar", "cid").await, JoinOutcome::Missing);
    assert_eq!(standing(&store).await, (vec![], vec![String::from("cellar u_cid")]));

    // The place in the room is free again.
    for name in ["cid", "bob", "dan"] {
        join(&store, "lobby", name).await;
    }
    assert_eq!(join(&store, "lobby", "dan").await, JoinOutcome::Full);
    assert_eq!(kick(&store, "lobby", "cid").await, OUT);
    assert_eq!(join(&store, "lobby", "dan").await, JOINED);
}

#[tokio::test]
async fn the_owner_puts_out_and_whoever_may_anywhere_but_never_the_owner() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    heard.take();
    let anywhere = |ask| KickRequest { anywhere: true, ..ask };
    let cases = [
        (order("lobby", "bob", "cid"), KickOutcome::Missing), // not the owner
        (order("lobby", "bob", "bob"), KickOutcome::Missing),
        (order("lobby", "ann", "ann"), KickOutcome::Missing), // the owner
        (anywhere(order("lobby", "ann", "cid")), KickOutcome::Missing),
        (order("nowhere", "bob", "ann"), KickOutcome::Missing),
        (order("lobby", "ghost", "ann"), KickOutcome::Missing),
        (anywhere(order("lobby", "bob", "ghost")), KickOutcome::Missing),
        (KickRequest { barred_max: 0, ..order("lobby", "bob", "ann") }, KickOutcome::Full),
        (anywhere(order("lobby", "cid", "dan")), KEPT_OUT),
        (anywhere(order("lobby", "dan", "dan")), KEPT_OUT),
        (order("lobby", "bob", "ann"), KickOutcome::Full),
        (order("lobby", "cid", "ann"), KEPT_OUT), // takes no second place
    ];
    for (ask, expect) in cases {
        let case = format!("{ask:?}");
        assert_eq!(store.kick_from_room(ask).await.unwrap(), expect, "{case}");
        assert_eq!(heard.take().is_empty(), expect != KEPT_OUT, "{case}");
    }
    let stored = store.append(message("lobby", "bob", 1)).await.unwrap();
    assert!(
        matches!(stored, AppendOutcome::Stored { .. }),
        "who cannot be kept out is not put out"
    );
    // Whom many are kept out takes no place from who is asked in.
    let (_, barred) = standing(&store).await;
    assert_eq!(barred, ["lobby u_cid", "lobby u_dan"]);
    assert_eq!(invite(&store, "lobby", "cid").await, InviteOutcome::Invited);
    assert_eq!(kick(&store, "lobby", "bob").await, OUT, "a place is free again");
}

#[tokio::test]
async fn what_stands_survives_a_restart_and_goes_with_the_room() {
    let place = Place::new();
    let (store, _) = furnished(&place).await;
    for name in ["lobby", "cellar"] {
        assert_eq!(invite(&store, name, "bob").await, InviteOutcome::Invited);
        assert_eq!(kick(&store, name, "cid").await, KEPT_OUT);
    }
    store.close().await.unwrap();
    let (store, _) = place.open();
    let (invited, barred) = standing(&store).await;
    assert_eq!(invited, ["cellar u_bob", "lobby u_bob"]);
    assert_eq!(barred, ["cellar u_cid", "lobby u_cid"]);

    let deleted = store
        .delete_room(portcullis_store::DeleteRoomRequest {
            room: room("lobby"),
            by: id("ann"),
            anywhere: false,
        })
        .await
        .unwrap();
    assert_eq!(deleted, DeleteRoomOutcome::Deleted);
    let (invited, barred) = standing(&store).await;
    assert_eq!((invited.len(), barred.len()), (1, 1), "at once");
    // A room of the same name is another room.
    store.create_room(new_room("lobby", Visibility::Public)).await.unwrap();
    assert_eq!(join(&store, "lobby", "cid").await, JOINED);
    store.close().await.unwrap();
    drop(store);

    // The rows go when there is nothing else to do, at the latest after the next start.
    let (store, _) = place.open();
    let connection = place.sql();
    let count = |table: &str| -> i64 {
        let statement = format!("SELECT count(*) FROM {table}");
        connection.query_row(&statement, [], |row| row.get(0)).unwrap()
    };
    for _ in 0..20 {
        join(&store, "cellar", "ann").await; // each commit takes a step
    }
    assert_eq!((count("relations"), count("rooms")), (2, 2));
}

#[tokio::test]
async fn a_kick_has_its_place_among_the_messages() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    heard.take();
    let send = |number| store.append(message("lobby", "bob", number));
    // Asked in this order, whoever is waited for first.
    let before: Vec<_> = (0..50).map(send).collect();
    let kicked = store.kick_from_room(order("lobby", "bob", "ann"));
    let after: Vec<_> = (50..100).map(send).collect();
    for answer in after {
        assert_eq!(answer.await.unwrap(), AppendOutcome::NotMember);
    }
    assert_eq!(kicked.await.unwrap(), OUT);
    for (number, answer) in (1..).zip(before) {
        let answer = answer.await.unwrap();
        assert!(matches!(answer, AppendOutcome::Stored { seq, .. } if seq == number), "{answer:?}");
    }
    let told = heard.take();
    let messages = told.iter().take_while(|change| matches!(change, Change::Message { .. }));
    assert_eq!((messages.count(), told.len()), (50, 52));
}

#[test]
fn nothing_is_said_after_a_kick() {
    const EACH: u32 = 100;
    let place = Place::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (store, heard) = runtime().block_on(furnished(&place));
    assert_eq!(runtime().block_on(join(&store, "lobby", "bob")), JOINED);
    heard.take();
    let gate = std::sync::Barrier::new(3);
    let answers = std::thread::scope(|scope| {
        let sender = |from: u32| {
            let (store, gate) = (&store, &gate);
            move || {
                gate.wait();
                // All of them wait for the writer, the kick somewhere among them.
                let send = |number| store.append(message("lobby", "bob", from + number));
                let asked: Vec<_> = (0..EACH).map(send).collect();
                runtime().block_on(async {
                    let mut answers = Vec::new();
                    for answer in asked {
                        answers.push(answer.await.unwrap());
                    }
                    answers
                })
            }
        };
        let senders = [scope.spawn(sender(0)), scope.spawn(sender(EACH))];
        gate.wait();
        assert_eq!(runtime().block_on(kick(&store, "lobby", "bob")), OUT);
        senders.map(|sender| sender.join().unwrap())
    });
    let mut seqs = Vec::new();
    for answers in answers {
        let mut refused = false;
        for answer in answers {
            match answer {
                AppendOutcome::Stored { seq, .. } => {
                    assert!(!refused, "none after the first that was refused");
                    seqs.push(seq);
                }
                AppendOutcome::NotMember => refused = true,
                other => panic!("{other:?}"),
            }
        }
    }
    seqs.sort_unstable();
    let count = u64::try_from(seqs.len()).unwrap();
    assert_eq!(seqs, (1..=count).collect::<Vec<_>>(), "no gap");
    let told = heard.take();
    let end = told.iter().position(|change| matches!(change, Change::Left { .. })).unwrap();
    assert_eq!(end, seqs.len(), "every message was said before");
    assert!(matches!(told.get(end + 1..), Some([Change::Barred { .. }])), "and nothing after");
    let next = runtime().block_on(store.append(message("lobby", "ann", 1))).unwrap();
    assert!(matches!(next, AppendOutcome::Stored { seq, .. } if seq == count + 1), "{next:?}");
}
