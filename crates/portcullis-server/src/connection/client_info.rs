//! The client of a connection, as its opening request describes it.
//! Never: the user; authentication comes later.

use std::cell::Cell;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use portcullis_guard::{ClientClass, PacketBudget, Reach};

/// The client that opened a connection.
pub(crate) struct ClientInfo {
    pub(crate) address: IpAddr,
    /// The port of the client's socket; unknown behind a proxy.
    pub(crate) port: Option<NonZeroU16>,
    /// The class that its admission token shows: returning or unauthenticated.
    pub(crate) class: ClientClass,
    /// The parts of the server that exist for it.
    pub(crate) reach: Reach,
    pub(crate) origin: Option<Arc<str>>,
    /// Its use of the limits on packets and signature checks.
    pub(crate) packets: PacketBudget,
    /// Its rejected requests, for operators; the count ends at 65,535.
    pub(crate) rejected: Cell<u16>,
}
