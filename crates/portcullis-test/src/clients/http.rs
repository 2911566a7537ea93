//! Requests written by hand, answers read.
//! Never: corrects invalid bytes that a test writes on purpose.

use serde_json::Value;

use crate::clients::connection::Connection;
use crate::deadline::{Deadline, WAIT};
use crate::servers::server::TestServer;

/// A request line and its headers, as they will be sent.
#[derive(Debug, Clone)]
pub struct Request {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Request {
    /// A request with nothing but its line.
    #[must_use]
    pub fn bare(line: &str) -> Self {
        Self { line: line.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// A GET with a good `Host`.
    #[must_use]
    pub fn get(server: &TestServer, path: &str) -> Self {
        Self::bare(&format!("GET {path} HTTP/1.1")).header("Host", &server.public.to_string())
    }

    /// A POST of JSON with a good `Host`, `Content-Type` and `Content-Length`.
    #[must_use]
    pub fn post(server: &TestServer, path: &str, body: &str) -> Self {
        let mut request = Self::bare(&format!("POST {path} HTTP/1.1"))
            .header("Host", &server.public.to_string())
            .header("Content-Type", "application/json")
            .header("Content-Length", &body.len().to_string());
        request.body = body.as_bytes().to_vec();
        request
    }

    /// A good upgrade for a path, origin included.
    #[must_use]
    pub fn upgrade(server: &TestServer, path: &str) -> Self {
        Self::get(server, path)
            .header("Origin", &server.origin)
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Adds a header, even if the request has it already.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(format!("{name}: {value}"));
        self
    }

    /// Takes every header of a name out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        let prefix = format!("{}:", name.to_ascii_lowercase());
        self.headers.retain(|header| !header.to_ascii_lowercase().starts_with(&prefix));
        self
    }

    /// Replaces a header.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    /// Adds a body as it is.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for header in &self.headers {
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it on a connection of its own and reads the answer.
    #[must_use]
    pub fn ask(&self, server: &TestServer) -> Answer {
        self.ask_on(&mut Connection::open(server))
    }

    /// Sends it to the private listener and reads the answer.
    #[must_use]
    pub fn ask_private(&self, server: &TestServer) -> Answer {
        self.ask_on(&mut Connection::open_bare(server.private))
    }

    /// Sends it on this connection and reads the answer.
    pub fn ask_on(&self, connection: &mut Connection) -> Answer {
        connection.send(&self.bytes());
        Answer::read(connection)
    }
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status; 0 when the server closed without an answer.
    pub status: u16,
    /// Names in lower case, values as sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads one answer; later bytes stay in the connection's buffer.
    pub fn read(connection: &mut Connection) -> Self {
        let deadline = Deadline::after(WAIT);
        let head_end = loop {
            deadline.check("the head of an answer");
            let found = connection.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(at) = found {
                break at;
            }
            if !connection.read() {
                return Self { status: 0, headers: Vec::new(), body: connection.buffer.clone() };
            }
        };
        let head: Vec<u8> = connection.buffer.drain(..head_end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap_or((line, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: Vec::new() };
        let length: usize =
            answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while connection.buffer.len() < length {
            deadline.check("the body of an answer");
            assert!(connection.read(), "the body ended early");
        }
        answer.body = connection.buffer.drain(..length).collect();
        answer
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Every value of a header, for headers that may occur once only.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        let found = self.headers.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of a refusal.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].to_string().trim_matches('"').to_owned()
    }
}
