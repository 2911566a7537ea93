//! A Socket.IO client over WebSocket for tests.
//! Never: an event lost because the test waits for another one first.

use std::collections::VecDeque;
use std::net::SocketAddr;

use portcullis_guard::Event;
use serde_json::{Value, json};

use super::socket::{Frame, Request, TestSocket};
use super::sync::{SYNCED, Sync};

/// A client in one namespace. Pings are answered whenever it reads.
pub struct TestClient {
    socket: TestSocket,
    /// `/name,` before the content of packets; empty for the main namespace.
    prefix: String,
    next_ack: u64,
    /// Events that were read, but not yet taken by the test.
    events: VecDeque<(String, Value)>,
    closed: Option<Option<u16>>,
}

/// A packet of the server.
enum Packet {
    Event(String, Value),
    Ack(u64, Value),
    Connected,
    Rejected(Value),
    Other,
}

impl TestClient {
    #[track_caller]
    pub(super) fn connect(public: SocketAddr, namespace: &str, token: &str) -> Result<Self, Value> {
        let mut socket = TestSocket::open(public);
        let path = "/socket.io/?EIO=4&transport=websocket";
        let request = Request { method: "GET", path, bearer: None, body: None, upgrade: true };
        let (status, body) = socket.request(&request);
        assert!(status == 101, "status {status} instead of a WebSocket: {}", body.escape_ascii());
        let prefix = if namespace == "/" { String::new() } else { format!("{namespace},") };
        let events = VecDeque::new();
        let mut client = Self { socket, prefix, next_ack: 0, events, closed: None };
        client.socket.send_text(&format!("40{}{}", client.prefix, json!({"token": token})));
        loop {
            match client.read("the answer to CONNECT") {
                Some(Packet::Connected) => return Ok(client),
                Some(Packet::Rejected(error)) => return Err(error),
                Some(Packet::Event(name, payload)) => client.events.push_back((name, payload)),
                Some(Packet::Ack(..) | Packet::Other) => {}
                None => panic!("the server closed during CONNECT: {:?}", client.closed),
            }
        }
    }

    /// Emits an event without asking for an acknowledgement.
    pub fn emit(&mut self, event: &str, payload: Value) {
        let packet = format!("42{}{}", self.prefix, json!([event, payload]));
        self.socket.send_text(&packet);
    }

    /// Emits an event and returns its acknowledgement: `{"ok": true, …}` or `{"ok": false, …}`.
    ///
    /// # Panics
    /// When the server closes, or does not answer.
    #[track_caller]
    pub fn ask(&mut self, event: &str, payload: Value) -> Value {
        self.ask_for(event, &json!([event, payload]))
    }

    /// Emits an event with an idempotency key, and returns its acknowledgement.
    ///
    /// # Panics
    /// When the server closes, or does not answer.
    #[track_caller]
    pub fn ask_with_mid(&mut self, event: &str, payload: Value, mid: &str) -> Value {
        self.ask_for(event, &json!([event, payload, {"mid": mid}]))
    }

    #[track_caller]
    fn ask_for(&mut self, event: &str, arguments: &Value) -> Value {
        let id = self.next_ack;
        self.next_ack += 1;
        let packet = format!("42{}{id}{arguments}", self.prefix);
        self.socket.send_text(&packet);
        loop {
            match self.read(&format!("the acknowledgement of {event:?}")) {
                Some(Packet::Ack(found, answer)) if found == id => return answer,
                Some(Packet::Event(name, payload)) => self.events.push_back((name, payload)),
                Some(_) => {}
                None => panic!("the server closed before it answered {event:?}: {:?}", self.closed),
            }
        }
    }

    /// Emits an event that must be accepted, and returns its acknowledgement.
    ///
    /// # Panics
    /// When it is rejected.
    #[track_caller]
    pub fn accepted(&mut self, event: &str, payload: Value) -> Value {
        let answer = self.ask(event, payload);
        assert!(answer["ok"] == true, "{event:?} is rejected: {answer}");
        answer
    }

    /// Emits an event that must be rejected, and returns the error: `{code, message, ref, …}`.
    ///
    /// # Panics
    /// When it is accepted.
    #[track_caller]
    pub fn rejected(&mut self, event: &str, payload: Value) -> Value {
        let mut answer = self.ask(event, payload);
        assert!(answer["ok"] == false, "{event:?} is accepted: {answer}");
        answer["error"].take()
    }

    /// Waits for the first event of this name that no call has returned.
    ///
    /// # Panics
    /// When it does not arrive; the text lists the events that arrived.
    #[track_caller]
    pub fn event(&mut self, name: &str) -> Value {
        loop {
            let known = self.events.iter().position(|(known, _)| known == name);
            if let Some((_, payload)) = known.and_then(|at| self.events.remove(at)) {
                return payload;
            }
            let so_far: Vec<&str> = self.events.iter().map(|(name, _)| name.as_str()).collect();
            let what = format!("event {name:?} (so far: {so_far:?})");
            match self.read(&what) {
                Some(Packet::Event(name, payload)) => self.events.push_back((name, payload)),
                Some(_) => {}
                None => panic!("the server closed before {what}: {:?}", self.closed),
            }
        }
    }

    /// All events of this name that were emitted until now and that no call has returned.
    ///
    /// It includes all events that a handler emitted before a client read its acknowledgement, so
    /// an empty list proves that none was sent.
    ///
    /// # Panics
    /// When the server closes, or does not answer.
    #[track_caller]
    pub fn received(&mut self, name: &str) -> Vec<Value> {
        self.sync();
        let mut found = Vec::new();
        self.events.retain(|(known, payload)| {
            let is_it = known == name;
            if is_it {
                found.push(payload.clone());
            }
            !is_it
        });
        found
    }

    /// Waits until the server closes the connection; returns the close code, if there is one.
    ///
    /// # Panics
    /// When it does not close.
    #[track_caller]
    pub fn close_code(&mut self) -> Option<u16> {
        while self.closed.is_none() {
            self.read("the end of the connection");
        }
        self.closed.flatten()
    }

    /// Waits until all events emitted before have arrived.
    #[track_caller]
    fn sync(&mut self) {
        assert!(self.prefix.is_empty(), "only clients of namespace / can wait for all events");
        self.accepted(Sync::NAME, json!({}));
        self.event(SYNCED);
    }

    /// The next packet; `None` after the server has closed.
    #[track_caller]
    fn read(&mut self, what: &str) -> Option<Packet> {
        if self.closed.is_some() {
            return None;
        }
        match self.socket.next_frame(what) {
            Frame::Text(text) if text == "2" => {
                self.socket.send_text("3");
                Some(Packet::Other)
            }
            Frame::Text(text) => Some(self.parse(&text)),
            Frame::Binary => Some(Packet::Other),
            Frame::Close(code) => {
                self.closed = Some(code);
                None
            }
            Frame::End => {
                self.closed = Some(None);
                None
            }
        }
    }

    fn parse(&self, text: &str) -> Packet {
        let (kind, rest) = text.split_at_checked(2).unwrap_or((text, ""));
        let rest = rest.strip_prefix(self.prefix.as_str()).unwrap_or(rest);
        match kind {
            "40" => Packet::Connected,
            "44" => Packet::Rejected(serde_json::from_str(rest).unwrap_or_default()),
            "42" | "43" => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let (id, json) = rest.split_at_checked(digits).unwrap_or(("", rest));
                let arguments = serde_json::from_str::<Vec<Value>>(json).unwrap_or_default();
                let mut arguments = arguments.into_iter();
                let first = arguments.next().unwrap_or_default();
                if kind == "43" {
                    return id.parse().map_or(Packet::Other, |id| Packet::Ack(id, first));
                }
                let name = String::from(first.as_str().unwrap_or_default());
                Packet::Event(name, arguments.next().unwrap_or_default())
            }
            _ => Packet::Other,
        }
    }
}
