//! Fixtures of the tests: a server without rates, rooms, and clients that are often rejected.
//! Never: a connection that ends for its violations unless the test wants that.

use std::net::IpAddr;

use portcullis_test::{Config, Connection, Request, SioClient, TestServer, hs256};
use serde_json::{Value, json};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
/// One less than what ends a connection.
const REFUSALS_MAX: usize = 9;

pub(crate) fn start(config: &Config) -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), config)
}

/// No rate that a test about something else could meet.
pub(crate) fn unlimited() -> Config {
    let mut config = Config::default();
    let lines = [
        "message_per_user = \"100000/60s\"",
        "message_per_connection = \"100000/60s\"",
        "event_per_user = { \"chat:send\" = \"100000/60s\", \"room:create\" = \"100000/60s\", \
         \"room:join\" = \"100000/60s\", \"chat:history\" = \"100000/60s\" }",
    ];
    config.rate.extend(lines.map(String::from));
    config
}

/// A Socket.IO client from an address of its own that has not signed in.
pub(crate) fn open_from(server: &TestServer, source: [u8; 4]) -> SioClient {
    let connection = Connection::open_from(server, IpAddr::from(source));
    SioClient::over(connection, &Request::upgrade(server, PATH))
}

/// The server admits a new client from another address and answers.
pub(crate) fn alive(server: &TestServer) {
    let mut client = open_from(server, [127, 77, 0, 1]);
    client.sign_in(&hs256("alive"));
    let answer = client.ask("room:list", &json!({}));
    assert_eq!(answer["ok"], true, "{answer}");
}

/// The server wrote a record of the rule.
pub(crate) fn recorded(server: &TestServer, rule: &str) {
    let _record = server.records.wait_for_rule(rule);
}

/// Signs in, or gives the refusal.
pub(crate) fn try_sign_in(client: &mut SioClient, token: &str) -> Result<(), Value> {
    client.send(&format!("40{}", json!({ "token": token })));
    let packet = client.wait_packet(|packet| packet.starts_with("40") || packet.starts_with("44"));
    if packet.starts_with("40") { Ok(()) } else { Err(serde_json::from_str(&packet[2..]).unwrap()) }
}

/// Makes a public room; gives its id.
pub(crate) fn create_room(client: &mut SioClient, name: &str) -> String {
    let answer = client.ask("room:create", &json!({ "name": name, "visibility": "public" }));
    assert_eq!(answer["ok"], true, "{answer}");
    answer["room"]["id"].as_str().unwrap().to_owned()
}

/// Joins a room.
pub(crate) fn join(client: &mut SioClient, room: &str) {
    let answer = client.ask("room:join", &json!({ "roomId": room }));
    assert_eq!(answer["ok"], true, "{answer}");
}

/// The causes that the answer to a rejected payload may name besides its field: rules of texts.
const TEXT_CAUSES: [&str; 13] = [
    "the text is longer than 1,000 characters",
    "the text is too long",
    "the text is empty, or has only invisible characters",
    "the text has a Unicode noncharacter, such as U+FFFF",
    "a string has half of a surrogate pair: send whole characters",
    "formatting is nested more than 32 levels deep",
    "the text has more than 256 tags, or more than 16 KiB with markup",
    "the name has a control character or a Unicode noncharacter",
    "a letter of the name has more than 8 combining marks",
    "the name has an invisible character",
    "the name has whitespace other than the space character",
    "the name has < or >",
    "the name begins or ends with a space",
];

/// The code of a rejection, after a check that the answer has no other members.
pub(crate) fn code_of(answer: &Value) -> String {
    assert_eq!(answer["ok"], false, "{answer}");
    let error = answer["error"].as_object().unwrap();
    let known = ["code", "message", "ref", "field", "cause", "retry_after_s"];
    assert!(error.keys().all(|key| known.contains(&key.as_str())), "{answer}");
    assert!(!error["ref"].as_str().unwrap().is_empty(), "{answer}");
    let cause = error.get("cause").map(|cause| cause.as_str().unwrap());
    assert!(cause.is_none_or(|cause| TEXT_CAUSES.contains(&cause)), "{answer}");
    let text = answer.to_string();
    for reply in [CANARY, "::", "serde", "expected", "invalid type", "column", "missing field"] {
        assert!(!text.contains(reply), "it tells {reply}: {text}");
    }
    error["code"].as_str().unwrap().to_owned()
}

/// A value that no refusal may repeat.
pub(crate) const CANARY: &str = "zq7canary";

/// A sender and a receiver in one room. The sender comes back before its violations end it.
pub(crate) struct Talk<'a> {
    server: &'a TestServer,
    name: String,
    pub(crate) room: String,
    pub(crate) sender: SioClient,
    pub(crate) receiver: SioClient,
    refusals: usize,
}

impl<'a> Talk<'a> {
    pub(crate) fn new(server: &'a TestServer, name: &str) -> Self {
        let mut sender = SioClient::connect(server, &hs256(name));
        let room = create_room(&mut sender, name);
        let mut receiver = SioClient::connect(server, &hs256(&format!("{name}-reader")));
        join(&mut receiver, &room);
        Self { server, name: name.to_owned(), room, sender, receiver, refusals: 0 }
    }

    /// Sends a message; gives the acknowledgement.
    pub(crate) fn send(&mut self, message: &str) -> Value {
        let payload = json!({ "roomId": self.room, "message": message });
        self.ask_text(&json!(["chat:send", payload]).to_string())
    }

    /// Sends a message that has to be taken; gives what the other member receives.
    pub(crate) fn say(&mut self, message: &str) -> Value {
        let answer = self.send(message);
        assert_eq!(answer["ok"], true, "{message:?}: {answer}");
        let received = self.receiver.event("chat:message");
        assert_eq!(received["id"], answer["id"], "{received}");
        received
    }

    /// Sends a message that has to be refused; gives the code.
    pub(crate) fn refused(&mut self, message: &str) -> String {
        code_of(&self.send(message))
    }

    /// Sends the arguments of an event; `ROOM` in them stands for the room.
    pub(crate) fn ask_text(&mut self, text: &str) -> Value {
        if self.refusals == REFUSALS_MAX {
            self.sender = SioClient::connect(self.server, &hs256(&self.name));
            self.refusals = 0;
        }
        let answer = self.sender.ask_text(&text.replace("ROOM", &self.room));
        self.refusals += usize::from(answer["ok"] == false);
        answer
    }
}
