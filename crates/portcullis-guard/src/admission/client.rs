//! The source of a request: its client, its page and its session.
//! Never: a header of a peer that is not one of the operator's proxies.

use std::net::IpAddr;

use portcullis_model::Denial;

use crate::admission::admit::Admission;
use crate::admission::handshake::{AdmittedRequest, Handshake, Line};
use crate::admission::polling_binding::{SessionBinding, network, prefix};
use crate::admission::proxy::ClientScheme;
use crate::admission::source::{Source, without_origin};
use crate::capacity::address::canonical;

impl Admission {
    /// The address that a request counts for: of the peer, or as a trusted proxy reports it.
    ///
    /// The list is read from its end, up to the first address that is not a trusted proxy. `peer`
    /// is the other end of the TCP connection, or the address that the PROXY protocol reports.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &[(&str, &[u8])]) -> IpAddr {
        self.policy.load().proxies.client(peer, headers)
    }

    /// The scheme of the client's request, as a trusted proxy reports it in `X-Forwarded-Proto` or
    /// `Forwarded`; `None` from every other peer, and when the header is missing.
    ///
    /// In a chain of proxies one `https` counts: it only makes browsers stricter, and they ignore
    /// what depends on it when they asked in plain text (RFC 6797 section 8.1).
    #[must_use]
    pub fn forwarded_scheme(
        &self,
        peer: IpAddr,
        headers: &[(&str, &[u8])],
    ) -> Option<ClientScheme> {
        self.policy.load().proxies.scheme(peer, headers)
    }

    /// Whether a peer is one of the operator's own proxies.
    #[must_use]
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.policy.load().proxies.trusts(canonical(peer))
    }

    /// Where a request comes from, by headers that a page cannot choose.
    #[must_use]
    pub fn source(&self, ask: &Handshake<'_>) -> Source {
        let policy = self.policy.load();
        if policy.options.danger.any_origin {
            return Source::Attributable;
        }
        match ask.line("origin") {
            Line::One(seen) if policy.origins_for(ask).lists(seen) => Source::Attributable,
            Line::One(_) | Line::Many => Source::CrossSite,
            Line::None => without_origin(ask),
        }
    }

    /// Rejects a request that a page of another site has caused, before it is counted.
    pub(crate) fn check_source(source: Source, ask: &Handshake<'_>) -> Result<(), Denial> {
        match (source, ask.line("origin")) {
            (Source::CrossSite, Line::None) => Err(Denial::CrossSite),
            (Source::CrossSite, Line::One(_) | Line::Many) => Err(Denial::OriginForbidden),
            (Source::Unmarked, _) if ask.endpoint.is_socket() => Err(Denial::OriginMissing),
            (Source::Attributable | Source::Unmarked | Source::Navigation, _) => Ok(()),
        }
    }

    /// The binding of the session of an admitted request; `channel` names the TLS session.
    pub fn bind(
        &self,
        ask: &Handshake<'_>,
        admitted: &AdmittedRequest,
        channel: Option<[u8; 16]>,
    ) -> SessionBinding {
        let agent = match ask.line("user-agent") {
            Line::One(agent) => Some(self.limits.rates.key(agent)),
            Line::None | Line::Many => None,
        };
        let prefix = prefix(admitted.client);
        let network = network(admitted.client);
        let bearer =
            admitted.bearer.as_ref().map(|token| self.limits.rates.key(("bearer", token.expose())));
        SessionBinding { origin: admitted.origin.clone(), prefix, network, agent, channel, bearer }
    }
}
