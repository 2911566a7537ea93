//! The opening handshake of a WebSocket, as the server reads it (RFC 6455 section 4.2.1).
//! Never: extensions; an offer is not even parsed, and so never agreed to.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::head::{FieldValue, Head};
use super::token::{elements, is_token};

/// Subprotocols a client may offer; it needs one, and perhaps a ticket beside it.
const PROTOCOLS_MAX: usize = 16;

/// A sound request for a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRequest<'a> {
    /// 24 characters of base64, for [`accept_key`](crate::websocket::accept_key).
    pub key: &'a [u8],
    /// The subprotocols offered, in the client's order: at most 16 tokens, each once.
    pub protocols: Vec<&'a str>,
}

/// Why a request for a WebSocket is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeFault {
    /// Not what RFC 6455 section 4.2.1 asks for; the word says where, for the operator.
    Malformed(&'static str),
    /// Another version than 13, or none: answered 426 with ours (RFC 6455 section 4.4).
    Version,
}

/// Whether a request asks for a WebSocket at all.
#[must_use]
pub fn wants_upgrade(head: &Head<'_>) -> bool {
    head.lists("upgrade", "websocket")
}

/// Reads the opening handshake.
///
/// # Errors
/// Anything RFC 6455 section 4.2.1 does not allow.
pub fn read_upgrade<'a>(head: &Head<'a>) -> Result<UpgradeRequest<'a>, UpgradeFault> {
    // 4.2.1 item 1: a GET request of HTTP/1.1 or higher.
    if head.method != "GET" {
        return Err(UpgradeFault::Malformed("upgrade_method"));
    }
    if head.content_length > 0 {
        return Err(UpgradeFault::Malformed("upgrade_body"));
    }
    // 4.2.1 items 3 and 4: list fields that name the token, without regard to case.
    if !wants_upgrade(head) {
        return Err(UpgradeFault::Malformed("upgrade_field"));
    }
    if !head.lists("connection", "upgrade") {
        return Err(UpgradeFault::Malformed("upgrade_connection"));
    }
    // 4.2.1 item 6.
    if head.header("sec-websocket-version") != FieldValue::One(b"13") {
        return Err(UpgradeFault::Version);
    }
    // 4.2.1 item 5; section 11.3.1 forbids a second one.
    let key = match head.header("sec-websocket-key") {
        FieldValue::One(key) if is_key(key) => key,
        FieldValue::One(_) => return Err(UpgradeFault::Malformed("upgrade_key")),
        FieldValue::None => return Err(UpgradeFault::Malformed("upgrade_key_missing")),
        FieldValue::Many => return Err(UpgradeFault::Malformed("upgrade_key_repeated")),
    };
    Ok(UpgradeRequest { key, protocols: read_protocols(head)? })
}

/// Sixteen bytes in canonical base64: 24 characters, the padding and its spare bits as they must.
fn is_key(key: &[u8]) -> bool {
    let mut bytes = [0; 18];
    key.len() == 24 && STANDARD.decode_slice(key, &mut bytes) == Ok(16)
}

/// RFC 6455 section 4.1 item 10: tokens, none empty, each once. Linear: at most 16 are read.
fn read_protocols<'a>(head: &Head<'a>) -> Result<Vec<&'a str>, UpgradeFault> {
    let fault = UpgradeFault::Malformed("upgrade_protocols");
    let mut protocols = Vec::new();
    for value in head.values("sec-websocket-protocol") {
        for element in elements(value) {
            let name = Some(element).filter(|element| is_token(element)).ok_or(fault)?;
            let name = std::str::from_utf8(name).map_err(|_| fault)?;
            if protocols.len() == PROTOCOLS_MAX || protocols.contains(&name) {
                return Err(fault);
            }
            protocols.push(name);
        }
    }
    Ok(protocols)
}
