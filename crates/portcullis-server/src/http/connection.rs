//! A TCP connection in the HTTP stage.
//! Never: the meaning of a request.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use portcullis_guard::{ClientScheme, HttpSlot, Source};

use crate::http::transfer::RequestBudget;
use crate::listen::entrance::Entrance;
use crate::listen::stream::Stream;
use crate::shard::state::Shard;

/// A TCP connection in the HTTP stage.
pub(crate) struct HttpConnection {
    pub(crate) shard: Rc<Shard>,
    pub(crate) stream: Stream,
    /// The other end: of the TCP connection, or as the PROXY protocol reports it.
    pub(crate) peer: SocketAddr,
    pub(crate) entrance: Entrance,
    /// The client that the current request counts against.
    pub(crate) client: IpAddr,
    /// Whether another site's page may have caused the request.
    pub(crate) source: Source,
    /// The scheme of the current request at a trusted proxy, as that proxy reports it.
    pub(crate) forwarded_scheme: Option<ClientScheme>,
    /// Counts the connection against its address until it is a WebSocket.
    pub(crate) seat: Option<HttpSlot>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) requests: RequestBudget,
    /// Whether the request is a HEAD: its response has no body (RFC 9110 section 9.3.2).
    pub(crate) bodiless: bool,
}

impl HttpConnection {
    pub(crate) fn new(shard: Rc<Shard>, stream: Stream, peer: SocketAddr) -> Self {
        let client = shard.server.gate.client(peer.ip(), &[]);
        Self {
            shard,
            stream,
            peer,
            entrance: Entrance::Public,
            client,
            source: Source::default(),
            forwarded_scheme: None,
            seat: None,
            buffer: Vec::new(),
            requests: RequestBudget::default(),
            bodiless: false,
        }
    }

    /// The client's port, when the client is the other end itself.
    pub(crate) fn client_port(&self) -> Option<u16> {
        (self.peer.ip().to_canonical() == self.client).then(|| self.peer.port())
    }
}
