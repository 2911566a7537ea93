//! Frames written by hand, frames read.
//! Never: corrects invalid bytes that a test writes on purpose.

use crate::clients::connection::Connection;
use crate::clients::http::{Answer, Request};
use crate::deadline::{Deadline, WAIT};
use crate::servers::server::TestServer;

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
    ClientFrame::new(first, payload).bytes()
}

/// The payload of a close frame.
#[must_use]
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A client's frame of any shape, right or wrong.
#[derive(Debug, Clone)]
pub struct ClientFrame {
    /// FIN (0x80), RSV (0x40, 0x20, 0x10) and opcode.
    pub first: u8,
    /// The masking key; `None` leaves the mask out, which no client may.
    pub mask: Option<[u8; 4]>,
    /// How the length is written.
    pub length: Length,
    /// The bytes that follow the header.
    pub payload: Vec<u8>,
}

/// How a frame says its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// The payload's, as short as can be.
    True,
    /// In the second byte, 0 to 125, whatever follows.
    Claim7(u8),
    /// In 16 bits, whatever follows.
    Claim16(u16),
    /// In 64 bits, whatever follows.
    Claim64(u64),
}

impl ClientFrame {
    /// A right frame, if `first` is.
    #[must_use]
    pub fn new(first: u8, payload: &[u8]) -> Self {
        let mask = Some([0x12, 0x34, 0x56, 0x78]);
        Self { first, mask, length: Length::True, payload: payload.to_vec() }
    }

    /// The same with another length.
    #[must_use]
    pub fn claiming(self, length: Length) -> Self {
        Self { length, ..self }
    }

    /// The same without a mask.
    #[must_use]
    pub fn unmasked(self) -> Self {
        Self { mask: None, ..self }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = match self.length {
            Length::True => match self.payload.len() {
                short @ 0..=125 => Length::Claim7(u8::try_from(short).unwrap()),
                middle @ 126..=0xffff => Length::Claim16(u16::try_from(middle).unwrap()),
                long => Length::Claim64(u64::try_from(long).unwrap()),
            },
            claim => claim,
        };
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match length {
            Length::True => unreachable!("replaced above"),
            Length::Claim7(length) => bytes.push(masked | length),
            Length::Claim16(length) => {
                bytes.push(masked | 126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            Length::Claim64(length) => {
                bytes.push(masked | 127);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        bytes.extend_from_slice(self.mask.as_ref().map_or(&[], |mask| mask.as_slice()));
        let mask = self.mask.unwrap_or_default();
        bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }
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

    /// Sends a frame of any shape.
    pub fn send_frame(&mut self, frame: &ClientFrame) {
        self.connection.send(&frame.bytes());
    }

    /// Sends one whole text frame.
    pub fn send_text(&mut self, text: &str) {
        self.connection.send(&frame_bytes(0x81, text.as_bytes()));
    }

    /// Reads one frame; `None` when the server has closed the connection.
    ///
    /// # Panics
    /// If nothing arrives in time, or it is not a valid frame of a server.
    pub fn next_frame(&mut self) -> Option<Frame> {
        let deadline = Deadline::after(WAIT);
        loop {
            deadline.check("a whole frame");
            if let Some(frame) = take_frame(&mut self.connection.buffer) {
                return Some(frame);
            }
            if !self.connection.read() {
                return None;
            }
        }
    }

    /// Reads until the server's close frame; gives its code, `None` if it just closed.
    pub fn close_code(&mut self) -> Option<u16> {
        let deadline = Deadline::after(WAIT);
        while let Some(frame) = self.next_frame() {
            deadline.check("the end");
            if frame.opcode == 8 {
                return frame.close_code();
            }
        }
        None
    }
}

/// Takes one whole frame out; a frame that no server may send (RFC 6455, 5.1 and 5.2) fails.
fn take_frame(buffer: &mut Vec<u8>) -> Option<Frame> {
    let first = *buffer.first()?;
    assert_eq!(first & 0xf0, 0x80, "a server of ours sends whole frames without RSV bits");
    let (head, length) = match *buffer.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*buffer.get(2)?, *buffer.get(3)?]))),
        127 => {
            let bytes: [u8; 8] = buffer.get(2..10)?.try_into().unwrap();
            (10, usize::try_from(u64::from_be_bytes(bytes)).unwrap())
        }
        short => (2, usize::from(short)),
    };
    assert!(head > 2 || length < 126, "a server must not mask");
    assert!(head == 2 || length > 125, "the length is not minimal");
    assert!(head < 10 || length > 0xffff, "the length is not minimal");
    if buffer.len() < head + length {
        return None;
    }
    let payload = buffer.drain(..head + length).skip(head).collect();
    Some(Frame { opcode: first & 0x0f, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_frames() {
        let hello = || ClientFrame {
            mask: Some([0x37, 0xfa, 0x21, 0x3d]),
            ..ClientFrame::new(0x81, b"Hello")
        };
        // RFC 6455, 5.7.
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58].to_vec();
        assert_eq!(hello().bytes(), masked);
        assert_eq!(hello().unmasked().bytes(), [b"\x81\x05".as_slice(), b"Hello"].concat());
        let claim = |length| hello().unmasked().claiming(length).bytes();
        assert_eq!(claim(Length::Claim7(1))[..3], *b"\x81\x01H");
        assert_eq!(claim(Length::Claim16(5))[..5], *b"\x81\x7e\x00\x05H");
        assert_eq!(claim(Length::Claim64(1 << 24))[..5], *b"\x81\x7f\x00\x00\x00");
        for (length, head) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            assert_eq!(frame_bytes(0x82, &vec![7; length]).len(), head + length);
        }
    }

    #[test]
    fn incomplete_server_frame_is_not_decoded() {
        for length in [0, 5, 125, 126, 65_535, 65_536] {
            let frame = ClientFrame::new(0x81, &vec![b'x'; length]).unmasked();
            let bytes = frame.bytes();
            let mut buffer = bytes[..bytes.len() - 1].to_vec();
            assert_eq!(take_frame(&mut buffer), None);
            buffer = [bytes.as_slice(), b"\x88\x02\x03\xe8"].concat();
            assert_eq!(take_frame(&mut buffer).unwrap().payload.len(), length);
            assert_eq!(take_frame(&mut buffer).unwrap().close_code(), Some(1000));
            assert_eq!(take_frame(&mut buffer), None);
        }
    }

    #[test]
    fn frames_no_server_may_send_fail() {
        let cases: [&[u8]; 6] = [
            b"\x01\x00",
            b"\xc1\x00",
            b"\x81\x80",
            b"\x81\xfe\x00\x7e",
            b"\x81\x7e\x00\x05",
            b"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
        ];
        for bytes in cases {
            let taken = std::panic::catch_unwind(|| take_frame(&mut bytes.to_vec()));
            assert!(taken.is_err(), "{}", bytes.escape_ascii());
        }
    }
}
