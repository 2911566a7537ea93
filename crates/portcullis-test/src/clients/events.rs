//! Packets of events and acknowledgements, as text.
//! Never: a socket.

use serde_json::Value;

/// The first argument of an acknowledgement that begins with `43<id>[`.
pub(crate) fn acknowledgement(prefix: &str, packet: &str) -> Value {
    let mut arguments: Vec<Value> = serde_json::from_str(&packet[prefix.len() - 1..]).unwrap();
    arguments.remove(0)
}

/// The prefix of a packet of an event with a payload.
pub(crate) fn event_prefix(name: &str) -> String {
    format!("42[\"{name}\",")
}

/// The payload of an event: its argument after the name.
pub(crate) fn event_payload(packet: &str) -> Value {
    let mut arguments: Vec<Value> = serde_json::from_str(&packet[2..]).unwrap();
    arguments.remove(1)
}
