//! Response heads (RFC 9112 section 4).
//! Never: writes a line end that a name or value contains.

use super::token::is_token_byte;

/// Writes a status line, the header lines and the empty line.
///
/// Adds no header. Drops control characters in a value, and every character of a name that is not a
/// token character, so that no value can end its line. An invalid status becomes 500.
pub fn write_response_head(out: &mut Vec<u8>, status: u16, headers: &[(&str, &str)]) {
    let status = if (100..=599).contains(&status) { status } else { 500 };
    out.extend_from_slice(b"HTTP/1.1 ");
    for place in [100, 10, 1] {
        out.extend(char::from_digit(u32::from(status / place % 10), 10).map(|digit| digit as u8));
    }
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        push_clean(out, name, is_token_byte);
        out.extend_from_slice(b": ");
        push_clean(out, value, |byte| byte == b'\t' || !byte.is_ascii_control());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn push_clean(out: &mut Vec<u8>, text: &str, allowed: fn(u8) -> bool) {
    if text.bytes().all(allowed) {
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend(text.bytes().filter(|byte| allowed(*byte)));
    }
}

/// The phrase of RFC 9110 section 15 (and RFC 6585); empty for a status the server never sends.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
