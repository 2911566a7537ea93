//! What the first door is asked, and what it gives.
//! Never: a decision.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_model::Secret;

use crate::capacity::client_class::ClientClass;
use crate::capacity::pools::ConnectionSlot;

/// Which way a request comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A page, or what belongs to one.
    Page,
    /// The HTTP interface.
    Api,
    /// Socket.IO over WebSocket.
    SocketIo,
    /// Plain JSON over WebSocket.
    Plain,
    /// Socket.IO over long-polling: the request that opens a session.
    PollingIo,
}

impl Endpoint {
    /// Whether a connection stays behind once the request is answered.
    pub(crate) fn is_socket(self) -> bool {
        match self {
            Self::SocketIo | Self::Plain | Self::PollingIo => true,
            Self::Page | Self::Api => false,
        }
    }
}

/// A request head, as far as the first door looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// The address it counts for, as [`Gate::client`](crate::Gate::client) gives it.
    pub client: IpAddr,
    /// Which way it comes in.
    pub door: Endpoint,
    /// The method, as sent.
    pub method: &'a str,
    /// The query without `?`, empty when there is none.
    pub query: &'a str,
    /// The authority of an absolute-form target (RFC 9112 section 3.2.2).
    pub authority: Option<&'a str>,
    /// The header lines in order; names are compared without regard to case.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// How often a header is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    None,
    One(&'a [u8]),
    Many,
}

impl<'a> Handshake<'a> {
    /// The one value of a header. A doubled header has no value anybody agrees on.
    pub(crate) fn line(&self, name: &str) -> Line<'a> {
        let mut values = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (None, _) => Line::None,
            (Some((_, value)), None) => Line::One(value),
            (Some(_), Some(_)) => Line::Many,
        }
    }
}

/// Whether a request carried cookies; what is in them is never looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookies {
    /// No cookie.
    None,
    /// Some cookie.
    Some,
}

/// A request that passed the first door.
#[derive(Debug)]
pub struct AdmittedRequest {
    /// The address the request counts for, in its one spelling.
    pub client: IpAddr,
    /// What it shows of somebody who has been here before.
    pub class: ClientClass,
    /// The origin of the page that asks, if there is one; it is on the list.
    pub origin: Option<Arc<str>>,
    /// The token of `Authorization: Bearer`, not yet verified.
    pub bearer: Option<Secret<String>>,
    /// The token of `Authorization: DPoP`, not yet verified.
    pub bound: Option<Secret<String>>,
    /// The proof of the client's key, from the header `DPoP`, not yet verified.
    pub proof: Option<Secret<String>>,
    /// Whether the request carried cookies.
    pub cookies: Cookies,
    /// In which lane a place is wanted: for new sockets, until [`Gate::take_slot`] has given one.
    ///
    /// [`Gate::take_slot`]: crate::Gate::take_slot
    pub wanted_slot: Option<ClientClass>,
    /// Whether it was asked for before.
    pub(crate) was_tried: bool,
    /// The place of the connection, for sockets; it starts in the pre-auth pool.
    pub slot: Option<ConnectionSlot>,
}
