//! A long-polling client that can misbehave: every request is its own, and may be any.
//! Never: polls, posts or answers a ping unless the test reads.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::clients::connection::Connection;
use crate::clients::events::{acknowledgement, event_payload, event_prefix};
use crate::clients::http::{Answer, Request};
use crate::clients::websocket::RawWebSocket;
use crate::deadline::{Deadline, WAIT};
use crate::servers::example::ExampleServer;
use crate::servers::server::TestServer;

/// The separator of two packets.
pub const SEPARATOR: char = '\u{1e}';

/// Which server a client talks to.
#[derive(Clone, Copy)]
pub enum Peer<'a> {
    /// The product.
    Product(&'a TestServer),
    /// An example.
    Example(&'a ExampleServer),
}

impl<'a> From<&'a TestServer> for Peer<'a> {
    fn from(server: &'a TestServer) -> Self {
        Self::Product(server)
    }
}

impl<'a> From<&'a ExampleServer> for Peer<'a> {
    fn from(server: &'a ExampleServer) -> Self {
        Self::Example(server)
    }
}

impl Peer<'_> {
    fn host(self) -> String {
        match self {
            Self::Product(server) => server.public.to_string(),
            Self::Example(server) => server.public.to_string(),
        }
    }

    fn origin(self) -> String {
        match self {
            Self::Product(server) => server.origin.clone(),
            Self::Example(server) => server.origin.clone(),
        }
    }

    fn connect(self, source: IpAddr) -> Connection {
        match self {
            Self::Product(server) => Connection::open_from(server, source),
            Self::Example(server) => server.connect(),
        }
    }
}

/// A long-polling client. Each request is built from its fields: change one, and it is
/// another client with the same `sid`.
#[derive(Clone)]
pub struct PollingClient<'a> {
    /// The server it talks to.
    pub peer: Peer<'a>,
    /// Where its connections come from.
    pub source: IpAddr,
    /// Its path.
    pub path: String,
    /// The page it says it runs on; none at all when empty.
    pub origin: String,
    /// The program it says it is; none at all when empty.
    pub agent: String,
    /// The session.
    pub sid: String,
    /// The content of the open packet.
    pub opened: Value,
    /// The id of the next event that asks for an acknowledgement.
    pub next_ack: u64,
    /// Packets that were polled and not used yet.
    pub seen: Vec<String>,
}

impl<'a> PollingClient<'a> {
    /// A client with good headers and no session.
    #[must_use]
    pub fn outsider(peer: impl Into<Peer<'a>>) -> Self {
        let peer = peer.into();
        Self {
            peer,
            source: IpAddr::from([127, 0, 0, 1]),
            path: String::from("/socket.io/"),
            origin: peer.origin(),
            agent: String::from("polling-test/1"),
            sid: String::new(),
            opened: Value::Null,
            next_ack: 0,
            seen: Vec::new(),
        }
    }

    /// Opens a session without a signed-in user.
    #[must_use]
    pub fn open(peer: impl Into<Peer<'a>>) -> Self {
        let mut client = Self::outsider(peer);
        client.handshake();
        client
    }

    /// Opens a session from a loopback address of choice.
    #[must_use]
    pub fn open_from(server: &'a TestServer, source: [u8; 4]) -> Self {
        let mut client = Self { source: IpAddr::from(source), ..Self::outsider(server) };
        client.handshake();
        client
    }

    /// Opens a session and signs in at `/`.
    #[must_use]
    pub fn connect(peer: impl Into<Peer<'a>>, token: &str) -> Self {
        let mut client = Self::open(peer);
        client.sign_in(token);
        client
    }

    /// Opens a session with the headers there are.
    ///
    /// # Panics
    /// If none is available.
    pub fn handshake(&mut self) {
        let answer = self.send(&self.request("GET", ""));
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{body}");
        let open = body.strip_prefix('0').expect("an open packet");
        self.opened = serde_json::from_str(open).unwrap();
        self.sid = self.opened["sid"].as_str().expect("sid").to_owned();
    }

    /// A connection from where the client is.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.peer.connect(self.source)
    }

    /// A request for the session, if there is one; `more` is added to the query as it is.
    #[must_use]
    pub fn request(&self, method: &str, more: &str) -> Request {
        self.request_over("polling", method, more)
    }

    fn request_over(&self, transport: &str, method: &str, more: &str) -> Request {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        let query = format!("EIO=4&transport={transport}{sid}{more}");
        let line = format!("{method} {}?{query} HTTP/1.1", self.path);
        let mut request = Request::bare(&line).header("Host", &self.peer.host());
        if !self.origin.is_empty() {
            request = request.header("Origin", &self.origin);
        }
        if !self.agent.is_empty() {
            request = request.header("User-Agent", &self.agent);
        }
        request
    }

    /// A good poll.
    #[must_use]
    pub fn poll_request(&self) -> Request {
        self.request("GET", "")
    }

    /// A good post of these bytes.
    #[must_use]
    pub fn post_request(&self, body: &[u8]) -> Request {
        self.request("POST", "")
            .header("Content-Type", "text/plain;charset=UTF-8")
            .header("Content-Length", &body.len().to_string())
            .body(body)
    }

    /// A good upgrade of the session.
    #[must_use]
    pub fn upgrade_request(&self) -> Request {
        self.request_over("websocket", "GET", "")
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Sends a request on a connection of its own and reads the answer.
    #[must_use]
    pub fn send(&self, request: &Request) -> Answer {
        request.ask_on(&mut self.connection())
    }

    /// Polls once.
    #[must_use]
    pub fn poll(&self) -> Answer {
        self.send(&self.poll_request())
    }

    /// Posts a body.
    #[must_use]
    pub fn post(&self, body: &str) -> Answer {
        self.send(&self.post_request(body.as_bytes()))
    }

    /// Posts packets that have to be taken.
    ///
    /// # Panics
    /// When they are not.
    pub fn say(&self, body: &str) {
        let answer = self.post(body);
        let shown = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, shown.as_str()), (200, "ok"), "{body:.200}");
    }

    /// Sends a poll and does not read its answer.
    #[must_use]
    pub fn start_poll(&self) -> Connection {
        let mut connection = self.connection();
        connection.send(&self.poll_request().bytes());
        connection
    }

    /// Moves to a WebSocket: probe, answer, switch.
    ///
    /// # Panics
    /// When the server does not agree.
    #[must_use]
    pub fn upgrade(&self) -> RawWebSocket {
        let mut socket = self.probe();
        socket.send_text("5");
        socket
    }

    /// Opens a WebSocket for the session and probes it; the switch is left to the test.
    ///
    /// # Panics
    /// When the server does not answer the probe.
    #[must_use]
    pub fn probe(&self) -> RawWebSocket {
        let mut socket = self.open_upgrade();
        socket.send_text("2probe");
        let answer = socket.next_frame().expect("an answer to the probe");
        assert_eq!((answer.opcode, answer.payload.as_slice()), (1, b"3probe".as_slice()));
        socket
    }

    /// Opens a WebSocket for the session and says nothing.
    #[must_use]
    pub fn open_upgrade(&self) -> RawWebSocket {
        RawWebSocket::upgrade(self.connection(), &self.upgrade_request())
    }

    /// Signs in at `/`.
    pub fn sign_in(&mut self, token: &str) -> Value {
        self.join(&json!({ "token": token }).to_string()).expect("to be admitted")
    }

    /// Asks for `/` with any payload; `Err` is the refusal.
    ///
    /// # Errors
    /// The payload of a CONNECT_ERROR.
    pub fn join(&mut self, payload: &str) -> Result<Value, Value> {
        let _answered_by_the_next_poll = self.post(&format!("40{payload}"));
        let answer =
            self.wait_packet(|packet| packet.starts_with("40") || packet.starts_with("44"));
        let value = serde_json::from_str(&answer[2..]).unwrap();
        if answer.starts_with("40") { Ok(value) } else { Err(value) }
    }

    /// Emits an event with a payload and gives its acknowledgement.
    pub fn ask(&mut self, event: &str, payload: &Value) -> Value {
        let ack = self.next_ack;
        self.next_ack += 1;
        self.say(&format!("42{ack}{}", json!([event, payload])));
        let prefix = format!("43{ack}[");
        let answer = self.wait_packet(|packet| packet.starts_with(&prefix));
        acknowledgement(&prefix, &answer)
    }

    /// Waits for an event by name, past everything else, and gives its payload.
    pub fn event(&mut self, name: &str) -> Value {
        let prefix = event_prefix(name);
        event_payload(&self.wait_packet(|packet| packet.starts_with(&prefix)))
    }

    /// Waits for a matching packet; earlier packets are kept in `seen`.
    ///
    /// # Panics
    /// If the session ends first, or nothing arrives in time.
    pub fn wait_packet(&mut self, fits: impl Fn(&str) -> bool) -> String {
        let deadline = Deadline::after(WAIT);
        loop {
            if let Some(at) = self.seen.iter().position(|packet| fits(packet)) {
                return self.seen.remove(at);
            }
            deadline.check("a packet");
            assert!(self.collect_packets(), "ended while waiting; seen: {:?}", self.seen);
        }
    }

    /// Polls once, answers a ping, keeps everything else; false once the session has ended.
    pub fn collect_packets(&mut self) -> bool {
        let answer = self.poll();
        if answer.status != 200 {
            return false;
        }
        for packet in packets(&answer) {
            match packet.as_str() {
                "2" => self.say("3"),
                "6" => {}
                _ => self.seen.push(packet),
            }
        }
        true
    }

    /// Polls until the session has ended; returns everything it received.
    pub fn rest(&mut self) -> Vec<String> {
        let deadline = Deadline::after(WAIT);
        while self.collect_packets() {
            deadline.check("the end of the session");
        }
        std::mem::take(&mut self.seen)
    }
}

/// The packets of a poll's answer.
#[must_use]
pub fn packets(answer: &Answer) -> Vec<String> {
    let body = String::from_utf8(answer.body.clone()).unwrap();
    body.split(SEPARATOR).map(String::from).collect()
}
