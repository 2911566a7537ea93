//! The input of a connection that has been read and not been handled.
//! Never: more than a bounded number of bytes.

use portcullis_wire::websocket::Decoder;

use crate::task::backlog::Backlog;
use crate::task::partial_packet::PartialPacket;
use crate::websocket::control_rate::ControlRate;

/// The input of a connection.
#[derive(Default)]
pub(crate) struct Input {
    pub(crate) decoder: Decoder,
    /// Bytes that wait for the end of a job or a pause.
    pub(crate) backlog: Option<Box<Backlog>>,
    /// A packet whose attachments are missing.
    pub(crate) partial: Option<Box<PartialPacket>>,
    /// The rate of control frames.
    pub(crate) control: ControlRate,
    /// Whether the peer closed its side while a job ran.
    pub(crate) peer_ended: bool,
}

impl Input {
    /// Keeps bytes for later.
    pub(crate) fn keep(&mut self, bytes: &[u8], read_ms: u64) {
        self.backlog.get_or_insert_default().push(bytes, read_ms);
    }

    /// Whether more may be read while a job runs.
    pub(crate) fn has_space(&self) -> bool {
        self.backlog.as_ref().is_none_or(|backlog| backlog.has_space())
    }

    /// Drops everything that was not handled.
    pub(crate) fn clear(&mut self) {
        self.backlog = None;
        self.partial = None;
    }
}
