//! Reads one request head with `httparse` and stricter rules on top.
//! Never: a second reading of the same bytes.

use std::mem::MaybeUninit;

use memchr::{memchr_iter, memmem};

use super::head::{FieldValue, Head, HeadFault, HeadLimits, Versions};
use super::target::{Target, read_target};
use super::token::is_token;

/// Most header lines of a head, whatever the limits allow; the array of lines is on the stack.
const HEADERS_MAX: usize = 64;
/// Longest method; the registry's longest is 17 bytes.
const METHOD_MAX_BYTES: usize = 32;
/// Longest header name; the registry's longest is below 60 bytes.
const NAME_MAX_BYTES: usize = 256;
/// Most digits of a length, so that it cannot overflow a `u64`.
const LENGTH_MAX_DIGITS: usize = 18;

/// Finds the end of the first head: the byte after its empty line.
///
/// `searched` is how many bytes of `input` an earlier call has searched without success (0 at
/// first), so that a head in many small segments costs linear time (T-240).
#[must_use]
pub fn head_end(input: &[u8], searched: usize) -> Option<usize> {
    // The empty line can begin before that position.
    let from = searched.saturating_sub(3).min(input.len());
    let found = memmem::find(input.get(from..)?, b"\r\n\r\n")?;
    Some(from + found + 4)
}

/// Reads one request head from the start of `input`; `None` if it is incomplete.
///
/// # Errors
/// The bytes are not a head, cannot become one within the limits, or can be read in two ways.
pub fn parse_head<'a>(input: &'a [u8], limits: &HeadLimits) -> Result<Option<Head<'a>>, HeadFault> {
    parse_head_of(input, limits, Versions::Http11)
}

/// Reads a request head of one of these versions, otherwise like [`parse_head`].
///
/// # Errors
/// As [`parse_head`].
pub fn parse_head_of<'a>(
    input: &'a [u8],
    limits: &HeadLimits,
    versions: Versions,
) -> Result<Option<Head<'a>>, HeadFault> {
    // RFC 9112 section 2.2 lets a server skip empty lines here. We reject them: one reading only.
    if input.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(HeadFault::Malformed("empty_line"));
    }
    let Some(length) = head_end(input, 0) else {
        let over = input.len() >= limits.head_max_bytes;
        return if over { Err(HeadFault::TooLarge) } else { Ok(None) };
    };
    if length > limits.head_max_bytes {
        return Err(HeadFault::TooLarge);
    }
    let head = input.get(..length).unwrap_or_default();
    check_line_ends(head)?;
    tokenise(head, limits, versions).map(Some)
}

/// RFC 9112 section 2.2: some parsers end a line at a lone LF. Section 5.2: no folded lines.
fn check_line_ends(head: &[u8]) -> Result<(), HeadFault> {
    for at in memchr_iter(b'\n', head) {
        if at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r') {
            return Err(HeadFault::Malformed("bare_line_feed"));
        }
        if matches!(head.get(at + 1), Some(b' ' | b'\t')) {
            return Err(HeadFault::Malformed("folded_line"));
        }
    }
    Ok(())
}

fn tokenise<'a>(
    head: &'a [u8],
    limits: &HeadLimits,
    versions: Versions,
) -> Result<Head<'a>, HeadFault> {
    let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(head, &mut lines).map_err(|fault| {
        use httparse::Error;
        match fault {
            Error::TooManyHeaders => HeadFault::TooManyHeaders,
            Error::Version => HeadFault::Version,
            Error::HeaderName => HeadFault::Malformed("header_name"),
            Error::HeaderValue => HeadFault::Malformed("header_value"),
            Error::NewLine => HeadFault::Malformed("line_end"),
            Error::Token | Error::Status => HeadFault::Malformed("request_line"),
        }
    })?;
    if status != httparse::Status::Complete(head.len()) {
        return Err(HeadFault::Malformed("head_end"));
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(HeadFault::Malformed("request_line"));
    };
    if !versions.contain(request.version) {
        return Err(HeadFault::Version);
    }
    let is_persistent = request.version == Some(1);
    if method.len() > METHOD_MAX_BYTES || !is_token(method.as_bytes()) {
        return Err(HeadFault::Malformed("method"));
    }
    if target.len() > limits.target_max_bytes {
        return Err(HeadFault::TargetTooLong);
    }
    if request.headers.len() > limits.headers_max {
        return Err(HeadFault::TooManyHeaders);
    }
    if request.headers.iter().any(|line| line.name.len() > NAME_MAX_BYTES) {
        return Err(HeadFault::TooLarge);
    }
    let Target { path, query, authority } =
        read_target(target).ok_or(HeadFault::Malformed("target"))?;
    let headers = request.headers.iter().map(|line| (line.name, line.value)).collect();
    let length = head.len();
    let mut head = Head {
        method,
        target,
        path,
        query,
        authority,
        headers,
        content_length: 0,
        keep_alive: true,
        length,
    };
    head.content_length = read_framing(&head)?;
    head.keep_alive = is_persistent && !head.lists("connection", "close");
    Ok(head)
}

/// RFC 9112 section 6: the length of the body, if there is only one way to read it.
fn read_framing(head: &Head<'_>) -> Result<u64, HeadFault> {
    if head.header("transfer-encoding") != FieldValue::None {
        return Err(HeadFault::TransferEncoding);
    }
    let digits = match head.header("content-length") {
        FieldValue::None => return Ok(0),
        FieldValue::Many => return Err(HeadFault::ContentLength),
        FieldValue::One(digits) => digits,
    };
    let length = read_length(digits).ok_or(HeadFault::ContentLength)?;
    // RFC 9110 section 9.3: content of these methods has no meaning, and can smuggle a request.
    if length > 0 && matches!(head.method, "GET" | "HEAD" | "TRACE" | "CONNECT") {
        return Err(HeadFault::ContentLength);
    }
    Ok(length)
}

/// Reads decimal digits in one spelling: no sign, no list, no leading zero.
fn read_length(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty()
        && digits.len() <= LENGTH_MAX_DIGITS
        && digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'));
    let add = |sum: u64, digit: &u8| sum * 10 + u64::from(digit - b'0');
    plain.then(|| digits.iter().fold(0, add))
}
