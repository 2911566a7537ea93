//! A running server: its addresses, and its shutdown.
//! Never: an end with an open store.

use std::net::SocketAddr;

#[cfg(feature = "chat")]
use crate::server::chat_server::ChatHandle;

/// A running server.
pub struct Running {
    pub(crate) engine: portcullis_server::Running,
    #[cfg(feature = "chat")]
    pub(crate) chat: Option<ChatHandle>,
}

impl Running {
    /// The address for clients.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.engine.public()
    }

    /// The address of the private listener, if there is one.
    #[must_use]
    pub fn private(&self) -> Option<SocketAddr> {
        self.engine.private()
    }

    /// Stops accepting, lets running handlers finish, closes every connection and the store, and
    /// waits for all of it. Connections are closed after `Options::drain_ms` at the latest.
    pub fn drain(self) {
        self.engine.drain();
        #[cfg(feature = "chat")]
        self.chat.iter().for_each(ChatHandle::close);
    }
}
