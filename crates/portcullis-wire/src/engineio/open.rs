//! Writes the packet that opens a session.
//! Never: chooses the values in it.

use crate::json::quoted;

/// The values of the open packet.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions<'a> {
    /// The session's secret id in base64url, which needs no escapes.
    pub sid: &'a str,
    /// Transports the client may move to.
    pub upgrades: &'a [&'a str],
    /// Time between two pings, in milliseconds.
    pub ping_interval_ms: u32,
    /// Time until a missing pong ends the session, in milliseconds.
    pub ping_timeout_ms: u32,
    /// Largest message, in bytes.
    pub max_payload: u32,
}

/// The packet that opens a session: `0{"sid":…}`.
#[must_use]
pub fn open_packet(options: &OpenOptions<'_>) -> String {
    let mut upgrades = String::new();
    for name in options.upgrades {
        if !upgrades.is_empty() {
            upgrades.push(',');
        }
        upgrades.push_str(&quoted(name));
    }
    let (interval, timeout) = (options.ping_interval_ms, options.ping_timeout_ms);
    let (sid, max) = (quoted(options.sid), options.max_payload);
    let times = format!(r#""pingInterval":{interval},"pingTimeout":{timeout}"#);
    format!(r#"0{{"sid":{sid},"upgrades":[{upgrades}],{times},"maxPayload":{max}}}"#)
}
