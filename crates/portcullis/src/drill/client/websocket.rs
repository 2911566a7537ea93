//! A WebSocket of a drill: frames of any shape, and how the target ends it.
//! Never: a correction of a frame that a case malforms on purpose.

use super::connection::{Connection, ReadOutcome};

/// Most frames that are read until the end of a socket.
const FRAMES_MAX: usize = 64;
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
/// FIN and the opcodes of RFC 6455 section 5.2.
pub(crate) const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x8;

/// A frame of a client: `first` has FIN, the reserved bits and the opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = declaring(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The header of a frame that declares a length, whatever follows.
pub(crate) fn declaring(first: u8, length: u64) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let [_, _, _, _, _, _, high, low] = length.to_be_bytes();
    let mut bytes = match length {
        0..=125 => vec![first, MASKED | low],
        126..=0xffff => vec![first, MASKED | 126, high, low],
        _ => [[first, MASKED | 127].as_slice(), &length.to_be_bytes()].concat(),
    };
    bytes.extend_from_slice(&MASK);
    bytes
}

/// A frame without a mask, which only servers may send; at most 125 bytes.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len().min(125)).unwrap_or_default();
    [[first, length].as_slice(), payload].concat()
}

/// How a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketEnd {
    /// With a close frame and its code; 1005 is a frame without a code.
    Code(u16),
    /// The connection was closed without a close frame.
    Closed,
    /// It is still open.
    Open,
}

impl SocketEnd {
    /// A few words for the report.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Code(code) => format!("closed with code {code}"),
            Self::Closed => String::from("the connection was closed without a code"),
            Self::Open => String::from("the socket stays open"),
        }
    }
}

/// A frame of the target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerFrame {
    opcode: u8,
    payload: Vec<u8>,
}

/// An open socket.
pub(crate) struct WebSocket(pub(crate) Connection);

impl WebSocket {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.send(bytes);
    }

    /// Sends a text frame.
    pub(crate) fn send_text(&mut self, text: &str) {
        self.0.send(&frame(TEXT, text.as_bytes()));
    }

    /// Reads until the end, or until the target is silent or its time is over.
    pub(crate) fn end(&mut self) -> SocketEnd {
        self.read_until(|_| false).1
    }

    /// Reads texts until one is found, or until the end: the text, and whether the socket is open.
    pub(crate) fn read_until(
        &mut self,
        found: impl Fn(&str) -> bool,
    ) -> (Option<String>, SocketEnd) {
        self.0.start_answer();
        for _ in 0..FRAMES_MAX {
            let frame = match self.next_frame() {
                Ok(frame) => frame,
                Err(end) => return (None, end),
            };
            let text = String::from_utf8_lossy(&frame.payload);
            match frame.opcode {
                CLOSE => {
                    let code = frame.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    return (None, SocketEnd::Code(code.unwrap_or(1005)));
                }
                0x1 if found(&text) => return (Some(text.into_owned()), SocketEnd::Open),
                _ => {}
            }
        }
        (None, SocketEnd::Open)
    }

    fn next_frame(&mut self) -> Result<ServerFrame, SocketEnd> {
        loop {
            if let Some(frame) = take_frame(&mut self.0.buffer) {
                return Ok(frame);
            }
            match self.0.read() {
                ReadOutcome::Bytes => {}
                ReadOutcome::End => return Err(SocketEnd::Closed),
                // After the bound of bytes or of time, no end was seen.
                ReadOutcome::Silence | ReadOutcome::Limit | ReadOutcome::Late => {
                    return Err(SocketEnd::Open);
                }
            }
        }
    }
}

/// Takes one whole frame out of the buffer.
fn take_frame(buffer: &mut Vec<u8>) -> Option<ServerFrame> {
    let (first, rest) = buffer.split_first()?;
    let (second, rest) = rest.split_first()?;
    let (length, rest) = match second & 0x7f {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    let frame = ServerFrame { opcode: first & 0x0f, payload: rest.get(..length)?.to_vec() };
    let used = buffer.len() - rest.len() + length;
    buffer.drain(..used);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_client_are_masked_and_minimal() {
        assert_eq!(frame(0x81, b"a"), [0x81, 0x81, 0x12, 0x34, 0x56, 0x78, b'a' ^ 0x12]);
        assert_eq!(unmasked(0x81, b"hi"), [0x81, 2, b'h', b'i']);
        for (length, header) in [(125, 6), (126, 8), (0xffff, 8), (0x1_0000, 14)] {
            assert_eq!(declaring(0x82, length).len(), header, "{length}");
        }
    }

    #[test]
    fn frames_of_a_server_are_taken_when_they_are_complete() {
        let mut buffer = b"\x81\x02hi\x88\x02\x03\xea\x81".to_vec();
        let first = take_frame(&mut buffer).unwrap();
        assert_eq!((first.opcode, first.payload.as_slice()), (1, b"hi".as_slice()));
        assert_eq!(take_frame(&mut buffer).unwrap().payload, [3, 0xea]);
        assert_eq!(take_frame(&mut buffer), None);
        let mut long = [b"\x81\x7e\x00\x80".as_slice(), &[b'x'; 127]].concat();
        assert_eq!(take_frame(&mut long), None);
        long.push(b'x');
        assert_eq!(take_frame(&mut long).unwrap().payload.len(), 128);
    }
}
