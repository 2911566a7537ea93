//! Writes the packets of the server, each as an Engine.IO message.
//! Never: checks the JSON of its callers.

use crate::json::quoted;

pub(super) fn head(kind: char, namespace: &str, capacity: usize) -> String {
    let mut text = String::with_capacity(namespace.len() + capacity + 4);
    text.push('4');
    text.push(kind);
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
    text
}

/// Writes the answer to an accepted CONNECT. `payload_json` is one JSON object.
#[must_use]
pub fn connect_ok(namespace: &str, payload_json: &str) -> String {
    let mut text = head('0', namespace, payload_json.len());
    text.push_str(payload_json);
    text
}

/// Writes the answer to a rejected CONNECT. `payload_json` is one JSON object.
#[must_use]
pub fn connect_error(namespace: &str, payload_json: &str) -> String {
    let mut text = head('4', namespace, payload_json.len());
    text.push_str(payload_json);
    text
}

/// Writes an event with one argument. `payload_json` is one JSON value.
#[must_use]
pub fn event(namespace: &str, name: &str, payload_json: &str) -> String {
    let mut text = head('2', namespace, name.len() + payload_json.len() + 8);
    text.push('[');
    text.push_str(&quoted(name));
    text.push(',');
    text.push_str(payload_json);
    text.push(']');
    text
}

/// Writes an acknowledgement with one argument. `payload_json` is one JSON value.
#[must_use]
pub fn ack(namespace: &str, id: u64, payload_json: &str) -> String {
    let mut text = head('3', namespace, payload_json.len() + 24);
    text.push_str(&id.to_string());
    text.push('[');
    text.push_str(payload_json);
    text.push(']');
    text
}

/// The parts of an event before its arguments.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventHead<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The event's name.
    pub name: &'a str,
    /// The id of a requested acknowledgement.
    pub ack: Option<u64>,
    /// How many binary messages follow.
    pub attachments: usize,
}

/// Writes an event with any arguments: JSON values with commas between them.
#[must_use]
pub fn event_with(event: &EventHead<'_>, arguments_json: &str) -> String {
    let kind = if event.attachments == 0 { '2' } else { '5' };
    let mut text =
        String::with_capacity(event.namespace.len() + event.name.len() + arguments_json.len() + 32);
    push_head(&mut text, kind, event.attachments, event.namespace);
    if let Some(id) = event.ack {
        text.push_str(&id.to_string());
    }
    text.push('[');
    text.push_str(&quoted(event.name));
    if !arguments_json.is_empty() {
        text.push(',');
        text.push_str(arguments_json);
    }
    text.push(']');
    text
}

/// Writes an acknowledgement with any arguments: JSON values with commas between them.
#[must_use]
pub fn ack_with(namespace: &str, id: u64, attachments: usize, arguments_json: &str) -> String {
    let kind = if attachments == 0 { '3' } else { '6' };
    let mut text = String::with_capacity(namespace.len() + arguments_json.len() + 32);
    push_head(&mut text, kind, attachments, namespace);
    text.push_str(&id.to_string());
    text.push('[');
    text.push_str(arguments_json);
    text.push(']');
    text
}

fn push_head(text: &mut String, kind: char, attachments: usize, namespace: &str) {
    text.push('4');
    text.push(kind);
    if attachments > 0 {
        text.push_str(&attachments.to_string());
        text.push('-');
    }
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
}

/// Writes that the client is disconnected from a namespace.
#[must_use]
pub fn disconnect(namespace: &str) -> String {
    head('1', namespace, 0)
}
