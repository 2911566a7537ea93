//! The policy for outbound requests, as an operator can change it.
//! Never: an option that allows redirects, proxies or unchecked certificates.

use std::net::IpAddr;
use std::time::Duration;

use crate::address;

/// Limits and permissions of outbound requests.
///
/// One request holds at most three times `body_max_bytes` (for a moment, while its buffer grows),
/// 16 KiB of head and its connection's buffers (TLS: about 40 KiB), for no longer than `deadline`.
#[derive(Clone)]
pub struct Policy {
    /// Whether requests to addresses of private networks are allowed; default false.
    ///
    /// True also allows `http://` to this machine's loopback. It is for an identity provider in the
    /// operator's own network, and removes the protection from server-side request forgery.
    pub private_allowed: bool,
    /// Whether `private_allowed` includes link-local addresses and a cloud's host service, where
    /// virtual machines get credentials; default true.
    pub link_local_allowed: bool,
    /// Time for a whole request, from the name's look-up to the body's end; default 5 s.
    ///
    /// It ends the request to a server that sends one byte a second.
    pub deadline: Duration,
    /// Largest accepted body, in bytes; default 256 KiB. It ends a body without end.
    pub body_max_bytes: usize,
    /// Authorities trusted in place of those of the system, as PEM; default none (ASVS 12.3.4).
    pub roots_pem: Option<Vec<u8>>,
}

impl Policy {
    /// The kind of an address that this policy rejects.
    pub(crate) fn rejected(&self, address: IpAddr) -> Option<&'static str> {
        match (self.private_allowed, self.link_local_allowed) {
            (false, _) => address::not_public(address),
            (true, false) => address::link_local(address),
            (true, true) => None,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            private_allowed: false,
            link_local_allowed: true,
            deadline: Duration::from_secs(5),
            body_max_bytes: 256 * 1024,
            roots_pem: None,
        }
    }
}
