//! Names of events: read from the JSON of an event, and compared with reserved names.
//! Never: reads the arguments of the event.

use crate::packet_fault::PacketFault;

/// Longest namespace and longest event name, in bytes.
pub(super) const NAME_MAX_BYTES: usize = 128;

/// Reads the event's name: the first element of the array, a string without escapes.
///
/// # Errors
/// `event_name` if the first element is anything else (T-193). The rest is not read.
pub fn event_name(json: &str) -> Result<&str, PacketFault> {
    let fault = PacketFault("event_name");
    let rest = json.strip_prefix('[').ok_or(fault)?.trim_ascii_start();
    let rest = rest.strip_prefix('"').ok_or(fault)?;
    let end = rest.bytes().take(NAME_MAX_BYTES + 1).position(|byte| byte == b'"').ok_or(fault)?;
    let name = rest.get(..end).ok_or(fault)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(fault);
    }
    Ok(name)
}

/// Whether the protocol reserves the name for its life cycle (T-194).
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "connect"
            | "connect_error"
            | "connection"
            | "disconnect"
            | "disconnecting"
            | "error"
            | "newListener"
            | "removeListener"
    )
}
