//! permessage-deflate (RFC 7692), server side, without context takeover in either direction.
//! Never: more output than a message may have, or memory a peer only promises to fill.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::http1::elements;
use crate::websocket::{FrameFault, Opcode, write_frame};

/// Offers looked at; a client makes two or three.
const OFFERS_MAX: usize = 16;
/// Bytes of offers looked at.
const OFFERS_MAX_BYTES: usize = 4 * 1024;
/// What a sender takes off the end of each message, and a receiver adds (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// Output may be so many times the input once it is larger than [`RATIO_FROM_BYTES`].
const RATIO_MAX: usize = 100;
const RATIO_FROM_BYTES: usize = 4 * 1024;
/// Output is grown in such steps.
const STEP_BYTES: usize = 4 * 1024;
/// The window every decompressor has, and the only one messages are compressed with.
const WINDOW_BITS_MAX: u8 = 15;

/// What client and server agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The largest window the server may compress with, 9 to 15; the client asked for no larger.
    pub server_window_bits: u8,
}

impl Agreement {
    /// The value of `Sec-WebSocket-Extensions` in the answer.
    #[must_use]
    pub fn answer(&self) -> String {
        let mut value = String::from(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        );
        if self.server_window_bits < WINDOW_BITS_MAX {
            value.push_str(&format!("; server_max_window_bits={}", self.server_window_bits));
        }
        value
    }

    /// Whether messages may be compressed with the window we have; others are sent as they are,
    /// which every message may be (RFC 7692 section 6).
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.server_window_bits == WINDOW_BITS_MAX
    }
}

/// Takes the first offer that can be kept, out of all `Sec-WebSocket-Extensions` lines.
///
/// Linear, and bounded whatever the lines hold (T-214); an offer that is malformed, or has a
/// parameter that is unknown, doubled or out of range, is declined (RFC 7692 section 7.1).
#[must_use]
pub fn negotiate<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Agreement> {
    let mut bytes_left = OFFERS_MAX_BYTES;
    let mut offers_left = OFFERS_MAX;
    for line in lines {
        bytes_left = bytes_left.checked_sub(line.len())?;
        for offer in elements(line) {
            offers_left = offers_left.checked_sub(1)?;
            if let Some(agreement) = read_offer(offer) {
                return Some(agreement);
            }
        }
    }
    None
}

fn read_offer(offer: &[u8]) -> Option<Agreement> {
    let mut parts = offer.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    if !parts.next()?.eq_ignore_ascii_case(b"permessage-deflate") {
        return None;
    }
    let mut seen = [false; 4];
    let mut server_window_bits = WINDOW_BITS_MAX;
    for part in parts {
        let (name, value) = match part.iter().position(|byte| *byte == b'=') {
            Some(at) => (part.get(..at)?.trim_ascii(), Some(part.get(at + 1..)?.trim_ascii())),
            None => (part, None),
        };
        let (slot, sound) = match (name, value) {
            (b"server_no_context_takeover", None) => (0, true),
            (b"client_no_context_takeover", None) => (1, true),
            (b"server_max_window_bits", Some(value)) => {
                // A window of 8 bits cannot be kept by any common compressor.
                let bits = window_bits(value).filter(|bits| *bits >= 9);
                server_window_bits = bits.unwrap_or(server_window_bits);
                (2, bits.is_some())
            }
            // Ours takes any window of the client, so the offer asks for nothing.
            (b"client_max_window_bits", None) => (3, true),
            (b"client_max_window_bits", Some(value)) => (3, window_bits(value).is_some()),
            _ => return None,
        };
        let known = seen.get_mut(slot)?;
        if !sound || std::mem::replace(known, true) {
            return None;
        }
    }
    Some(Agreement { server_window_bits })
}

/// 8 to 15 without a leading zero, perhaps in quotation marks (RFC 7692 section 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    let bare = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    match bare.unwrap_or(value) {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + (digit - b'0')),
        _ => None,
    }
}

/// Decompresses messages, one after the other; about 48 KiB, and the largest message once.
pub struct Inflater {
    state: Decompress,
    output: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { state: Decompress::new(false), output: Vec::new() }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    /// Decompresses one message.
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        message_max: usize,
    ) -> Result<&[u8], FrameFault> {
        self.output.clear();
        self.state.reset(false);
        for part in [payload, &TAIL] {
            self.part(part, payload.len(), message_max)?;
        }
        Ok(&self.output)
    }

    fn part(
        &mut self,
        mut part: &[u8],
        arrived: usize,
        message_max: usize,
    ) -> Result<(), FrameFault> {
        loop {
            self.output.reserve_exact(STEP_BYTES);
            let (before_in, before_out) = (self.state.total_in(), self.output.len());
            let status = self
                .state
                .decompress_vec(part, &mut self.output, FlushDecompress::Sync)
                .map_err(|_| FrameFault::Deflate)?;
            let taken = self.state.total_in() - before_in;
            part = part.get(usize::try_from(taken).unwrap_or(usize::MAX)..).unwrap_or_default();
            if self.output.len() > message_max {
                return Err(FrameFault::TooLarge);
            }
            let ratio = arrived.saturating_mul(RATIO_MAX);
            if self.output.len() > RATIO_FROM_BYTES && self.output.len() > ratio {
                return Err(FrameFault::Ratio);
            }
            if status == Status::StreamEnd {
                // A final block may be followed by another stream (RFC 7692 section 7.2.3.5).
                self.state.reset(false);
                if part.is_empty() {
                    return Ok(());
                }
                continue;
            }
            let grown = self.output.len() > before_out;
            let full = self.output.len() == self.output.capacity();
            if part.is_empty() && !full {
                return Ok(());
            }
            if taken == 0 && !grown {
                return Err(FrameFault::Deflate);
            }
        }
    }
}

/// Compresses messages, one after the other; about 320 KiB.
pub struct Deflater {
    state: Compress,
    output: Vec<u8>,
}

impl Default for Deflater {
    fn default() -> Self {
        Self { state: Compress::new(Compression::fast(), false), output: Vec::new() }
    }
}

impl std::fmt::Debug for Deflater {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Deflater").finish_non_exhaustive()
    }
}

impl Deflater {
    /// Compresses one message into a whole frame; `None` when it would not get smaller.
    pub fn frame(&mut self, opcode: Opcode, payload: &[u8]) -> Option<Bytes> {
        self.state.reset();
        self.output.clear();
        // What would be as large as the message is not wanted: no more space than that.
        self.output.reserve_exact(payload.len());
        self.state.compress_vec(payload, &mut self.output, FlushCompress::Sync).ok()?;
        let whole = self.state.total_in() == payload.len() as u64;
        let compressed = self.output.strip_suffix(&TAIL)?;
        if !whole || compressed.len() >= payload.len() {
            return None;
        }
        let mut out = Vec::new();
        write_frame(&mut out, opcode, compressed);
        // RSV1 says that the message is compressed (RFC 7692 section 6).
        *out.first_mut()? |= 0x40;
        Some(out.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(lines: &[&str]) -> Option<u8> {
        let agreement = negotiate(lines.iter().map(|line| line.as_bytes()));
        agreement.map(|agreement| agreement.server_window_bits)
    }

    #[test]
    fn t_212_t_214_offers_are_taken_or_declined() {
        let spaces = format!("permessage-deflate{}", " ".repeat(32_000));
        let many = vec!["x-unknown"; 1_000].join(",") + ", permessage-deflate";
        let cases: [(&[&str], Option<u8>); 24] = [
            (&["permessage-deflate"], Some(15)),
            (&["permessage-deflate; client_max_window_bits"], Some(15)),
            (&["Permessage-Deflate ; server_no_context_takeover"], Some(15)),
            (&["permessage-deflate; server_max_window_bits=10"], Some(10)),
            (&["permessage-deflate; server_max_window_bits=\"10\""], Some(10)),
            (&["permessage-deflate; client_max_window_bits=8"], Some(15)),
            (&["x-webkit-deflate-frame, permessage-deflate"], Some(15)),
            (&["x-webkit-deflate-frame", "permessage-deflate"], Some(15)),
            (&["permessage-deflate; server_max_window_bits=8, permessage-deflate"], Some(15)),
            (&["permessage-deflate; server_max_window_bits=8"], None),
            (&["permessage-deflate; server_max_window_bits=16"], None),
            (&["permessage-deflate; server_max_window_bits=09"], None),
            (&["permessage-deflate; server_max_window_bits"], None),
            (&["permessage-deflate; client_max_window_bits=99"], None),
            (&["permessage-deflate; client_max_window_bits=\"10"], None),
            (&["permessage-deflate; server_no_context_takeover=1"], None),
            (&["permessage-deflate; client_max_window_bits; client_max_window_bits"], None),
            (&["permessage-deflate; constructor"], None),
            (&["permessage-deflate; __proto__=1"], None),
            (&["permessage-deflate;"], None),
            (&["x-webkit-deflate-frame"], None),
            (&[], None),
            (&[&spaces], None),
            (&[&many], None),
        ];
        for (lines, expect) in cases {
            assert_eq!(offered(lines), expect, "{:.80?}", lines);
        }
    }

    #[test]
    fn the_answer_says_what_was_agreed() {
        let plain = Agreement { server_window_bits: 15 };
        assert!(plain.compresses() && !plain.answer().contains("window"));
        let small = Agreement { server_window_bits: 9 };
        assert!(!small.compresses() && small.answer().ends_with("; server_max_window_bits=9"));
    }

    #[test]
    fn the_examples_of_the_rfc_decompress() {
        // RFC 7692 section 7.2.3: one block, sharing none, a final block, and a stored one.
        let cases: [&[u8]; 4] = [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        ];
        let mut inflater = Inflater::default();
        for payload in cases {
            assert_eq!(inflater.inflate(payload, 100).unwrap(), b"Hello", "{payload:x?}");
        }
        assert_eq!(inflater.inflate(&[0x02, 0x00], 100).unwrap(), b"", "an empty message");
    }

    #[test]
    fn what_is_no_deflate_is_refused() {
        let mut inflater = Inflater::default();
        for payload in [&[0xff_u8, 0xff, 0xff][..], b"hello world", &[0x06, 0x00, 0x01]] {
            assert_eq!(inflater.inflate(payload, 100).err(), Some(FrameFault::Deflate));
        }
        assert_eq!(inflater.inflate(&[0x02, 0x00], 100).unwrap(), b"", "and the next one works");
    }

    #[test]
    fn t_213_a_bomb_stops_at_the_limit_and_costs_no_memory() {
        let mut state = Compress::new(Compression::best(), false);
        let mut bomb = Vec::with_capacity(64 * 1024);
        state.compress_vec(&vec![0; 10_000_000], &mut bomb, FlushCompress::Sync).unwrap();
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&bomb, 12_288).err(), Some(FrameFault::TooLarge));
        assert!(inflater.output.capacity() <= 12_288 + 2 * STEP_BYTES);
        let small = bomb.get(..40).unwrap();
        assert_eq!(inflater.inflate(small, 1_000_000).err(), Some(FrameFault::Ratio));
        assert!(inflater.output.capacity() <= 24 * 1024, "{}", inflater.output.capacity());
    }

    #[test]
    fn frames_are_compressed_only_when_that_makes_them_smaller() {
        let mut deflater = Deflater::default();
        let mut inflater = Inflater::default();
        let text = "the same words again and again ".repeat(100);
        let frame = deflater.frame(Opcode::Text, text.as_bytes()).unwrap();
        assert!(frame[0] == 0xc1 && frame.len() < 300, "{}", frame.len());
        let payload = if frame[1] < 126 { &frame[2..] } else { &frame[4..] };
        assert_eq!(inflater.inflate(payload, 10_000).unwrap(), text.as_bytes());
        assert!(deflater.frame(Opcode::Text, b"x").is_none());
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(2_000)
        .collect();
        assert!(deflater.frame(Opcode::Binary, &noise).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_inflated_or_refused(
            payload in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            if let Ok(output) = Inflater::default().inflate(&payload, 5_000) {
                proptest::prop_assert!(output.len() <= 5_000);
            }
        }
    }
}
