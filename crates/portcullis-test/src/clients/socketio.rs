//! A Socket.IO client over WebSocket that can misbehave.
//! Never: answers a ping unless the test reads.

use serde_json::{Value, json};

use crate::clients::connection::Connection;
use crate::clients::events::{acknowledgement, event_payload, event_prefix};
use crate::clients::http::Request;
use crate::clients::websocket::RawWebSocket;
use crate::deadline::{Deadline, WAIT};
use crate::servers::server::TestServer;

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// A Socket.IO client.
pub struct SioClient {
    /// The connection below, to send anything at all.
    pub socket: RawWebSocket,
    next_ack: u64,
    /// Packets that were read while waiting for another.
    pub seen: Vec<String>,
}

impl SioClient {
    /// Upgrades and reads the open packet; nothing is signed in yet.
    #[must_use]
    pub fn open(server: &TestServer) -> Self {
        Self::over(Connection::open(server), &Request::upgrade(server, PATH))
    }

    /// The same with a connection and request of the test's own.
    #[must_use]
    pub fn over(connection: Connection, request: &Request) -> Self {
        let socket = RawWebSocket::upgrade(connection, request);
        let mut client = Self { socket, next_ack: 0, seen: Vec::new() };
        let open = client.next_text().expect("an open packet");
        assert!(open.starts_with("0{"), "{open}");
        client
    }

    /// Upgrades and signs in at `/`.
    #[must_use]
    pub fn connect(server: &TestServer, token: &str) -> Self {
        let mut client = Self::open(server);
        client.sign_in(token);
        client
    }

    /// Signs in at `/`.
    pub fn sign_in(&mut self, token: &str) -> Value {
        self.send(&format!("40{}", json!({ "token": token })));
        let answer =
            self.wait_packet(|packet| packet.starts_with("40") || packet.starts_with("44"));
        assert!(answer.starts_with("40"), "refused: {answer}");
        serde_json::from_str(&answer[2..]).unwrap()
    }

    /// Asks for a namespace with any payload; `Err` is the refusal, `{message, data}`.
    ///
    /// # Errors
    /// The payload of a CONNECT_ERROR.
    pub fn join_namespace(&mut self, namespace: &str, payload: &str) -> Result<Value, Value> {
        let place = if namespace == "/" { String::new() } else { format!("{namespace},") };
        self.send(&format!("40{place}{payload}"));
        let (joined, refused) = (format!("40{place}{{"), format!("44{place}{{"));
        let answer =
            self.wait_packet(|packet| packet.starts_with(&joined) || packet.starts_with(&refused));
        let value = serde_json::from_str(&answer[joined.len() - 1..]).unwrap();
        if answer.starts_with(&joined) { Ok(value) } else { Err(value) }
    }

    /// Emits an event without asking for an acknowledgement.
    pub fn emit(&mut self, event: &str, payload: &Value) {
        self.send(&format!("42{}", json!([event, payload])));
    }

    /// Sends a packet as it is.
    pub fn send(&mut self, packet: &str) {
        self.socket.send_text(packet);
    }

    /// Emits an event with a payload and gives its acknowledgement.
    pub fn ask(&mut self, event: &str, payload: &Value) -> Value {
        self.ask_arguments(&json!([event, payload]))
    }

    /// Emits an event with any arguments and gives its acknowledgement.
    pub fn ask_arguments(&mut self, arguments: &Value) -> Value {
        self.ask_text(&arguments.to_string())
    }

    /// Sends `42<ack><text>` and gives the acknowledgement.
    pub fn ask_text(&mut self, text: &str) -> Value {
        let ack = self.next_ack;
        self.next_ack += 1;
        self.send(&format!("42{ack}{text}"));
        let prefix = format!("43{ack}[");
        let answer = self.wait_packet(|packet| packet.starts_with(&prefix));
        acknowledgement(&prefix, &answer)
    }

    /// Sends an event to a namespace and waits for its acknowledgement.
    pub fn ask_in(&mut self, namespace: &str, event: &str, payload: &Value) -> Value {
        let ack = self.next_ack;
        self.next_ack += 1;
        self.send(&format!("42{namespace},{ack}{}", json!([event, payload])));
        let prefix = format!("43{namespace},{ack}");
        let packet = self.wait_packet(|packet| packet.starts_with(&prefix));
        let answer: Value = serde_json::from_str(&packet[prefix.len()..]).unwrap();
        answer[0].clone()
    }

    /// Waits for an event by name, past everything else, and gives its payload.
    pub fn event(&mut self, name: &str) -> Value {
        let prefix = event_prefix(name);
        event_payload(&self.wait_packet(|packet| packet.starts_with(&prefix)))
    }

    /// Waits for a matching packet; earlier packets are kept in `seen`.
    ///
    /// # Panics
    /// If the server closes first, or nothing arrives in time.
    pub fn wait_packet(&mut self, fits: impl Fn(&str) -> bool) -> String {
        if let Some(at) = self.seen.iter().position(|packet| fits(packet)) {
            return self.seen.remove(at);
        }
        let deadline = Deadline::after(WAIT);
        loop {
            assert!(deadline.left().is_some(), "it did not come in time; seen: {:?}", self.seen);
            let Some(packet) = self.next_text() else {
                panic!("closed while waiting; seen: {:?}", self.seen);
            };
            if fits(&packet) {
                return packet;
            }
            self.seen.push(packet);
        }
    }

    /// Reads until the server closes; returns the close code. Earlier packets are in `seen`.
    pub fn close_code(&mut self) -> Option<u16> {
        let deadline = Deadline::after(WAIT);
        while let Some(frame) = self.socket.next_frame() {
            deadline.check("the end");
            if frame.opcode == 8 {
                return frame.close_code();
            }
            self.seen.push(frame.text());
        }
        None
    }

    /// The next text frame; pings are answered on the way.
    fn next_text(&mut self) -> Option<String> {
        loop {
            let frame = self.socket.next_frame()?;
            match (frame.opcode, frame.text().as_str()) {
                (1, "2") => self.send("3"),
                (1, text) => return Some(text.to_owned()),
                (8, _) => return None,
                _ => {}
            }
        }
    }
}
