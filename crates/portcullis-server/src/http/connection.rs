//! A TCP connection in the HTTP stage.
//! Never: the meaning of a request.

use std::net::SocketAddr;
use std::rc::Rc;

use portcullis_guard::HttpSlot;

use crate::http::http_stream::HttpStream;
use crate::http::request_client::RequestClient;
use crate::http::responder::Responder;
use crate::http::transfer::RequestBudget;
use crate::listen::listener_kind::ListenerKind;
use crate::listen::stream::Stream;
use crate::shard::state::Shard;

/// A TCP connection in the HTTP stage.
pub(crate) struct HttpConnection {
    pub(crate) shard: Rc<Shard>,
    pub(crate) io: HttpStream,
    pub(crate) client: RequestClient,
    /// Counts the connection against its address until it is a WebSocket.
    pub(crate) slot: Option<HttpSlot>,
    pub(crate) requests: RequestBudget,
}

impl HttpConnection {
    pub(crate) fn new(
        shard: Rc<Shard>,
        stream: Stream,
        peer: SocketAddr,
        listener_kind: ListenerKind,
    ) -> Self {
        let client = RequestClient::new(&shard.server.gate, peer, listener_kind);
        let io = HttpStream { stream, buffer: Vec::new() };
        Self { shard, io, client, slot: None, requests: RequestBudget::default() }
    }

    /// The responder to the current request.
    pub(crate) fn responder(&mut self) -> Responder<'_> {
        Responder { shard: &self.shard, client: &self.client, io: &mut self.io }
    }

    /// Closes the connection after its last response.
    pub(crate) async fn finish(self) {
        self.io.finish(&self.shard).await;
    }
}
