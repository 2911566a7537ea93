//! The client of a connection, as its opening request describes it.
//! Never: the user; authentication comes later.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_guard::{ClientClass, PacketBudget};

/// The client that opened a connection.
pub(crate) struct ClientInfo {
    pub(crate) address: IpAddr,
    /// The port of the client's socket; unknown behind a proxy.
    pub(crate) port: Option<u16>,
    /// What its admission token shows: a returning client or an unauthenticated one.
    pub(crate) class: ClientClass,
    pub(crate) origin: Option<Arc<str>>,
    /// What it has used of the limits on packets and signature checks.
    pub(crate) packets: PacketBudget,
}
