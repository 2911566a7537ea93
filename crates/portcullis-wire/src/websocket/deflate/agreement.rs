//! Reads offers of permessage-deflate (RFC 7692 section 7.1) and writes the answer.
//! Never: accepts a malformed offer, or does more work than the limits allow.

/// Most offers that are read; clients send two or three.
const OFFERS_MAX: usize = 16;
/// Most bytes of offers that are read.
const OFFERS_MAX_BYTES: usize = 4 * 1024;
/// The window of every decompressor, and the only window of compressed messages.
const WINDOW_BITS_MAX: u8 = 15;

/// The parameters that client and server agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// The largest window that the client accepts, 9 to 15 bits.
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

    /// Whether the client accepts the window of our compressor. Otherwise messages are sent without
    /// compression, which is always allowed (RFC 7692 section 6).
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.server_window_bits == WINDOW_BITS_MAX
    }
}

/// Accepts the first suitable offer of all `Sec-WebSocket-Extensions` lines.
///
/// Linear and limited for any lines (T-214). Declines an offer that is malformed or has a parameter
/// that is unknown, repeated or out of range (RFC 7692 section 7.1).
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
        let (slot, is_valid) = match (name, value) {
            (b"server_no_context_takeover", None) => (0, true),
            (b"client_no_context_takeover", None) => (1, true),
            (b"server_max_window_bits", Some(value)) => {
                // No common compressor supports a window of 8 bits.
                let bits = window_bits(value).filter(|bits| *bits >= 9);
                server_window_bits = bits.unwrap_or(server_window_bits);
                (2, bits.is_some())
            }
            // Our decompressor accepts any window of the client, so this parameter needs no answer.
            (b"client_max_window_bits", None) => (3, true),
            (b"client_max_window_bits", Some(value)) => (3, window_bits(value).is_some()),
            _ => return None,
        };
        let known = seen.get_mut(slot)?;
        if !is_valid || std::mem::replace(known, true) {
            return None;
        }
    }
    Some(Agreement { server_window_bits })
}

/// Splits at separators outside quotation marks (RFC 9110 section 5.6.4) and trims blanks. So no
/// offer is read from inside a parameter of another offer.
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

/// 8 to 15 without a leading zero, optionally in quotation marks (RFC 7692 section 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    let bare = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    match bare.unwrap_or(value) {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + (digit - b'0')),
        _ => None,
    }
}
