//! Which client a request comes from, where proxies forward it.
//! Never: a header of a peer that is not one of the operator's proxies.

use std::net::IpAddr;

use crate::admission::admit::Admission;
use crate::admission::proxy::ClientScheme;
use crate::limits::address::canonical;

impl Admission {
    /// The address a request counts for: the peer's, or what the operator's own proxies say of it.
    ///
    /// The list is read from its end, up to the first address that is no trusted proxy. `peer` is
    /// the other end of the TCP connection, or what the PROXY protocol says of it.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &[(&str, &[u8])]) -> IpAddr {
        self.proxies.client(peer, headers)
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
        self.proxies.scheme(peer, headers)
    }

    /// Whether a peer is one of the operator's own proxies.
    #[must_use]
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.trusts(canonical(peer))
    }
}
