//! The client of a TCP connection and of its current request.
//! Never: the request itself; the decision.

use std::net::{IpAddr, SocketAddr};

use portcullis_guard::{ClientScheme, Endpoint, Gate, Handshake, Source};
use portcullis_wire::http1::{FieldValue, Head};

use crate::listen::listener_kind::ListenerKind;
use crate::rejection::RejectionSource;

/// The client of a TCP connection and of its current request.
pub(crate) struct RequestClient {
    /// The peer of the TCP connection, or the client that the PROXY protocol reports.
    pub(crate) peer: SocketAddr,
    pub(crate) listener_kind: ListenerKind,
    /// The address that the current request counts against.
    pub(crate) address: IpAddr,
    /// Whether a page of another site may have caused the request.
    pub(crate) source: Source,
    /// The scheme of the current request, as a trusted proxy reports it.
    pub(crate) forwarded_scheme: Option<ClientScheme>,
    /// Whether the request is a HEAD: its response has no body (RFC 9110 section 9.3.2).
    pub(crate) bodiless: bool,
}

impl RequestClient {
    pub(crate) fn new(gate: &Gate, peer: SocketAddr, listener_kind: ListenerKind) -> Self {
        Self {
            peer,
            listener_kind,
            address: gate.client(peer.ip(), &[]),
            source: Source::default(),
            forwarded_scheme: None,
            bodiless: false,
        }
    }

    /// Starts the next request: until its head is read, its client is unknown.
    pub(crate) fn reset(&mut self, gate: &Gate) {
        self.address = gate.client(self.peer.ip(), &[]);
        self.source = Source::default();
        self.forwarded_scheme = None;
    }

    /// Reads the client of a request from its head.
    pub(crate) fn read(&mut self, gate: &Gate, head: &Head<'_>) {
        let peer = self.peer.ip();
        self.bodiless = head.method == "HEAD";
        self.address = gate.client(peer, &head.headers);
        self.forwarded_scheme = gate.admission().forwarded_scheme(peer, &head.headers);
    }

    /// The port of the client, when the client is the peer itself.
    pub(crate) fn port(&self) -> Option<u16> {
        (self.peer.ip().to_canonical() == self.address).then(|| self.peer.port())
    }

    /// The known facts for the record of a rejected request.
    pub(crate) fn rejection_source(&self) -> RejectionSource<'static> {
        RejectionSource {
            client: Some(self.address),
            port: self.port(),
            http: true,
            blame: self.source.into(),
            ..RejectionSource::default()
        }
    }

    /// The input of the gate for a request.
    pub(crate) fn handshake<'a>(&self, head: &'a Head<'a>, endpoint: Endpoint) -> Handshake<'a> {
        Handshake {
            client: self.address,
            endpoint,
            method: head.method,
            query: head.query,
            authority: head.authority,
            headers: &head.headers,
        }
    }

    /// Whether no page can read the response, as the browser reports: the request of an image, for
    /// example.
    pub(crate) fn is_unreadable(&self, head: &Head<'_>) -> bool {
        let mode = head.header("sec-fetch-mode");
        self.source == Source::CrossSite && matches!(mode, FieldValue::One(b"no-cors"))
    }
}
