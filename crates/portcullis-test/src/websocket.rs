//! Frames written by hand, frames read.
//! Never: mends what a test writes wrong on purpose.

use crate::connection::Connection;
use crate::http::{Answer, Request};
use crate::server::TestServer;

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The payload as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.payload.clone()).unwrap()
    }

    /// The code of a close frame.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        (self.opcode == 8 && self.payload.len() >= 2)
            .then(|| u16::from_be_bytes([self.payload[0], self.payload[1]]))
    }
}

/// The bytes of a client's frame: `first` is FIN, RSV and opcode; masked with a fixed key.
#[must_use]
pub fn frame_bytes(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&u64::try_from(long).unwrap().to_be_bytes());
        }
    }
    let mask = [0x12, 0x34, 0x56, 0x78];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// An upgraded connection.
pub struct RawWebSocket {
    /// The connection below, to send anything at all.
    pub connection: Connection,
}

impl RawWebSocket {
    /// Upgrades at a path, with a good origin.
    #[must_use]
    pub fn open(server: &TestServer, path: &str) -> Self {
        Self::upgrade(Connection::open(server), &Request::upgrade(server, path))
    }

    /// Upgrades with a request of the test's own.
    #[must_use]
    pub fn upgrade(mut connection: Connection, request: &Request) -> Self {
        let answer: Answer = request.ask_on(&mut connection);
        assert_eq!(answer.status, 101, "{}", String::from_utf8_lossy(&answer.body));
        Self { connection }
    }

    /// Sends one whole text frame.
    pub fn send_text(&mut self, text: &str) {
        self.connection.send(&frame_bytes(0x81, text.as_bytes()));
    }

    /// Reads one frame; `None` when the server has closed the connection.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            if !self.connection.read() {
                return None;
            }
        }
    }

    /// Reads until the server's close frame; gives its code, `None` if it just closed.
    pub fn close_code(&mut self) -> Option<u16> {
        while let Some(frame) = self.next_frame() {
            if frame.opcode == 8 {
                return frame.close_code();
            }
        }
        None
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let buffer = &mut self.connection.buffer;
        let opcode = buffer.first()? & 0x0f;
        let (head, length) = match *buffer.get(1)? {
            126 => (4, usize::from(u16::from_be_bytes([*buffer.get(2)?, *buffer.get(3)?]))),
            127 => {
                let bytes: [u8; 8] = buffer.get(2..10)?.try_into().unwrap();
                (10, usize::try_from(u64::from_be_bytes(bytes)).unwrap())
            }
            short => (2, usize::from(short)),
        };
        if buffer.len() < head + length {
            return None;
        }
        let payload = buffer.drain(..head + length).skip(head).collect();
        Some(Frame { opcode, payload })
    }
}
