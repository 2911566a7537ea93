//! Who opens a connection, as far as its request tells.
//! Never: a user; nobody has signed in yet.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_guard::{ClientClass, PacketBudget};

/// Who opened a connection.
pub(crate) struct Comer {
    pub(crate) client: IpAddr,
    pub(crate) class: ClientClass,
    /// Unknown behind a proxy.
    pub(crate) port: Option<u16>,
    pub(crate) origin: Option<Arc<str>>,
    pub(crate) packets: PacketBudget,
}
