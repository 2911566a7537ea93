//! A head with its client and its target: the input of a decision.
//! Never: bytes behind the head.

use std::rc::Rc;

use portcullis_guard::{Endpoint, Handshake};
use portcullis_model::Now;
use portcullis_wire::http1::Head;

use crate::http::decision::target::Target;
use crate::http::request_client::RequestClient;
use crate::listen::stream::{Stream, TlsSession};
use crate::shard::state::Shard;

/// The head of a request, its client and its target.
pub(crate) struct HeadRequest<'a> {
    pub(crate) shard: &'a Rc<Shard>,
    pub(crate) client: &'a RequestClient,
    pub(crate) stream: &'a Stream,
    pub(crate) head: &'a Head<'a>,
    pub(crate) target: Target,
    pub(crate) now: Now,
}

impl<'a> HeadRequest<'a> {
    /// The input of the gate, for an endpoint.
    pub(crate) fn handshake(&self, endpoint: Endpoint) -> Handshake<'a> {
        self.client.handshake(self.head, endpoint)
    }

    /// The TLS session of the client; the session of a proxy is shared by all its clients.
    pub(crate) fn tls_session(&self) -> Option<TlsSession> {
        let is_proxy = self.shard.server.gate.admission().is_proxy(self.client.peer.ip());
        self.stream.tls_session().filter(|_| !is_proxy)
    }
}
