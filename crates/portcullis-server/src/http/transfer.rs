//! A TCP connection between two shards, and the requests it may still carry.
//! Never: the transfer itself.

use std::net::SocketAddr;

use portcullis_guard::HttpSlot;

use crate::listen::stream::Stream;

/// Requests that one TCP connection may carry.
const REQUESTS_MAX: usize = 1000;

/// How many further requests a TCP connection may carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestBudget(usize);

impl Default for RequestBudget {
    fn default() -> Self {
        Self(REQUESTS_MAX)
    }
}

impl RequestBudget {
    pub(crate) fn has_more(self) -> bool {
        self.0 > 0
    }

    /// Takes one request; false when none is left.
    pub(crate) fn take_one(&mut self) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// A connection between two shards. Its buffer holds the request that caused the transfer.
pub(crate) struct TransferredConnection {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) slot: Option<HttpSlot>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) requests: RequestBudget,
}
