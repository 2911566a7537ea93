//! A server that runs: where it listens, and how it stops.
//! Never: left with a store that is open.

use std::net::SocketAddr;

#[cfg(feature = "chat")]
use crate::server::chat_server::ChatInstalled;

/// A server that runs.
pub struct Running {
    pub(crate) engine: portcullis_server::Running,
    #[cfg(feature = "chat")]
    pub(crate) chat: Option<ChatInstalled>,
}

impl Running {
    /// Where clients connect.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.engine.public()
    }

    /// Where operators look, if anywhere.
    #[must_use]
    pub fn private(&self) -> Option<SocketAddr> {
        self.engine.private()
    }

    /// Stops accepting, lets running handlers finish, ends every connection; waits for it, and for
    /// the store. Takes `Options::drain_ms` at most for the connections.
    pub fn drain(self) {
        self.engine.drain();
        #[cfg(feature = "chat")]
        self.chat.iter().for_each(ChatInstalled::close);
    }
}
