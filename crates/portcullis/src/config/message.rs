//! `[message]`: how large a message may be, and what its formatting may hold (T-090).
//! Never: larger than what a connection may be made to buffer.

use portcullis_guard::GateOptions;
use portcullis_server::Options;
use serde::Deserialize;

use super::error::ConfigError;
use super::number::within;

/// `[message]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MessageSection {
    /// Bytes of one event's payload; 10240.
    size_max_bytes: Option<u32>,
    /// Whether formatting may include `https:` links; false.
    links: Option<bool>,
}

/// What stands around a payload in a frame: event name, envelope, packet header.
const AROUND_PAYLOAD_BYTES: u32 = 2 * 1024;

impl MessageSection {
    pub(super) fn read(
        &self,
        server: Options,
        gate: GateOptions,
    ) -> Result<(Options, GateOptions), ConfigError> {
        let key = "message.size_max_bytes";
        let message_max_bytes =
            within(key, self.size_max_bytes, gate.message_max_bytes, 256..=65_536)?;
        let links_allowed = self.links.unwrap_or(gate.links_allowed);
        Ok((
            Options { message_max_bytes: message_max_bytes + AROUND_PAYLOAD_BYTES, ..server },
            GateOptions { message_max_bytes, links_allowed, ..gate },
        ))
    }
}
