//! Binds the requests of a long-polling session to the client that opened it.
//! Never: the secret session id; the engine compares that first.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_model::Denial;

use crate::capacity::address::{Prefix, prefixes};

/// Evidence that a request from another address is from the client that opened the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PollingBinding {
    /// The same IPv4 address or IPv6 /64, or the same TLS session.
    #[default]
    Address,
    /// The same IPv4 /24 or IPv6 /48, or the same TLS session.
    Network,
    /// As `Address`, or the token that the session was opened with, in `Authorization`.
    Token,
}

impl PollingBinding {
    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Token => "token",
        }
    }
}

/// The client that opened a session: page, address, program, TLS session. 88 bytes and the origin.
#[derive(Clone)]
pub struct SessionBinding {
    pub(crate) origin: Option<Arc<str>>,
    pub(crate) prefix: Prefix,
    pub(crate) network: Network,
    /// A hash under a secret of this process; `None` when the header was missing.
    pub(crate) agent: Option<u64>,
    /// The name of the TLS session; `None` in plain text and behind a proxy that ends TLS.
    pub(crate) channel: Option<[u8; 16]>,
    /// A hash of the token in `Authorization`, under the same secret.
    pub(crate) bearer: Option<u64>,
}

/// An IPv4 /24, or an IPv6 /48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    V4([u8; 3]),
    V6([u8; 6]),
}

/// The kind of a further request of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// A poll or a post.
    Request,
    /// The WebSocket that takes over; clients other than browsers send no `User-Agent` there.
    Upgrade,
}

impl SessionBinding {
    /// Whether a request comes from where the session was opened.
    ///
    /// A page names its own origin only in requests that write, so a missing origin is taken from
    /// the first request that has one.
    ///
    /// # Errors
    /// [`Denial::SessionUnknown`], as for an id that never existed.
    pub fn check(
        &mut self,
        other: &Self,
        further: FollowUp,
        rule: PollingBinding,
    ) -> Result<(), Denial> {
        let origin_differs = match (&self.origin, &other.origin) {
            (Some(known), Some(seen)) => known != seen,
            (Some(_), None) | (None, _) => false,
        };
        if origin_differs {
            return Err(Denial::SessionUnknown("origin"));
        }
        if self.prefix != other.prefix && !self.is_same_client(other, rule) {
            return Err(Denial::SessionUnknown("prefix"));
        }
        let agent_differs = match (further, other.agent) {
            (FollowUp::Upgrade, None) => false,
            (FollowUp::Upgrade | FollowUp::Request, agent) => agent != self.agent,
        };
        if agent_differs {
            return Err(Denial::SessionUnknown("user_agent"));
        }
        if self.origin.is_none() {
            self.origin.clone_from(&other.origin);
        }
        Ok(())
    }

    /// Whether the TLS session, the network or the token shows that it is the same client.
    fn is_same_client(&self, other: &Self, rule: PollingBinding) -> bool {
        let same_channel = self.channel.is_some() && self.channel == other.channel;
        same_channel
            || match rule {
                PollingBinding::Address => false,
                PollingBinding::Network => self.network == other.network,
                PollingBinding::Token => self.bearer.is_some() && self.bearer == other.bearer,
            }
    }
}

pub(crate) fn network(client: IpAddr) -> Network {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Network::V4([a, b, c])
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, ..] = address.octets();
            Network::V6([a, b, c, d, e, f])
        }
    }
}

pub(crate) fn prefix(client: IpAddr) -> Prefix {
    prefixes(client).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(origin: Option<&str>, address: &str, agent: Option<u64>) -> SessionBinding {
        let client = address.parse().unwrap();
        let (prefix, network, origin) = (prefix(client), network(client), origin.map(Arc::from));
        SessionBinding { origin, prefix, network, agent, channel: None, bearer: None }
    }

    const RULE: PollingBinding = PollingBinding::Address;

    #[test]
    fn t_170_session_is_bound_to_its_page_address_and_client() {
        let (a, b) = (Some("https://a.example"), Some("https://b.example"));
        let opened = binding(a, "192.0.2.1", Some(1));
        let cases = [
            (binding(a, "192.0.2.1", Some(1)), FollowUp::Request, None),
            (binding(None, "192.0.2.1", Some(1)), FollowUp::Request, None),
            (binding(b, "192.0.2.1", Some(1)), FollowUp::Request, Some("origin")),
            (binding(a, "192.0.2.2", Some(1)), FollowUp::Request, Some("prefix")),
            (binding(a, "192.0.2.1", Some(2)), FollowUp::Request, Some("user_agent")),
            (binding(a, "192.0.2.1", None), FollowUp::Request, Some("user_agent")),
            (binding(a, "192.0.2.1", None), FollowUp::Upgrade, None),
            (binding(a, "192.0.2.1", Some(2)), FollowUp::Upgrade, Some("user_agent")),
            (binding(b, "192.0.2.1", None), FollowUp::Upgrade, Some("origin")),
        ];
        for (other, further, expect) in cases {
            let refused = opened.clone().check(&other, further, RULE).err();
            assert_eq!(
                refused,
                expect.map(Denial::SessionUnknown),
                "{:?} {further:?}",
                other.agent
            );
        }
    }

    #[test]
    fn missing_origin_is_taken_from_a_later_request() {
        let mut opened = binding(None, "2001:db8::1", None);
        let (a, b) = (Some("https://a.example"), Some("https://b.example"));
        let mut check = |origin, address| {
            opened.check(&binding(origin, address, None), FollowUp::Request, RULE)
        };
        assert!(check(a, "2001:db8::2").is_ok());
        assert!(check(b, "2001:db8::2").is_err());
        assert!(check(None, "2001:db8::2").is_ok());
        assert!(check(a, "2001:db8:0:1::2").is_err());
    }

    #[test]
    fn other_address_needs_the_tls_session_or_the_rule() {
        use PollingBinding::{Address, Network, Token};
        let opened = SessionBinding {
            channel: Some([1; 16]),
            bearer: Some(7),
            ..binding(Some("https://a.example"), "192.0.2.1", Some(1))
        };
        let from = |address: &str, channel, bearer| SessionBinding {
            channel,
            bearer,
            ..binding(Some("https://a.example"), address, Some(1))
        };
        let (near, far) = ("192.0.2.9", "198.51.100.1");
        // The requesting client, and the rules under which it is the client of the session.
        let cases: [(SessionBinding, &[PollingBinding]); 7] = [
            (from(near, None, None), &[Network]),
            (from(far, None, None), &[]),
            (from(far, Some([2; 16]), None), &[]),
            (from(far, Some([1; 16]), None), &[Address, Network, Token]),
            (from(far, None, Some(7)), &[Token]),
            (from(far, None, Some(8)), &[]),
            (from("2001:db8::1", None, None), &[]),
        ];
        for (index, (other, rules)) in cases.iter().enumerate() {
            for rule in [Address, Network, Token] {
                for further in [FollowUp::Request, FollowUp::Upgrade] {
                    let passes = opened.clone().check(other, further, rule).is_ok();
                    assert_eq!(passes, rules.contains(&rule), "{index} {rule:?} {further:?}");
                }
            }
        }
        // A session without a channel or token has none in common with another that has none.
        let mut bare = binding(None, near, None);
        for rule in [Address, Token] {
            assert!(bare.check(&binding(None, far, None), FollowUp::Request, rule).is_err());
        }
        // The page and the program still have to be the same.
        let other_page =
            SessionBinding { origin: Some(Arc::from("https://b.example")), ..opened.clone() };
        assert!(opened.clone().check(&other_page, FollowUp::Request, Token).is_err());
        let other_agent = SessionBinding { agent: Some(2), ..opened.clone() };
        assert!(opened.clone().check(&other_agent, FollowUp::Request, Token).is_err());
    }
}
