//! HTTP and WebSocket of a test client, with a deadline.
//! Never: a wait without an end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use portcullis_model::{Clock, SystemClock};
use serde_json::Value;

/// Maximum time to wait for data.
const WAIT_MS: u64 = 10_000;
/// Maximum size of one message.
const MESSAGE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Key that masks frames (RFC 6455 section 5.1). It is fixed, because it only protects proxies.
const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];

/// HTTP request of a test.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) bearer: Option<&'a str>,
    pub(super) body: Option<&'a Value>,
    /// Whether it requests a WebSocket.
    pub(super) upgrade: bool,
}

/// Frame of the server.
pub(super) enum Frame {
    Text(String),
    Binary,
    Close(Option<u16>),
    /// The connection ended without a close frame.
    End,
}

/// One TCP connection to a server under test.
pub(super) struct TestSocket {
    stream: TcpStream,
    public: SocketAddr,
    buffer: Vec<u8>,
    clock: SystemClock,
}

impl TestSocket {
    pub(super) fn open(public: SocketAddr) -> Self {
        let stream = TcpStream::connect(public);
        let stream = stream.unwrap_or_else(|error| panic!("cannot connect to {public}: {error}"));
        let step = Some(Duration::from_millis(200));
        stream.set_read_timeout(step).expect("a timeout for reading");
        stream.set_write_timeout(Some(Duration::from_millis(WAIT_MS))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, public, buffer: Vec::new(), clock: SystemClock::start() }
    }

    /// Sends a request; returns status and body of the response.
    pub(super) fn request(&mut self, request: &Request<'_>) -> (u16, Vec<u8>) {
        let Request { method, path, bearer, body, upgrade } = request;
        let host = self.public;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n");
        if let Some(bearer) = bearer {
            head.push_str(&format!("Authorization: Bearer {bearer}\r\n"));
        }
        if *upgrade {
            head.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\n");
            head.push_str("Sec-WebSocket-Version: 13\r\n");
            head.push_str("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            head.push_str("Content-Type: application/json\r\n");
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.write(format!("{head}\r\n{body}").as_bytes());
        let deadline = self.deadline();
        let head = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break String::from_utf8_lossy(&self.take(at + 4)).into_owned();
            }
            assert!(self.read_more(deadline), "{method} {path}: no response");
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{method} {path}: not HTTP: {head}"));
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let length: usize = if status == 101 { 0 } else { length.unwrap_or(0) };
        while self.buffer.len() < length {
            assert!(self.read_more(deadline), "{method} {path}: incomplete response");
        }
        (status, self.take(length))
    }

    pub(super) fn send_text(&mut self, text: &str) {
        let length = text.len();
        let mut frame = vec![0x81];
        match length {
            0..=125 => frame.push(0x80 | u8::try_from(length).unwrap_or(0)),
            126..=65_535 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(length).unwrap_or(0).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&MASK);
        frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.write(&frame);
    }

    /// The next frame with content; skips WebSocket pings.
    pub(super) fn next_frame(&mut self, what: &str) -> Frame {
        let deadline = self.deadline();
        loop {
            if let Some((opcode, payload)) = self.parse_frame() {
                match opcode {
                    1 => return Frame::Text(String::from_utf8_lossy(&payload).into_owned()),
                    2 => return Frame::Binary,
                    8 => {
                        let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                        return Frame::Close(code);
                    }
                    _ => continue,
                }
            }
            assert!(!self.is_past(deadline), "{what} did not arrive within {WAIT_MS} ms");
            if !self.read_more(deadline) {
                return Frame::End;
            }
        }
    }

    /// Takes one complete frame from the buffer. Servers do not mask, and this one does not
    /// fragment.
    fn parse_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, second] = *self.buffer.first_chunk::<2>()?;
        let (head, length) = match second & 0x7f {
            126 => {
                let bytes = self.buffer.get(2..4)?.first_chunk::<2>()?;
                (4, usize::from(u16::from_be_bytes(*bytes)))
            }
            127 => {
                let bytes = self.buffer.get(2..10)?.first_chunk::<8>()?;
                (10, usize::try_from(u64::from_be_bytes(*bytes)).ok()?)
            }
            short => (2, usize::from(short)),
        };
        assert!(length <= MESSAGE_MAX_BYTES, "the server sends {length} bytes in one frame");
        if self.buffer.len() < head + length {
            return None;
        }
        self.take(head);
        Some((first & 0x0f, self.take(length)))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length.min(self.buffer.len())).collect()
    }

    fn write(&mut self, bytes: &[u8]) {
        // A closed connection is not an error here: the test reads the response.
        let _already_closed = self.stream.write_all(bytes);
    }

    fn deadline(&self) -> u64 {
        self.clock.now().monotonic_ms + WAIT_MS
    }

    fn is_past(&self, deadline_ms: u64) -> bool {
        self.clock.now().monotonic_ms >= deadline_ms
    }

    /// Reads more bytes; false at the end of the stream.
    fn read_more(&mut self, deadline_ms: u64) -> bool {
        let mut chunk = [0; 16 * 1024];
        while !self.is_past(deadline_ms) {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(count) => {
                    self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
                    return true;
                }
                Err(error) if is_pause(error.kind()) => {}
                Err(_reset) => return false,
            }
        }
        true
    }
}

fn is_pause(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
