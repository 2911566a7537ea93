//! permessage-deflate (RFC 7692), server side, without context takeover in either direction.
//! Never: more output than a message may have, or memory a peer only promises to fill.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::websocket::{FrameFault, Opcode, write_frame};

/// Offers looked at; a client makes two or three.
const OFFERS_MAX: usize = 16;
/// Bytes of offers looked at.
const OFFERS_MAX_BYTES: usize = 4 * 1024;
/// What a sender takes off the end of each message (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// What a receiver adds: the same, and an empty last block, so that the end is seen to be one; in
/// a message that was cut short, these bytes are read as something else and no end comes.
const END: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];
/// Streams of one message, each of which costs a reset; RFC 7692 knows no bound, peers send one.
const STREAMS_MAX: usize = 16;
/// Output may be so many times the input once it is larger than [`RATIO_FROM_BYTES`].
const RATIO_MAX: usize = 100;
const RATIO_FROM_BYTES: usize = 4 * 1024;
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
        for offer in split_outside_quotes(line, b',') {
            offers_left = offers_left.checked_sub(1)?;
            if let Some(agreement) = read_offer(offer) {
                return Some(agreement);
            }
        }
    }
    None
}

fn read_offer(offer: &[u8]) -> Option<Agreement> {
    let mut parts = split_outside_quotes(offer, b';');
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

/// What stands between separators, without the blanks around it. A separator inside quotation marks
/// is none (RFC 9110 section 5.6.4), so that no offer is read out of another's parameter.
fn split_outside_quotes(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = value.split(move |byte| {
        let literal = std::mem::take(&mut escaped);
        match byte {
            _ if literal => false,
            b'\\' => {
                escaped = quoted;
                false
            }
            b'"' => {
                quoted = !quoted;
                false
            }
            other => *other == separator && !quoted,
        }
    });
    parts.map(<[u8]>::trim_ascii)
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

/// Decompresses messages, one after the other; about 48 KiB, and at most the largest message twice.
pub struct Inflater {
    state: Decompress,
    input: Vec<u8>,
    /// Never shorter than before, so that it is zeroed once.
    output: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { state: Decompress::new(false), input: Vec::new(), output: Vec::new() }
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    /// Decompresses one message.
    ///
    /// The output has room for one byte more than the message may have, which tells too much from
    /// just as much; room follows what has arrived, not what a peer promises (T-213).
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        message_max: usize,
    ) -> Result<&[u8], FrameFault> {
        // An empty message is one zero byte by RFC 7692 section 7.2.3.6; some peers save it.
        if payload.is_empty() {
            return Ok(&[]);
        }
        let ratio_max = payload.len().saturating_mul(RATIO_MAX).max(RATIO_FROM_BYTES);
        let output_max = message_max.min(ratio_max);
        self.make_room(payload, output_max);
        let (mut read, mut written) = (0, 0);
        for _ in 0..STREAMS_MAX {
            let (taken, given, status) = self.stream(read, written, output_max)?;
            (read, written) = (read + taken, written + given);
            if written > output_max {
                let too_large = output_max == message_max;
                return Err(if too_large { FrameFault::TooLarge } else { FrameFault::Ratio });
            }
            if status != Status::StreamEnd {
                return Err(FrameFault::Deflate);
            }
            // A last block of the peer's own may end a message, or be followed by another stream
            // (RFC 7692 section 7.2.3.4).
            if read == payload.len() || read == self.input.len() {
                return Ok(self.output.get(..written).unwrap_or_default());
            }
        }
        Err(FrameFault::Deflate)
    }

    fn make_room(&mut self, payload: &[u8], output_max: usize) {
        self.input.clear();
        self.input.reserve_exact(payload.len() + END.len());
        self.input.extend_from_slice(payload);
        self.input.extend_from_slice(&END);
        let missing = output_max.saturating_add(1).saturating_sub(self.output.len());
        self.output.reserve_exact(missing);
        self.output.resize(self.output.len() + missing, 0);
    }

    /// One stream in one call: only then are distances that reach back beyond its start refused,
    /// as those of a peer that takes over its context do.
    fn stream(
        &mut self,
        read: usize,
        written: usize,
        output_max: usize,
    ) -> Result<(usize, usize, Status), FrameFault> {
        self.state.reset(false);
        let input = self.input.get(read..).unwrap_or_default();
        let output = self.output.get_mut(written..=output_max).unwrap_or_default();
        let status = self
            .state
            .decompress(input, output, FlushDecompress::Finish)
            .map_err(|_| FrameFault::Deflate)?;
        let taken = usize::try_from(self.state.total_in()).unwrap_or(usize::MAX);
        let given = usize::try_from(self.state.total_out()).unwrap_or(usize::MAX);
        Ok((taken, given, status))
    }
}

/// Compresses messages, one after the other; about 320 KiB, and the largest message.
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
        // What would be as large as the message is not wanted. Space that is left over says that
        // all was written: in output cut off by the end of its space, bytes of the message itself
        // could pass for the end of a block.
        let room = payload.len() + TAIL.len();
        self.output.resize(self.output.len().max(room), 0);
        let output = self.output.get_mut(..room)?;
        self.state.compress(payload, output, FlushCompress::Sync).ok()?;
        let written = usize::try_from(self.state.total_out()).ok()?;
        if written >= room || self.state.total_in() != payload.len() as u64 {
            return None;
        }
        let compressed = self.output.get(..written)?.strip_suffix(&TAIL)?;
        let mut out = Vec::new();
        write_frame(&mut out, opcode, compressed);
        // RSV1 says that the message is compressed (RFC 7692 section 6).
        *out.first_mut()? |= 0x40;
        Some(out.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offered(lines: &[&str]) -> Option<u8> {
        let agreement = negotiate(lines.iter().map(|line| line.as_bytes()));
        agreement.map(|agreement| agreement.server_window_bits)
    }

    #[test]
    fn t_212_t_214_offers_are_taken_or_declined() {
        let spaces = format!("permessage-deflate{}", " ".repeat(32_000));
        let many = vec!["x-unknown"; 1_000].join(",") + ", permessage-deflate";
        let cases: [(&[&str], Option<u8>); 42] = [
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
            (&["permessage-deflate; server_max_window_bits=9"], Some(9)),
            (&["permessage-deflate; server_max_window_bits=\t15 "], Some(15)),
            (
                &["permessage-deflate;server_no_context_takeover;client_no_context_takeover"],
                Some(15),
            ),
            (&["permessage-deflate; server_max_window_bits=99, permessage-deflate"], Some(15)),
            (&[", , permessage-deflate"], Some(15)),
            (&["x; y=\"a, b\", permessage-deflate"], Some(15)),
            // What stands in quotation marks is no offer, closed or not, escaped or not.
            (&["x; y=\", permessage-deflate, \""], None),
            (&["x; y=\"\\\", permessage-deflate, \""], None),
            (&["x; y=\", permessage-deflate"], None),
            (&["permessage-deflate; \"; server_no_context_takeover"], None),
            (&["\"permessage-deflate\""], None),
            (&["permessage-deflate=1"], None),
            (&["permessage-deflate server_no_context_takeover"], None),
            (&["permessage-deflate; server_max_window_bits="], None),
            (&["permessage-deflate; server_max_window_bits=+10"], None),
            (&["permessage-deflate; server_max_window_bits=010"], None),
            (&["permessage-deflate; server_max_window_bits=10=10"], None),
            (&["permessage-deflate; client_max_window_bits=7"], None),
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
        let cases: [&[u8]; 9] = [
            &[0xff, 0xff, 0xff],
            b"hello world",
            &[0x06, 0x00, 0x01],
            // RFC 7692 section 7.2.3.2: the second of two messages, where context is taken over.
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            // "Hello", cut short twice, and with bytes behind its end.
            &[0xf2, 0x48, 0xcd],
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07],
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65],
            &[0x00],
        ];
        for payload in &cases[..8] {
            let outcome = inflater.inflate(payload, 100);
            assert_eq!(outcome.err(), Some(FrameFault::Deflate), "{payload:x?}");
        }
        for payload in [cases[8], &[0x02, 0x00], &[]] {
            assert_eq!(inflater.inflate(payload, 100).unwrap(), b"", "and the next one works");
        }
    }

    #[test]
    fn t_213_last_blocks_are_few() {
        let last = |times| [[0x03, 0x00].repeat(times), vec![0x00]].concat();
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&last(STREAMS_MAX - 1), 100).unwrap(), b"");
        assert_eq!(inflater.inflate(&last(STREAMS_MAX), 100).err(), Some(FrameFault::Deflate));
        let ended = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflater.inflate(&ended, 100).unwrap(), b"Hello");
        assert_eq!(inflater.inflate(&ended.repeat(2), 100).unwrap(), b"HelloHello");
    }

    #[test]
    fn t_213_a_bomb_stops_at_the_limit_and_costs_no_memory() {
        let mut state = Compress::new(Compression::best(), false);
        let mut bomb = Vec::with_capacity(64 * 1024);
        state.compress_vec(&vec![0; 10_000_000], &mut bomb, FlushCompress::Sync).unwrap();
        bomb.truncate(bomb.len() - TAIL.len());
        let mut inflater = Inflater::default();
        assert_eq!(inflater.inflate(&bomb, 12_288).err(), Some(FrameFault::TooLarge));
        assert_eq!(inflater.output.capacity(), 12_288 + 1);
        let mut inflater = Inflater::default();
        let small = bomb.get(..40).unwrap();
        assert_eq!(inflater.inflate(small, 1_000_000).err(), Some(FrameFault::Ratio));
        assert_eq!(inflater.output.capacity(), RATIO_FROM_BYTES + 1);
    }

    #[test]
    fn t_213_the_limits_are_exact() {
        let deflated = |size| {
            let mut output = Vec::with_capacity(1_000);
            let mut state = Compress::new(Compression::best(), false);
            state.compress_vec(&vec![b'x'; size], &mut output, FlushCompress::Sync).unwrap();
            output.truncate(output.len() - TAIL.len());
            output
        };
        let mut inflater = Inflater::default();
        for _ in 0..2 {
            assert_eq!(inflater.inflate(&deflated(4_096), 4_096).unwrap().len(), 4_096);
            assert_eq!(inflater.inflate(&deflated(4_097), 4_096).err(), Some(FrameFault::TooLarge));
            assert_eq!(inflater.inflate(&deflated(4_097), 9_000).err(), Some(FrameFault::Ratio));
            assert_eq!(inflater.inflate(&deflated(2_000), 1_999).err(), Some(FrameFault::TooLarge));
            // Larger messages leave room behind that the next one may not use.
            assert_eq!(inflater.inflate(&[0x00; 1_000], 90_000).err(), Some(FrameFault::Deflate));
            assert!(inflater.output.capacity() <= 90_001);
        }
    }

    /// Bytes that do not compress.
    fn noise(size: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(size).collect()
    }

    /// The payload of a frame of less than 65,536 bytes.
    fn payload_of(frame: &[u8]) -> &[u8] {
        if frame[1] < 126 { &frame[2..] } else { &frame[4..] }
    }

    #[test]
    fn frames_are_compressed_only_when_that_makes_them_smaller() {
        let mut deflater = Deflater::default();
        let mut inflater = Inflater::default();
        let text = "the same words again and again ".repeat(100);
        let frame = deflater.frame(Opcode::Text, text.as_bytes()).unwrap();
        assert!(frame[0] == 0xc1 && frame.len() < 300, "{}", frame.len());
        assert_eq!(inflater.inflate(payload_of(&frame), 10_000).unwrap(), text.as_bytes());
        let again = deflater.frame(Opcode::Text, text.as_bytes()).unwrap();
        assert_eq!(again, frame, "no context is kept");
        assert!(deflater.frame(Opcode::Text, b"x").is_none());
        assert!(deflater.frame(Opcode::Text, b"").is_none());
        assert!(deflater.frame(Opcode::Binary, &noise(2_000)).is_none());
    }

    /// A message that holds the bytes a compressed one ends with, wherever output may be cut off.
    #[test]
    fn what_a_message_holds_is_not_taken_for_its_end() {
        let mut inflater = Inflater::default();
        for size in [100, 1_000, 2_000] {
            for from_end in 4..40 {
                let mut payload = noise(size);
                payload[size - from_end..][..4].copy_from_slice(&TAIL);
                if let Some(frame) = Deflater::default().frame(Opcode::Binary, &payload) {
                    let inflated = inflater.inflate(payload_of(&frame), size);
                    assert_eq!(inflated, Ok(&payload[..]), "{size}, {from_end}");
                }
            }
        }
    }

    /// What offers are made of, and what breaks them.
    const OFFER_PARTS: [&str; 14] = [
        "permessage-deflate",
        "; server_no_context_takeover",
        "; client_no_context_takeover",
        "; server_max_window_bits",
        "; client_max_window_bits",
        "=10",
        "=8",
        "=",
        ";",
        ",",
        "\"",
        "\\",
        " ",
        "\n",
    ];

    proptest! {
        #[test]
        fn any_bytes_are_inflated_or_refused(
            payload in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut inflater = Inflater::default();
            let outcome = inflater.inflate(&payload, 5_000).map(<[u8]>::to_vec);
            if let Ok(output) = &outcome {
                prop_assert!(output.len() <= 5_000);
            }
            prop_assert!(inflater.output.capacity() <= 5_001);
            let again = inflater.inflate(&payload, 5_000).map(<[u8]>::to_vec);
            prop_assert_eq!(again, outcome);
        }

        #[test]
        fn what_is_compressed_comes_back(
            words in prop::collection::vec("[a-z]{1,6}|\\PC{1,3}", 0..40),
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut deflater = Deflater::default();
            let mut inflater = Inflater::default();
            let text = words.join(" ").into_bytes();
            for payload in [[&text[..], &text].concat(), [&bytes[..], &text].concat(), bytes] {
                if let Some(frame) = deflater.frame(Opcode::Binary, &payload) {
                    let inflated = inflater.inflate(payload_of(&frame), payload.len());
                    prop_assert_eq!(inflated, Ok(&payload[..]));
                }
            }
        }

        /// T-214: any value of the header is read, and what comes of it is one of seven answers.
        #[test]
        fn t_214_any_offer_is_taken_or_declined(
            parts in prop::collection::vec(prop::sample::select(OFFER_PARTS.to_vec()), 0..30),
            tail in "\\PC{0,4}",
        ) {
            let offer = parts.concat() + &tail;
            let agreement = negotiate(offer.lines().map(str::as_bytes));
            if let Some(Agreement { server_window_bits }) = agreement {
                prop_assert!((9..=15).contains(&server_window_bits));
                prop_assert!(offer.contains("permessage-deflate"));
            }
        }
    }
}
