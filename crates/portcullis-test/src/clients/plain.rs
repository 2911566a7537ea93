//! A client of the plain form.
//! Never: an id of the test's own; they are counted.

use serde_json::{Value, json};

use crate::clients::connection::Connection;
use crate::clients::http::Request;
use crate::clients::websocket::{RawWebSocket, frame_bytes};
use crate::deadline::{Deadline, WAIT};
use crate::servers::server::TestServer;

/// A client of `/ws`.
pub struct PlainClient {
    /// The connection below, to send anything at all.
    pub socket: RawWebSocket,
    next_id: u64,
    /// Events that were read while waiting for an answer.
    pub events: Vec<Value>,
}

impl PlainClient {
    /// Upgrades; nothing is signed in yet.
    #[must_use]
    pub fn open(server: &TestServer) -> Self {
        Self::over(Connection::open(server), &Request::upgrade(server, "/ws"))
    }

    /// The same with a connection and request of the test's own.
    #[must_use]
    pub fn over(connection: Connection, request: &Request) -> Self {
        let socket = RawWebSocket::upgrade(connection, request);
        Self { socket, next_id: 1, events: Vec::new() }
    }

    /// Upgrades and signs in.
    #[must_use]
    pub fn connect(server: &TestServer, token: &str) -> Self {
        let mut client = Self::open(server);
        let answer = client.ask("connect", &json!({ "token": token }));
        assert_eq!(answer["ok"], true, "{answer}");
        client
    }

    /// Sends an event with an id and gives its answer.
    ///
    /// # Panics
    /// If the server closes first, or nothing arrives in time.
    pub fn ask(&mut self, event: &str, data: &Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.socket.send_text(&json!({ "event": event, "data": data, "id": id }).to_string());
        self.wait_message(|message| message["id"] == id)
    }

    /// Waits for an event by name, past everything else, and gives its data.
    ///
    /// # Panics
    /// If the server closes first, or nothing arrives in time.
    pub fn event(&mut self, name: &str) -> Value {
        self.wait_message(|message| message["event"] == name)["data"].take()
    }

    /// Waits for a matching message; earlier messages are kept in `events`.
    ///
    /// # Panics
    /// If the server closes first, or nothing arrives in time.
    pub fn wait_message(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.events.iter().position(&fits) {
            return self.events.remove(at);
        }
        let deadline = Deadline::after(WAIT);
        loop {
            assert!(deadline.left().is_some(), "it did not come in time; seen: {:?}", self.events);
            let frame = self.socket.next_frame().expect("an answer before the end");
            assert_ne!(frame.opcode, 8, "closed: {:?}", frame.close_code());
            match frame.opcode {
                1 => {}
                9 => {
                    self.socket.connection.send(&frame_bytes(0x8a, &frame.payload));
                    continue;
                }
                _ => continue,
            }
            let message: Value = serde_json::from_str(&frame.text()).unwrap();
            if fits(&message) {
                return message;
            }
            self.events.push(message);
        }
    }
}
