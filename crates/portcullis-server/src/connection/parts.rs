//! The parts of a connection: timers, lifecycle, wire format, output and memberships.
//! Never: more than one connection.

use std::cell::{Cell, OnceCell, RefCell};
use std::task::Waker;

use portcullis_wire::engineio::BinaryForm;

use crate::connection::end::EndReason;
use crate::connection::message_rate::MessageRate;
use crate::connection::socket::{PendingRecovery, Sockets};
use crate::delivery::outbox::Outbox;
use crate::events::pending_acks::PendingAcks;
use crate::websocket::compression::Compression;

/// Times of a connection, in milliseconds of the monotonic clock; 0 means "not set".
#[derive(Default)]
pub(crate) struct Timers {
    /// The time at which the deadline wheel checks the connection next.
    pub(crate) wheel_ms: Cell<u64>,
    /// The start of an incomplete message.
    pub(crate) assembly_since_ms: Cell<u64>,
    /// The arrival of a packet whose attachments are missing.
    pub(crate) attachments_since_ms: Cell<u64>,
    /// The start of the running job.
    pub(crate) job_since_ms: Cell<u64>,
    /// The last progress of a stalled write.
    pub(crate) stalled_since_ms: Cell<u64>,
    /// The end of a pause in reading, because the client exceeded a rate.
    pub(crate) paused_until_ms: Cell<u64>,
    /// The sum of all pauses, which do not count against the peer.
    pub(crate) paused_ms: Cell<u32>,
    /// The start of the connection, in seconds of Unix time.
    pub(crate) opened_unix_s: Cell<u32>,
    /// The last ping that checks whether the client still answers.
    pub(crate) probed_ms: Cell<u64>,
    /// The end of the credential that the client was last informed of, in Unix time.
    pub(crate) expiry_sent_ms: Cell<i64>,
}

/// How a connection ends.
#[derive(Default)]
pub(crate) struct Lifecycle {
    pub(crate) reason: OnceCell<Box<EndReason>>,
    /// The time at which the socket is closed in any case; 0 while the connection is open.
    pub(crate) closing_until_ms: Cell<u64>,
    pub(crate) waker: RefCell<Option<Waker>>,
}

/// The wire format that the transport negotiated.
pub(crate) struct WireFormat {
    pub(crate) compression: Cell<Compression>,
    pub(crate) binary: Cell<BinaryForm>,
    /// Whether a WebSocket has replaced long-polling.
    pub(crate) is_upgraded: Cell<bool>,
}

impl Default for WireFormat {
    fn default() -> Self {
        Self {
            compression: Cell::new(Compression::None),
            binary: Cell::default(),
            is_upgraded: Cell::new(false),
        }
    }
}

/// Frames for the client, and the rate of those from it.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) outbox: RefCell<Outbox>,
    /// Whether the connection is in the shard's write queue.
    pub(crate) is_queued: Cell<bool>,
    /// Here, because it needs no memory beside the flag.
    pub(crate) received: MessageRate,
}

/// The namespaces of a connection.
#[derive(Default)]
pub(crate) struct Memberships {
    pub(crate) sockets: RefCell<Sockets>,
    pub(crate) acks: PendingAcks,
    /// A socket whose recovery is under way.
    pub(crate) recovery: Cell<Option<Box<PendingRecovery>>>,
}
