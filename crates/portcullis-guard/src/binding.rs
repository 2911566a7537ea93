//! What ties the requests of one long-polling session together.
//! Never: the secret session id; the engine compares that first.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_model::Denial;

use crate::client_ip::{Prefix, prefixes};
use crate::gate::Gate;
use crate::handshake::{Admitted, Handshake, Line};

/// Who opened a session: the page, the address prefix and the program. 48 bytes and the origin.
#[derive(Debug, Clone)]
pub struct Binding {
    origin: Option<Arc<str>>,
    prefix: Prefix,
    /// A hash under a secret of this process; `None` when the header was missing.
    agent: Option<u64>,
}

/// Which kind of request asks to belong to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Further {
    /// A poll or a post.
    Request,
    /// The WebSocket that takes over: clients that are no browsers name no program there.
    Upgrade,
}

impl Binding {
    /// Whether a request comes from where the session was opened.
    ///
    /// A page's own requests name its origin only when they write, so one that is missing is
    /// learnt from the first request that has it.
    ///
    /// # Errors
    /// [`Denial::SessionUnknown`]: a stranger learns no more than of an id that never was.
    pub fn check(&mut self, other: &Self, further: Further) -> Result<(), Denial> {
        let origin_differs = match (&self.origin, &other.origin) {
            (Some(known), Some(seen)) => known != seen,
            (Some(_), None) | (None, _) => false,
        };
        if origin_differs {
            return Err(Denial::SessionUnknown("origin"));
        }
        if self.prefix != other.prefix {
            return Err(Denial::SessionUnknown("prefix"));
        }
        let agent_differs = match (further, other.agent) {
            (Further::Upgrade, None) => false,
            (Further::Upgrade | Further::Request, agent) => agent != self.agent,
        };
        if agent_differs {
            return Err(Denial::SessionUnknown("user_agent"));
        }
        if self.origin.is_none() {
            self.origin.clone_from(&other.origin);
        }
        Ok(())
    }
}

impl Gate {
    /// What a request that passed door 1 is bound to.
    pub fn binding(&self, ask: &Handshake<'_>, admitted: &Admitted) -> Binding {
        let agent = match ask.line("user-agent") {
            Line::One(agent) => Some(self.rates.key(agent)),
            Line::None | Line::Many => None,
        };
        let prefix = prefix(admitted.client);
        Binding { origin: admitted.origin.clone(), prefix, agent }
    }
}

fn prefix(client: IpAddr) -> Prefix {
    prefixes(client).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(origin: Option<&str>, address: &str, agent: Option<u64>) -> Binding {
        let prefix = prefix(address.parse().unwrap());
        Binding { origin: origin.map(Arc::from), prefix, agent }
    }

    #[test]
    fn t_170_a_session_belongs_to_where_it_was_opened() {
        let (a, b) = (Some("https://a.example"), Some("https://b.example"));
        let opened = binding(a, "192.0.2.1", Some(1));
        let cases = [
            (binding(a, "192.0.2.1", Some(1)), Further::Request, None),
            (binding(None, "192.0.2.1", Some(1)), Further::Request, None),
            (binding(b, "192.0.2.1", Some(1)), Further::Request, Some("origin")),
            (binding(a, "192.0.2.2", Some(1)), Further::Request, Some("prefix")),
            (binding(a, "192.0.2.1", Some(2)), Further::Request, Some("user_agent")),
            (binding(a, "192.0.2.1", None), Further::Request, Some("user_agent")),
            (binding(a, "192.0.2.1", None), Further::Upgrade, None),
            (binding(a, "192.0.2.1", Some(2)), Further::Upgrade, Some("user_agent")),
            (binding(b, "192.0.2.1", None), Further::Upgrade, Some("origin")),
        ];
        for (other, further, expect) in cases {
            let refused = opened.clone().check(&other, further).err();
            assert_eq!(refused, expect.map(Denial::SessionUnknown), "{other:?} {further:?}");
        }
    }

    #[test]
    fn an_origin_is_learnt_once() {
        let mut opened = binding(None, "2001:db8::1", None);
        let (a, b) = (Some("https://a.example"), Some("https://b.example"));
        assert!(opened.check(&binding(a, "2001:db8::2", None), Further::Request).is_ok());
        assert!(opened.check(&binding(b, "2001:db8::2", None), Further::Request).is_err());
        assert!(opened.check(&binding(None, "2001:db8::2", None), Further::Request).is_ok());
        assert!(opened.check(&binding(a, "2001:db8:0:1::2", None), Further::Request).is_err());
    }
}
