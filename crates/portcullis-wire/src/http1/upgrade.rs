//! Reads the opening handshake of a WebSocket (RFC 6455 section 4.2.1).
//! Never: reads offers of extensions.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::head::{FieldValue, Head};
use super::token::{elements, is_token};

/// Most subprotocols a client can offer; it needs one, and sometimes a ticket as a second.
const PROTOCOLS_MAX: usize = 16;

/// A valid request for a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeRequest<'a> {
    /// 24 characters of base64, for [`accept_key`](crate::websocket::accept_key).
    pub key: &'a [u8],
    /// The subprotocols that the client offers, in its order: at most 16 tokens, each once.
    pub protocols: Vec<&'a str>,
}

/// Why a request for a WebSocket is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeFault {
    /// The request violates RFC 6455 section 4.2.1. The word names the part for the operator.
    Malformed(&'static str),
    /// The version is missing or not 13; answered by 426 with version 13 (RFC 6455 section 4.4).
    Version,
}

/// Whether a request asks for a WebSocket.
#[must_use]
pub fn wants_upgrade(head: &Head<'_>) -> bool {
    head.lists("upgrade", "websocket")
}

/// Reads the opening handshake.
///
/// # Errors
/// The request violates RFC 6455 section 4.2.1.
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

/// Whether a key is sixteen bytes in canonical base64: 24 characters with exact padding.
fn is_key(key: &[u8]) -> bool {
    let mut bytes = [0; 18];
    key.len() == 24 && STANDARD.decode_slice(key, &mut bytes) == Ok(16)
}

/// Reads the subprotocols: distinct tokens (RFC 6455 section 4.1 item 10), at most 16.
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
