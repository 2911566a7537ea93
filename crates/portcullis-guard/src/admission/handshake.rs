//! The head of a request as admission reads it, and an admitted request.
//! Never: a decision.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_model::Secret;

use crate::admission::names::dashboard::Reach;
use crate::capacity::client_class::ClientClass;
use crate::capacity::pools::ConnectionSlot;

/// The endpoint that a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A page, or a file of a page.
    Page,
    /// The HTTP API.
    Api,
    /// Socket.IO over WebSocket.
    SocketIo,
    /// Plain JSON over WebSocket.
    Plain,
    /// Socket.IO over long-polling: the request that opens a session.
    PollingIo,
}

impl Endpoint {
    /// Whether a connection stays open after the request is answered.
    pub(crate) fn is_socket(self) -> bool {
        match self {
            Self::SocketIo | Self::Plain | Self::PollingIo => true,
            Self::Page | Self::Api => false,
        }
    }
}

/// The parts of a request head that admission reads.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// The address that it counts for, as [`Gate::client`](crate::Gate::client) gives it.
    pub client: IpAddr,
    /// The endpoint that it is for.
    pub endpoint: Endpoint,
    /// The method, as sent.
    pub method: &'a str,
    /// The query without `?`, empty when there is none.
    pub query: &'a str,
    /// The authority of an absolute-form target (RFC 9112 section 3.2.2).
    pub authority: Option<&'a str>,
    /// The header lines in order; names are compared without regard to case.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// How often a header occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    None,
    One(&'a [u8]),
    Many,
}

impl<'a> Handshake<'a> {
    /// The value of a header. A header that occurs twice has no single value.
    pub(crate) fn line(&self, name: &str) -> Line<'a> {
        let mut values = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (None, _) => Line::None,
            (Some((_, value)), None) => Line::One(value),
            (Some(_), Some(_)) => Line::Many,
        }
    }
}

/// Whether a request carried cookies; their contents are not read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookies {
    /// No cookie.
    None,
    /// Some cookie.
    Some,
}

/// An admitted request.
#[derive(Debug)]
pub struct AdmittedRequest {
    /// The address that the request counts for, in canonical form.
    pub client: IpAddr,
    /// The class of its client, by the admission token it shows.
    pub class: ClientClass,
    /// The parts of the server that exist for it.
    pub reach: Reach,
    /// The origin of the page, if there is one; it is allowed.
    pub origin: Option<Arc<str>>,
    /// The token of `Authorization: Bearer`, not yet verified.
    pub bearer: Option<Secret<String>>,
    /// The token of `Authorization: DPoP`, not yet verified.
    pub bound: Option<Secret<String>>,
    /// The proof of the client's key, from the header `DPoP`, not yet verified.
    pub proof: Option<Secret<String>>,
    /// Whether the request carried cookies.
    pub cookies: Cookies,
    /// The class of a new socket that needs a slot, until [`Gate::take_slot`] has taken one.
    ///
    /// [`Gate::take_slot`]: crate::Gate::take_slot
    pub wanted_slot: Option<ClientClass>,
    /// Whether a slot was requested before.
    pub(crate) was_tried: bool,
    /// The slot of the connection, for sockets; it starts in the pre-auth pool.
    pub slot: Option<ConnectionSlot>,
}
