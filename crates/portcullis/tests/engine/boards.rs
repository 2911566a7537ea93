//! Clients of the two example servers that take binary data: the board and the open one.
//! Never: an attachment or a packet that the test did not ask for.

use portcullis_test::{
    ExampleServer, Frame, RawWebSocket, SECRET, claims, forge_hs256, frame_bytes, now_s,
};
use serde_json::{Value, json};

use crate::clients::PATH;

/// A placeholder for an attachment.
pub(crate) const IMAGE: &str = r#"{"_placeholder":true,"num":0}"#;

pub(crate) fn start_board() -> ExampleServer {
    ExampleServer::start("board", &[("BOARD_SECRET", SECRET)])
}

/// The open server, with a long heartbeat that does not affect the test.
pub(crate) fn start_open() -> ExampleServer {
    let long = [("PING_INTERVAL_MS", "60000"), ("PING_TIMEOUT_MS", "60000")];
    ExampleServer::start("conformance", &long)
}

/// A token of the board's issuer.
pub(crate) fn board_token(name: &str) -> String {
    board_token_until(name, now_s() + 600)
}

/// A token of the board's issuer that ends then.
pub(crate) fn board_token_until(name: &str, exp: i64) -> String {
    let mut claims = claims(name);
    claims["iss"] = json!("https://board.example");
    claims["iat"] = json!(now_s().min(exp) - 1);
    claims["exp"] = json!(exp);
    forge_hs256(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string(), SECRET.as_bytes())
}

/// One socket in one namespace, packet by packet.
pub(crate) struct Client {
    pub(crate) socket: RawWebSocket,
    /// What stands in front of a packet's id and arguments: nothing, or `/board,`.
    pub(crate) place: &'static str,
    /// What the CONNECT was answered with.
    pub(crate) joined: Value,
    next_ack: u64,
    seen: Vec<Frame>,
}

impl Client {
    /// Connects without asking for a namespace.
    pub(crate) fn open(server: &ExampleServer, place: &'static str) -> Self {
        Self::open_with(server, place, "")
    }

    /// The same with more parameters in the URL.
    pub(crate) fn open_with(server: &ExampleServer, place: &'static str, query: &str) -> Self {
        let path = format!("{PATH}{query}");
        let mut socket = RawWebSocket::upgrade(server.connect(), &server.upgrade(&path));
        assert!(socket.next_frame().expect("an open packet").text().starts_with("0{"));
        Self { socket, place, joined: Value::Null, next_ack: 0, seen: Vec::new() }
    }

    /// Signs in at `/board`.
    pub(crate) fn board(server: &ExampleServer, name: &str) -> Self {
        let mut client = Self::open(server, "/board,");
        client.join(&json!({ "token": board_token(name) })).expect("to be admitted");
        client
    }

    /// Joins `/` of the open server.
    pub(crate) fn anyone(server: &ExampleServer) -> Self {
        let mut client = Self::open(server, "");
        client.join(&json!({})).expect("to be admitted");
        client
    }

    /// Asks for the namespace; `Err` is the refusal.
    pub(crate) fn join(&mut self, payload: &Value) -> Result<Value, Value> {
        self.join_with(&payload.to_string())
    }

    /// The same with any text.
    pub(crate) fn join_with(&mut self, payload: &str) -> Result<Value, Value> {
        self.send(&format!("40{}{payload}", self.place));
        let (yes, no) = (format!("40{}{{", self.place), format!("44{}{{", self.place));
        let text = self.text(|text| text.starts_with(&yes) || text.starts_with(&no));
        let value: Value = serde_json::from_str(&text[yes.len() - 1..]).unwrap();
        if text.starts_with(&yes) {
            self.joined = value.clone();
            Ok(value)
        } else {
            Err(value)
        }
    }

    pub(crate) fn send(&mut self, packet: &str) {
        self.socket.send_text(packet);
    }

    pub(crate) fn send_binary(&mut self, bytes: &[u8]) {
        self.socket.connection.send(&frame_bytes(0x82, bytes));
    }

    /// Emits an event with a payload and gives its acknowledgement.
    pub(crate) fn ask(&mut self, event: &str, payload: &Value) -> Value {
        let id = self.start(event, payload);
        self.answer(id)
    }

    /// Emits an event; its acknowledgement is read later, by the id that is given.
    pub(crate) fn start(&mut self, event: &str, payload: &Value) -> u64 {
        let id = self.next_ack;
        self.next_ack += 1;
        self.send(&format!("42{}{id}{}", self.place, json!([event, payload])));
        id
    }

    /// The acknowledgement of an event.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        let prefix = format!("43{}{id}[", self.place);
        let text = self.text(|text| text.starts_with(&prefix));
        let arguments: Value = serde_json::from_str(&text[prefix.len() - 1..]).unwrap();
        arguments[0].clone()
    }

    /// Joins a board.
    pub(crate) fn enter(&mut self, board: &str) {
        assert_eq!(self.ask("board:join", &json!({ "board": board }))["ok"], true);
    }

    /// The id and payload of the next event of a name that asks for an acknowledgement.
    pub(crate) fn next_request(&mut self, event: &str) -> (u64, Value) {
        let prefix = format!("42{}", self.place);
        let name = format!("[\"{event}\",");
        let text = self.text(|text| text.starts_with(&prefix) && text.contains(&name));
        let rest = &text[prefix.len()..];
        let (id, arguments) = rest.split_at(rest.find('[').unwrap());
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        (id.parse().unwrap_or(u64::MAX), arguments[1].clone())
    }

    /// The arguments of the next event of a name.
    pub(crate) fn event(&mut self, event: &str) -> Value {
        let prefix = format!("42{}[\"{event}\",", self.place);
        let text = self.text(|text| text.starts_with(&prefix));
        serde_json::from_str(&text[2 + self.place.len()..]).unwrap()
    }

    /// The next text that fits; others are kept.
    pub(crate) fn text(&mut self, fits: impl Fn(&str) -> bool) -> String {
        self.frame(|frame| frame.opcode == 1 && fits(&frame.text())).text()
    }

    /// The next binary message.
    pub(crate) fn binary(&mut self) -> Vec<u8> {
        self.frame(|frame| frame.opcode == 2).payload
    }

    fn frame(&mut self, fits: impl Fn(&Frame) -> bool) -> Frame {
        if let Some(at) = self.seen.iter().position(&fits) {
            return self.seen.remove(at);
        }
        loop {
            let frame = self.socket.next_frame().expect("a packet before the end");
            assert_ne!(frame.opcode, 8, "closed: {:?}; seen: {:?}", frame.close_code(), self.seen);
            if frame.opcode == 1 && frame.payload == b"2" {
                self.send("3");
            } else if fits(&frame) {
                return frame;
            } else {
                self.seen.push(frame);
            }
        }
    }

    /// Every text that was read and not asked for.
    pub(crate) fn unread(&self) -> Vec<String> {
        self.seen.iter().filter(|frame| frame.opcode == 1).map(Frame::text).collect()
    }

    /// Reads until the server closes; gives the code.
    pub(crate) fn close_code(&mut self) -> Option<u16> {
        self.socket.close_code()
    }
}
