//! Rooms that a handler may emit to, and the server's own announcements.
//! Never: a message in a room that only the client's payload names.

use std::time::Duration;

use portcullis::prelude::*;
use portcullis::testing::TestServer;
use portcullis::{Broadcast, RoomFacts, Visibility};

macro_rules! room_event {
    ($type:ident, $name:literal, $access:expr) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $type {
            #[serde(deserialize_with = "field::room_id")]
            room: RoomId,
        }

        impl Event for $type {
            const NAME: &'static str = $name;
            const RULE: Rule = Rule { fields: &["room"], access: $access, ..Rule::DEFAULT };

            fn room(&self) -> Option<&RoomId> {
                Some(&self.room)
            }
        }
    };
}

room_event!(Enter, "enter", Access::User);
room_event!(Exit, "exit", Access::User);
room_event!(Notify, "tell", Access::User);
room_event!(Member, "member", Access::Member);
room_event!(Joinable, "joinable", Access::Joinable);
room_event!(Announce, "announce", Access::User);
room_event!(Evict, "evict", Access::User);
room_event!(Count, "count", Access::User);
room_event!(Remove, "remove", Access::Owner);
room_event!(Question, "question", Access::User);

fn reply() -> Payload {
    Payload::of(&json!({}))
}

fn server() -> TestServer {
    TestServer::start(|server| {
        server.on(|permit: Permit<Enter>, context: Context| async move {
            let room = &permit.payload().room;
            context.join(room)?;
            context.others_in(room).emit("entered", &reply())?;
            Ok(Reply::ok())
        })?;
        server.on(|permit: Permit<Exit>, context: Context| async move {
            let room = &permit.payload().room;
            context.leave(room)?;
            context.others_in(room).emit("left", &reply())?;
            Ok(Reply::ok())
        })?;
        let notify = |target: Broadcast| target.emit("told", &reply()).map(|()| Reply::ok());
        server.on(move |permit: Permit<Notify>, context: Context| async move {
            notify(context.everyone_in(&permit.payload().room))
        })?;
        server.on(move |permit: Permit<Member>, context: Context| async move {
            notify(context.others().to(&permit.payload().room))
        })?;
        server.on(move |permit: Permit<Joinable>, context: Context| async move {
            notify(context.others().to(&permit.payload().room))
        })?;
        server.on(move |permit: Permit<Announce>, context: Context| async move {
            notify(context.as_server().to(&permit.payload().room))
        })?;
        server.on(|permit: Permit<Evict>, context: Context| async move {
            context.others_in(&permit.payload().room).disconnect().map(|()| Reply::ok())
        })?;
        server.on(|permit: Permit<Remove>, context: Context| async move {
            let room = &permit.payload().room;
            let mut was_member = Vec::new();
            for _ in 0..2 {
                let user = member_id(&context, "member");
                was_member.push(context.remove_member(room, &user)?);
            }
            context.everyone_in(room).emit("told", &reply())?;
            Ok(Reply::fields(&json!({"was_member": was_member})))
        })?;
        server.on(|permit: Permit<Count>, context: Context| async move {
            let sockets = context.everyone_in(&permit.payload().room).fetch().await?;
            Ok(Reply::fields(&json!({"sockets": sockets.len()})))
        })?;
        server.on(|permit: Permit<Question>, context: Context| async move {
            let others = context.others_in(&permit.payload().room);
            others.emit_with_ack("asked", &reply(), Duration::from_millis(1)).await?;
            Ok(Reply::ok())
        })?;
        let room = |name: &str| RoomFacts {
            id: RoomId::parse(name).unwrap(),
            name: String::from(name),
            owner: UserId::parse("owner").unwrap(),
            visibility: Visibility::Public,
        };
        server.directory().put_room(room("listed"));
        let directory = server.directory().clone();
        server.on_new_user(move |verified| {
            directory.put_user(portcullis::UserFacts::new(
                verified.user.clone(),
                verified.subject.clone(),
            ));
            if verified.subject == "member" {
                directory.add_member(&RoomId::parse("listed").unwrap(), &verified.user);
            }
            async { Ok(()) }
        });
        Ok(())
    })
}

#[test]
fn handler_reaches_only_rooms_that_its_socket_has_joined() {
    let server = server();
    let (mut ann, mut bob) = (server.connect("ann"), server.connect("bob"));
    let tea = json!({"room": "tea"});
    bob.accepted("enter", tea.clone());
    for event in ["tell", "joinable", "evict", "count", "question"] {
        let room = if event == "joinable" { json!({"room": "listed"}) } else { tea.clone() };
        assert_eq!(ann.rejected(event, room)["code"], "forbidden", "{event}");
    }
    assert!(bob.received("told").is_empty());
    // What the handler itself joins is covered at once, and in later events.
    ann.accepted("enter", tea.clone());
    assert_eq!(bob.event("entered"), json!({}));
    ann.accepted("tell", tea.clone());
    assert_eq!((ann.received("told").len(), bob.received("told").len()), (1, 1));
    assert_eq!(ann.accepted("count", tea.clone())["sockets"], 2);
    // The handler of the event that leaves may say so; later ones may not.
    ann.accepted("exit", tea.clone());
    assert_eq!(bob.event("left"), json!({}));
    assert_eq!(ann.rejected("tell", tea)["code"], "forbidden");
    assert!(bob.received("told").is_empty());
}

#[test]
fn permit_of_a_member_covers_its_room() {
    let server = server();
    let (mut member, mut other) = (server.connect("member"), server.connect("other"));
    let listed = json!({"room": "listed"});
    other.accepted("enter", listed.clone());
    member.accepted("member", listed.clone());
    assert_eq!(other.event("told"), json!({}));
    assert_eq!(other.rejected("member", listed)["code"], "forbidden");
}

fn member_id(context: &Context, name: &str) -> UserId {
    let users = context.directory.user_ids();
    let user =
        users.into_iter().find(|id| context.directory.user(id).unwrap().name().as_ref() == name);
    user.unwrap()
}

#[test]
fn removed_member_cannot_send_and_all_its_sockets_leave_the_room() {
    let server = server();
    let mut owner = server.connect("owner");
    let (mut member, mut second) = (server.connect("member"), server.connect("member"));
    let mut other = server.connect("other");
    let listed = json!({"room": "listed"});
    for client in [&mut member, &mut second, &mut other] {
        client.accepted("enter", listed.clone());
    }
    member.accepted("member", listed.clone());
    assert_eq!(other.event("told"), json!({}));
    assert_eq!(second.event("told"), json!({}));
    let room = RoomId::parse("listed").unwrap();
    let id = server.user_id("owner");
    server.directory().put_room(RoomFacts {
        id: room.clone(),
        name: String::from("listed"),
        owner: id.clone(),
        visibility: Visibility::Public,
    });
    server.directory().add_member(&room, &id);
    server.directory().add_member(&room, &server.user_id("member"));
    let reply = owner.accepted("remove", listed.clone());
    assert_eq!(reply["was_member"], json!([true, false]));
    assert_eq!(other.event("told"), json!({}), "sockets of other users stay");
    for client in [&mut member, &mut second] {
        assert!(client.received("told").is_empty(), "no socket of the removed member receives");
        assert_eq!(client.rejected("member", listed.clone())["code"], "forbidden");
    }
}

#[test]
fn server_announces_to_any_room() {
    let server = server();
    let (mut ann, mut bob) = (server.connect("ann"), server.connect("bob"));
    bob.accepted("enter", json!({"room": "tea"}));
    ann.accepted("announce", json!({"room": "tea"}));
    assert_eq!(bob.event("told"), json!({}));
}

#[test]
fn rejected_room_is_not_a_violation() {
    let server = server();
    let mut ann = server.connect("ann");
    // Ten violations in a minute end a connection; the handler may be at fault, not the user.
    for _ in 0..15 {
        assert_eq!(ann.rejected("tell", json!({"room": "tea"}))["code"], "forbidden");
    }
    ann.accepted("enter", json!({"room": "tea"}));
}
