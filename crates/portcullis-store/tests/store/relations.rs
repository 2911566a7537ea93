//! Relations of users to rooms: invitations and kicks.
//! Never: a server.

use std::sync::Arc;

use portcullis_model::RoomId;
use portcullis_store::{
    AccountStore, AppendOutcome, Change, CreateRoomOutcome, CreateUserOutcome, DeleteRoomOutcome,
    InviteOutcome, InviteRequest, JoinOutcome, JoinRequest, KickOutcome, KickRequest, LeaveOutcome,
    MessageStore, NewMessage, NewRoom, RoomStore, SqliteStore, Store, Visibility,
};

use crate::fixture::{
    FeedRecorder, StoreDirectory, local_user, new_message, new_room, room_id, user_id,
};

/// Ann's public lobby and private cellar; Bob, Cid and Dan are members of neither.
async fn open_with_rows(directory: &StoreDirectory) -> (SqliteStore, FeedRecorder) {
    let (store, feed) = directory.open();
    for name in ["Ann", "Bob", "Cid", "Dan"] {
        assert_eq!(store.create_user(local_user(name)).await.unwrap(), CreateUserOutcome::Created);
    }
    for (name, visibility) in [("lobby", Visibility::Public), ("cellar", Visibility::Private)] {
        let created =
            store.create_room(NewRoom { visibility, ..new_room(name, "ann") }).await.unwrap();
        assert_eq!(created, CreateRoomOutcome::Created);
    }
    feed.take();
    (store, feed)
}

fn invitation(to: &str, user: &str, by: &str) -> InviteRequest {
    InviteRequest {
        room: room_id(to),
        user: user_id(user),
        by: user_id(by),
        anywhere: false,
        invited_max: 2,
        party: 0,
    }
}

async fn invite(store: &SqliteStore, to: &str, user: &str) -> InviteOutcome {
    store.invite_to_room(invitation(to, user, "ann")).await.unwrap()
}

fn kick_request(from: &str, user: &str, by: &str) -> KickRequest {
    KickRequest {
        room: room_id(from),
        user: user_id(user),
        by: user_id(by),
        anywhere: false,
        barred_max: 2,
        party: 0,
    }
}

async fn kick(store: &SqliteStore, from: &str, user: &str) -> KickOutcome {
    store.kick_from_room(kick_request(from, user, "ann")).await.unwrap()
}

async fn join(store: &SqliteStore, to: &str, user: &str) -> JoinOutcome {
    let join =
        JoinRequest { room: room_id(to), user: user_id(user), origin: 0, members_max: 3, party: 0 };
    store.join_room(join).await.unwrap()
}

async fn leave(store: &SqliteStore, from: &str, user: &str) -> LeaveOutcome {
    store.leave_room(room_id(from), user_id(user)).await.unwrap()
}

fn message(to: &str, user: &str, number: u32) -> NewMessage {
    new_message(&format!("m_{to}_{user}_{number}"), to, user)
}

/// The invited and the barred users, as a start loads them.
async fn relations(store: &SqliteStore) -> (Vec<String>, Vec<String>) {
    let loaded = store.load().await.unwrap();
    let texts = |pairs: &[(RoomId, portcullis_model::UserId)]| {
        let mut texts: Vec<_> = pairs.iter().map(|(room, user)| format!("{room} {user}")).collect();
        texts.sort_unstable();
        texts
    };
    (texts(&loaded.invited), texts(&loaded.barred))
}

const JOINED: JoinOutcome = JoinOutcome::Joined { seq: 0, already: false, by_role: false };
const KICKED: KickOutcome = KickOutcome::Kicked { was_member: true };
const BARRED: KickOutcome = KickOutcome::Kicked { was_member: false };

#[tokio::test]
async fn owner_or_privileged_user_invites_to_a_room() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    let anywhere = |request| InviteRequest { anywhere: true, ..request };
    let cases = [
        (invitation("cellar", "bob", "cid"), InviteOutcome::Missing), // not the owner
        (invitation("nowhere", "bob", "ann"), InviteOutcome::Missing),
        (invitation("cellar", "ghost", "ann"), InviteOutcome::Missing),
        (anywhere(invitation("cellar", "bob", "ghost")), InviteOutcome::Missing),
        (anywhere(invitation("nowhere", "bob", "cid")), InviteOutcome::Missing),
        (invitation("cellar", "ann", "ann"), InviteOutcome::Already),
        (invitation("cellar", "bob", "ann"), InviteOutcome::Invited),
        (invitation("cellar", "bob", "ann"), InviteOutcome::Invited), // a repeat
        (anywhere(invitation("cellar", "cid", "dan")), InviteOutcome::Invited),
        (invitation("cellar", "dan", "ann"), InviteOutcome::Full),
        (invitation("cellar", "bob", "ann"), InviteOutcome::Invited), // takes no second slot
        (invitation("lobby", "dan", "ann"), InviteOutcome::Invited),  // the limit is for each room
    ];
    for (request, expect) in cases {
        let reported = match expect {
            InviteOutcome::Invited => {
                vec![Change::Invited {
                    room: request.room.clone(),
                    user: request.user.clone(),
                    party: 0,
                }]
            }
            InviteOutcome::Already | InviteOutcome::Missing | InviteOutcome::Full => vec![],
        };
        let case = format!("{request:?}");
        assert_eq!(store.invite_to_room(request).await.unwrap(), expect, "{case}");
        assert_eq!(feed.take(), reported, "{case}");
    }
    let (invited, barred) = relations(&store).await;
    assert_eq!(invited, ["cellar u_bob", "cellar u_cid", "lobby u_dan"]);
    assert_eq!(barred, [""; 0]);
}

#[tokio::test]
async fn invitation_admits_to_a_private_room_once() {
    let directory = StoreDirectory::new();
    let (store, _) = open_with_rows(&directory).await;
    assert_eq!(join(&store, "cellar", "bob").await, JoinOutcome::Missing);
    assert_eq!(invite(&store, "cellar", "bob").await, InviteOutcome::Invited);
    assert_eq!(
        join(&store, "cellar", "cid").await,
        JoinOutcome::Missing,
        "the invitation is for Bob"
    );
    assert_eq!(join(&store, "cellar", "bob").await, JOINED);
    assert_eq!(relations(&store).await.0, [""; 0], "used up");
    assert_eq!(invite(&store, "cellar", "bob").await, InviteOutcome::Already);
    assert_eq!(leave(&store, "cellar", "bob").await, LeaveOutcome::Left);
    assert_eq!(join(&store, "cellar", "bob").await, JoinOutcome::Missing);

    // A join of a full room does not use up the invitation.
    for name in ["bob", "cid"] {
        assert_eq!(invite(&store, "cellar", name).await, InviteOutcome::Invited);
        assert_eq!(join(&store, "cellar", name).await, JOINED);
    }
    assert_eq!(invite(&store, "cellar", "dan").await, InviteOutcome::Invited);
    assert_eq!(join(&store, "cellar", "dan").await, JoinOutcome::Full);
    assert_eq!(leave(&store, "cellar", "bob").await, LeaveOutcome::Left);
    assert_eq!(join(&store, "cellar", "dan").await, JOINED);

    // A join of a public room uses it up too. The owner needs no invitation.
    assert_eq!(invite(&store, "lobby", "bob").await, InviteOutcome::Invited);
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    assert_eq!(relations(&store).await.0, [""; 0]);
    assert_eq!(leave(&store, "cellar", "ann").await, LeaveOutcome::Left);
    assert_eq!(leave(&store, "cellar", "dan").await, LeaveOutcome::Left);
    assert_eq!(join(&store, "cellar", "ann").await, JOINED);
}

#[tokio::test]
async fn kicked_user_is_barred_until_invited() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    feed.take();
    assert_eq!(kick(&store, "lobby", "bob").await, KICKED);
    let (lobby, bob) = (room_id("lobby"), user_id("bob"));
    let left = Change::Left { room: lobby.clone(), user: bob.clone(), username: Arc::from("Bob") };
    let barred = Change::Barred { room: lobby.clone(), user: bob.clone(), party: 0 };
    assert_eq!(feed.take(), [left, barred.clone()], "the end of the membership comes first");
    let rejected = store.append(message("lobby", "bob", 1)).await.unwrap();
    assert_eq!(rejected, AppendOutcome::NotMember);
    assert_eq!(join(&store, "lobby", "bob").await, JoinOutcome::Missing, "though it is public");
    assert_eq!(kick(&store, "lobby", "bob").await, BARRED);
    assert_eq!(feed.take(), [barred]);
    assert_eq!(relations(&store).await.1, ["lobby u_bob"]);

    assert_eq!(invite(&store, "lobby", "bob").await, InviteOutcome::Invited);
    assert_eq!(relations(&store).await, (vec![String::from("lobby u_bob")], vec![]));
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    assert_eq!(relations(&store).await, (vec![], vec![]));

    // A kick also removes an invitation, and works for users who are not members.
    assert_eq!(invite(&store, "cellar", "cid").await, InviteOutcome::Invited);
    assert_eq!(kick(&store, "cellar", "cid").await, BARRED);
    assert_eq!(join(&store, "cellar", "cid").await, JoinOutcome::Missing);
    assert_eq!(relations(&store).await, (vec![], vec![String::from("cellar u_cid")]));

    // The slot of the kicked member is free again.
    for name in ["cid", "bob", "dan"] {
        join(&store, "lobby", name).await;
    }
    assert_eq!(join(&store, "lobby", "dan").await, JoinOutcome::Full);
    assert_eq!(kick(&store, "lobby", "cid").await, KICKED);
    assert_eq!(join(&store, "lobby", "dan").await, JOINED);
}

#[tokio::test]
async fn owner_or_privileged_user_kicks_any_member_but_the_owner() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    feed.take();
    let anywhere = |request| KickRequest { anywhere: true, ..request };
    let cases = [
        (kick_request("lobby", "bob", "cid"), KickOutcome::Missing), // not the owner
        (kick_request("lobby", "bob", "bob"), KickOutcome::Missing),
        (kick_request("lobby", "ann", "ann"), KickOutcome::Missing), // the owner
        (anywhere(kick_request("lobby", "ann", "cid")), KickOutcome::Missing),
        (kick_request("nowhere", "bob", "ann"), KickOutcome::Missing),
        (kick_request("lobby", "ghost", "ann"), KickOutcome::Missing),
        (anywhere(kick_request("lobby", "bob", "ghost")), KickOutcome::Missing),
        (KickRequest { barred_max: 0, ..kick_request("lobby", "bob", "ann") }, KickOutcome::Full),
        (anywhere(kick_request("lobby", "cid", "dan")), BARRED),
        (anywhere(kick_request("lobby", "dan", "dan")), BARRED),
        (kick_request("lobby", "bob", "ann"), KickOutcome::Full),
        (kick_request("lobby", "cid", "ann"), BARRED), // takes no second slot
    ];
    for (request, expect) in cases {
        let case = format!("{request:?}");
        assert_eq!(store.kick_from_room(request).await.unwrap(), expect, "{case}");
        assert_eq!(feed.take().is_empty(), expect != BARRED, "{case}");
    }
    let stored = store.append(message("lobby", "bob", 1)).await.unwrap();
    assert!(
        matches!(stored, AppendOutcome::Stored { .. }),
        "a user who cannot be barred stays a member"
    );
    // Barred users take no slot of invited users.
    let (_, barred) = relations(&store).await;
    assert_eq!(barred, ["lobby u_cid", "lobby u_dan"]);
    assert_eq!(invite(&store, "lobby", "cid").await, InviteOutcome::Invited);
    assert_eq!(kick(&store, "lobby", "bob").await, KICKED, "a slot is free again");
}

#[tokio::test]
async fn relations_survive_a_restart_and_end_with_the_room() {
    let directory = StoreDirectory::new();
    let (store, _) = open_with_rows(&directory).await;
    for name in ["lobby", "cellar"] {
        assert_eq!(invite(&store, name, "bob").await, InviteOutcome::Invited);
        assert_eq!(kick(&store, name, "cid").await, BARRED);
    }
    store.close().await.unwrap();
    let (store, _) = directory.open();
    let (invited, barred) = relations(&store).await;
    assert_eq!(invited, ["cellar u_bob", "lobby u_bob"]);
    assert_eq!(barred, ["cellar u_cid", "lobby u_cid"]);

    let deleted = store
        .delete_room(portcullis_store::DeleteRoomRequest {
            room: room_id("lobby"),
            by: user_id("ann"),
            anywhere: false,
        })
        .await
        .unwrap();
    assert_eq!(deleted, DeleteRoomOutcome::Deleted);
    let (invited, barred) = relations(&store).await;
    assert_eq!((invited.len(), barred.len()), (1, 1), "at once");
    // A new room with the same id has none of the old relations.
    store.create_room(new_room("lobby", "ann")).await.unwrap();
    assert_eq!(join(&store, "lobby", "cid").await, JOINED);
    store.close().await.unwrap();
    drop(store);

    // The idle writer removes the rows, at the latest after the next start.
    let (store, _) = directory.open();
    let connection = directory.sql();
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
async fn kick_takes_effect_in_order_with_messages() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    assert_eq!(join(&store, "lobby", "bob").await, JOINED);
    feed.take();
    let send = |number| store.append(message("lobby", "bob", number));
    // The order of the requests decides, not the order of the awaits.
    let before: Vec<_> = (0..50).map(send).collect();
    let kicked = store.kick_from_room(kick_request("lobby", "bob", "ann"));
    let after: Vec<_> = (50..100).map(send).collect();
    for answer in after {
        assert_eq!(answer.await.unwrap(), AppendOutcome::NotMember);
    }
    assert_eq!(kicked.await.unwrap(), KICKED);
    for (number, answer) in (1..).zip(before) {
        let answer = answer.await.unwrap();
        assert!(matches!(answer, AppendOutcome::Stored { seq, .. } if seq == number), "{answer:?}");
    }
    let reported = feed.take();
    let messages = reported.iter().take_while(|change| matches!(change, Change::Message { .. }));
    assert_eq!((messages.count(), reported.len()), (50, 52));
}

#[test]
fn no_message_is_stored_after_a_concurrent_kick() {
    const EACH: u32 = 100;
    let directory = StoreDirectory::new();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (store, feed) = runtime().block_on(open_with_rows(&directory));
    assert_eq!(runtime().block_on(join(&store, "lobby", "bob")), JOINED);
    feed.take();
    let gate = std::sync::Barrier::new(3);
    let answers = std::thread::scope(|scope| {
        let sender = |from: u32| {
            let (store, gate) = (&store, &gate);
            move || {
                gate.wait();
                // All requests wait for the writer, with the kick among them.
                let send = |number| store.append(message("lobby", "bob", from + number));
                let pending: Vec<_> = (0..EACH).map(send).collect();
                runtime().block_on(async {
                    let mut answers = Vec::new();
                    for answer in pending {
                        answers.push(answer.await.unwrap());
                    }
                    answers
                })
            }
        };
        let senders = [scope.spawn(sender(0)), scope.spawn(sender(EACH))];
        gate.wait();
        assert_eq!(runtime().block_on(kick(&store, "lobby", "bob")), KICKED);
        senders.map(|sender| sender.join().unwrap())
    });
    let mut seqs = Vec::new();
    for answers in answers {
        let mut is_rejected = false;
        for answer in answers {
            match answer {
                AppendOutcome::Stored { seq, .. } => {
                    assert!(!is_rejected, "no message after the first rejected one");
                    seqs.push(seq);
                }
                AppendOutcome::NotMember => is_rejected = true,
                other => panic!("{other:?}"),
            }
        }
    }
    seqs.sort_unstable();
    let count = u64::try_from(seqs.len()).unwrap();
    assert_eq!(seqs, (1..=count).collect::<Vec<_>>(), "no gap");
    let reported = feed.take();
    let end = reported.iter().position(|change| matches!(change, Change::Left { .. })).unwrap();
    assert_eq!(end, seqs.len(), "every message is reported before the kick");
    assert!(
        matches!(reported.get(end + 1..), Some([Change::Barred { .. }])),
        "no message is reported after it"
    );
    let next = runtime().block_on(store.append(message("lobby", "ann", 1))).unwrap();
    assert!(matches!(next, AppendOutcome::Stored { seq, .. } if seq == count + 1), "{next:?}");
}
