//! Accounts, chat and events of its own in one server: notes of a room, sealed at rest.
//! Never: the text of a note in memory or on disk before a member asks for it.
//!
//! ```sh
//! cargo run --example notes -- --port 3000 --data notes-data
//! ```
//!
//! Users register at `POST /auth/register`, sign in at `POST /auth/login`, and create and join
//! rooms with the events of the chat. This program's own are `note:add {roomId, text}` and
//! `note:read {roomId, number}`. Its tests, at the end of this file, use the test kit.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis::prelude::*;
use portcullis::{ChatServerOptions, Error};

/// Notes that a room keeps.
const NOTES_MAX: usize = 100;
/// Rooms with notes.
const ROOMS_MAX: usize = 10_000;

/// `note:add {roomId, text}`: a member adds a note; the server seals its text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AddNote {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
    text: Sealed<String>,
}

impl Event for AddNote {
    const NAME: &'static str = "note:add";
    const RULE: Rule = Rule {
        fields: &["roomId", "text"],
        sealed: &["/text"],
        size_max_bytes: 6 * 1024,
        rate: Some(Rate::per(20, 10_000)),
        access: Access::Member,
        speaks: true,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        self.text.edit(|text| {
            *text = cleaner.message("text", text)?.text;
            Ok(())
        })
    }
}

/// `note:read {roomId, number}`: a member reads a note.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ReadNote {
    #[serde(deserialize_with = "field::room_id")]
    room_id: RoomId,
    number: usize,
}

impl Event for ReadNote {
    const NAME: &'static str = "note:read";
    const RULE: Rule = Rule {
        fields: &["roomId", "number"],
        size_max_bytes: 512,
        access: Access::Member,
        ..Rule::DEFAULT
    };

    fn room(&self) -> Option<&RoomId> {
        Some(&self.room_id)
    }
}

/// A stored note: its author, and its sealed text.
struct Note {
    author: UserId,
    text: Sealed<String>,
}

/// All notes, by room.
type Notes = Arc<Mutex<HashMap<RoomId, Vec<Note>>>>;

fn main() -> Result<(), Error> {
    let data = PathBuf::from(argument("--data").unwrap_or_else(|| String::from("notes-data")));
    let port = argument("--port").and_then(|port| port.parse().ok()).unwrap_or(3000);
    let mut server = Server::builder()
        .listen(([127, 0, 0, 1], port).into())
        .own_origin()
        .chat(ChatServerOptions::new(data))
        .build()?;
    declare(&mut server)?;
    if let Some(token) = server.setup_token() {
        eprintln!("the first administrator: POST /auth/setup with token {}", token.expose());
    }
    server.run()
}

/// The events of this program; the tests declare the same ones.
fn declare(server: &mut Server) -> Result<(), Error> {
    let notes = Notes::default();
    let shared = Arc::clone(&notes);
    server.on(move |permit: Permit<AddNote>, context: Context| {
        let added = add(&shared, &permit, &context);
        async move { added }
    })?;
    if let Some(keys) = server.field_keys().cloned() {
        server.on(move |permit: Permit<ReadNote>, context: Context| {
            let read = read(&notes, &keys, &permit, &context);
            async move { read }
        })?;
    }
    Ok(())
}

fn add(notes: &Notes, permit: &Permit<AddNote>, context: &Context) -> Result<Reply, Denial> {
    let AddNote { room_id, text } = permit.payload();
    let mut notes = notes.lock();
    if notes.len() >= ROOMS_MAX && !notes.contains_key(room_id) {
        return Err(Denial::app("notes_full", "The server keeps notes of no further room"));
    }
    let kept = notes.entry(room_id.clone()).or_default();
    if kept.len() >= NOTES_MAX {
        return Err(Denial::app("notes_full", format!("A room keeps {NOTES_MAX} notes")));
    }
    kept.push(Note { author: permit.user().id.clone(), text: text.clone() });
    let number = kept.len();
    let added = json!({"roomId": room_id.as_str(), "number": number, "by": permit.user().name()});
    // The permit covers the room: the rule asks for a member.
    context.others_in(room_id).emit("note:added", &Payload::of(&added))?;
    Ok(Reply::fields(&json!({"number": number})))
}

fn read(
    notes: &Notes,
    keys: &FieldKeys,
    permit: &Permit<ReadNote>,
    context: &Context,
) -> Result<Reply, Denial> {
    let ReadNote { room_id, number } = permit.payload();
    let notes = notes.lock();
    let note = notes.get(room_id).and_then(|kept| kept.get(number.checked_sub(1)?));
    let note = note.ok_or_else(|| Denial::app("note_missing", "There is no such note"))?;
    let place = SealedPlace {
        namespace: context.namespace.as_str(),
        event: AddNote::NAME,
        user: &note.author,
        room: Some(room_id),
        field: "/text",
    };
    let text = note.text.open(keys, &place)?;
    Ok(Reply::fields(&json!({"text": text})))
}

/// The value behind a name on the command line.
fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

#[cfg(test)]
mod tests {
    use portcullis::testing::{TestClient, TestGate, TestServer};

    use super::*;

    /// The whole server, with its accounts in a fresh directory.
    fn server() -> (TestServer, tempfile::TempDir) {
        let data = tempfile::tempdir().unwrap();
        let builder = TestServer::builder().chat(ChatServerOptions::new(data.path()));
        (TestServer::start_with(builder, declare), data)
    }

    /// Registers a user, signs in, and connects.
    fn connect(server: &TestServer, name: &str) -> TestClient {
        let account = json!({"username": name, "password": "a long sentence of mine"});
        assert_eq!(server.post("/auth/register", None, account.clone()).status, 201);
        let login = server.post("/auth/login", None, account).json();
        server.try_connect("/", login["access_token"].as_str().unwrap()).unwrap()
    }

    fn room(owner: &mut TestClient) -> serde_json::Value {
        let room = json!({"name": "Tea", "visibility": "public"});
        owner.accepted("room:create", room)["room"]["id"].clone()
    }

    #[test]
    fn members_add_and_read_notes_of_a_room_of_the_chat() {
        let (server, _data) = server();
        let (mut ann, mut bob) = (connect(&server, "ann"), connect(&server, "bob"));
        let room = room(&mut ann);
        bob.accepted("room:join", json!({"roomId": room}));
        let added = ann.accepted("note:add", json!({"roomId": room, "text": "buy <b>tea</b>"}));
        assert_eq!(added["number"], 1);
        let received = bob.event("note:added");
        assert_eq!(received, json!({"roomId": room, "number": 1, "by": "ann"}));
        let read = bob.accepted("note:read", json!({"roomId": room, "number": 1}));
        assert_eq!(read["text"], "buy tea");
        let missing = bob.rejected("note:read", json!({"roomId": room, "number": 2}));
        assert_eq!(
            (&missing["code"], &missing["message"]),
            (&json!("note_missing"), &json!("There is no such note"))
        );
    }

    #[test]
    fn user_outside_the_room_is_rejected_and_members_get_nothing() {
        let (server, _data) = server();
        let (mut ann, mut eve) = (connect(&server, "ann"), connect(&server, "eve"));
        let room = room(&mut ann);
        for (event, payload) in [
            ("note:add", json!({"roomId": room, "text": "spam"})),
            ("note:read", json!({"roomId": room, "number": 1})),
        ] {
            assert_eq!(eve.rejected(event, payload)["code"], "forbidden", "{event}");
        }
        assert!(ann.received("note:added").is_empty());
    }

    #[test]
    fn note_is_sealed_before_the_handler_gets_it() {
        let directory = tempfile::tempdir().unwrap();
        let keys = FieldKeys::create(directory.path()).unwrap();
        let mut gate = TestGate::new().field_keys(&keys);
        let (ann, room) = (gate.user("ann"), RoomId::parse("tea").unwrap());
        let facts = portcullis::RoomFacts {
            id: room.clone(),
            name: String::from("Tea"),
            owner: ann.clone(),
            visibility: portcullis::Visibility::Public,
        };
        gate.directory().put_room(facts);
        assert!(gate.directory().add_member(&room, &ann));
        let permit = gate.permit("ann", json!({"roomId": "tea", "text": "a secret"})).unwrap();
        let (context, _sent) = gate.context(&permit);
        let notes = Notes::default();
        add(&notes, &permit, &context).unwrap();
        let stored = notes.lock()[&room][0].text.to_bytes().unwrap();
        assert!(!stored.windows(6).any(|bytes| bytes == b"secret"));
    }
}
