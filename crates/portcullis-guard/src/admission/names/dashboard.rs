//! Where the dashboard of administrators exists: its own names, and the networks of its clients.
//! Never: a role; the namespace and its events check that.

use std::net::IpAddr;

use ipnet::IpNet;
use portcullis_model::Denial;

use crate::admission::handshake::{Handshake, Line};
use crate::admission::proxy::network;
use crate::error::GateError;

/// Where the dashboard exists. By default, it is everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DashboardRules {
    /// Names of its own, as in `Host`, with the port. With none, it has the names of the server.
    pub hosts: Vec<String>,
    /// The origins of its pages, which are on `hosts`.
    pub origins: Vec<String>,
    /// Networks of the clients for which it exists, such as `10.0.0.0/8`; with none, all.
    pub from: Vec<String>,
}

/// The rule that hides the dashboard from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenBy {
    /// The network of the client is not listed.
    Network,
    /// The request names another host.
    Host,
}

impl HiddenBy {
    /// The key of the configuration, as records name it.
    fn key(self) -> &'static str {
        match self {
            Self::Network => "admin_from",
            Self::Host => "admin_host",
        }
    }
}

/// The parts of the server that exist for a client, by the host of its request and its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The product and the dashboard.
    Everything,
    /// The product, without the dashboard.
    Product(HiddenBy),
    /// The dashboard, on a host of its own.
    Dashboard,
    /// Nothing: the host of the dashboard, from a network that is not listed.
    Nothing,
}

impl Reach {
    /// Whether the dashboard exists.
    #[must_use]
    pub fn has_dashboard(self) -> bool {
        matches!(self, Self::Everything | Self::Dashboard)
    }

    /// Whether the product exists.
    #[must_use]
    pub fn has_product(self) -> bool {
        matches!(self, Self::Everything | Self::Product(_))
    }

    /// Whether all that exists for a client of `opened` exists for this one.
    #[must_use]
    pub fn covers(self, opened: Self) -> bool {
        (self.has_dashboard() || !opened.has_dashboard())
            && (self.has_product() || !opened.has_product())
    }

    /// The denial for a page that the reach does not include.
    #[must_use]
    pub fn hidden_path(self) -> Denial {
        Denial::HiddenPath(self.hidden_by())
    }

    /// The denial for a namespace that the reach does not include.
    #[must_use]
    pub fn hidden_namespace(self) -> Denial {
        Denial::HiddenNamespace(self.hidden_by())
    }

    fn hidden_by(self) -> &'static str {
        match self {
            Self::Product(by) => by.key(),
            Self::Nothing => HiddenBy::Network.key(),
            Self::Dashboard | Self::Everything => HiddenBy::Host.key(),
        }
    }
}

/// [`DashboardRules`], read.
#[derive(Clone)]
pub(crate) struct Dashboard {
    hosts: Vec<String>,
    from: Vec<IpNet>,
}

impl Dashboard {
    pub(crate) fn parse(rules: &DashboardRules) -> Result<Self, GateError> {
        let read =
            |text: &String| network(text).ok_or_else(|| GateError::DashboardNetwork(text.clone()));
        let from = rules.from.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { hosts: rules.hosts.clone(), from })
    }

    /// Whether a request names a host of the dashboard's own.
    pub(crate) fn is_own_host(&self, request: &Handshake<'_>) -> bool {
        let Line::One(host) = request.line("host") else { return false };
        self.hosts.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(host))
    }

    pub(crate) fn reach(&self, request: &Handshake<'_>) -> Reach {
        match (self.is_own_host(request), self.is_listed(request.client)) {
            (true, true) => Reach::Dashboard,
            (true, false) => Reach::Nothing,
            (false, false) => Reach::Product(HiddenBy::Network),
            (false, true) if self.hosts.is_empty() => Reach::Everything,
            (false, true) => Reach::Product(HiddenBy::Host),
        }
    }

    fn is_listed(&self, client: IpAddr) -> bool {
        self.from.is_empty() || self.from.iter().any(|network| network.contains(&client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::handshake::Endpoint;

    fn dashboard(hosts: &[&str], from: &[&str]) -> Result<Dashboard, GateError> {
        let owned = |list: &[&str]| list.iter().copied().map(String::from).collect();
        let rules = DashboardRules { hosts: owned(hosts), from: owned(from), ..Default::default() };
        Dashboard::parse(&rules)
    }

    #[test]
    fn reach_follows_from_the_host_and_the_network() {
        use Reach::{Everything, Nothing, Product};
        let own: &[&str] = &["admin.example", "admin.example:8443"];
        let office: &[&str] = &["192.0.2.0/24", "2001:db8::1"];
        let cases = [
            (&[][..], &[][..], "myapp.com", "203.0.113.1", Everything),
            (&[], office, "myapp.com", "192.0.2.9", Everything),
            (&[], office, "myapp.com", "2001:db8::1", Everything),
            (&[], office, "myapp.com", "203.0.113.1", Product(HiddenBy::Network)),
            (&[], office, "myapp.com", "2001:db8::2", Product(HiddenBy::Network)),
            (own, &[], "myapp.com", "203.0.113.1", Product(HiddenBy::Host)),
            (own, &[], "admin.example", "203.0.113.1", Reach::Dashboard),
            (own, &[], "ADMIN.example:8443", "203.0.113.1", Reach::Dashboard),
            (own, &[], "admin.example:1", "203.0.113.1", Product(HiddenBy::Host)),
            (own, &[], "admin.example.", "203.0.113.1", Product(HiddenBy::Host)),
            (own, office, "admin.example", "192.0.2.9", Reach::Dashboard),
            (own, office, "admin.example", "203.0.113.1", Nothing),
            (own, office, "myapp.com", "192.0.2.9", Product(HiddenBy::Host)),
            (own, office, "myapp.com", "203.0.113.1", Product(HiddenBy::Network)),
        ];
        for (hosts, from, host, client, expect) in cases {
            let rules = dashboard(hosts, from).unwrap();
            let request = Handshake {
                client: client.parse().unwrap(),
                endpoint: Endpoint::Page,
                method: "GET",
                query: "",
                authority: None,
                headers: &[("Host", host.as_bytes())],
            };
            assert_eq!(rules.reach(&request), expect, "{host} {client}");
            let twice = [request.headers[0], request.headers[0]];
            let doubled = Handshake { headers: &twice, ..request };
            assert!(!rules.is_own_host(&doubled), "a repeated host is none");
        }
    }

    #[test]
    fn session_needs_all_parts_that_it_was_opened_with() {
        use Reach::{Everything, Nothing, Product};
        let (product, dashboard) = (Product(HiddenBy::Host), Reach::Dashboard);
        for (now, opened, expect) in [
            (Everything, Everything, true),
            (Everything, product, true),
            (product, product, true),
            (product, Everything, false),
            (product, dashboard, false),
            (dashboard, product, false),
            (dashboard, dashboard, true),
            (Nothing, product, false),
            (Nothing, dashboard, false),
        ] {
            assert_eq!(now.covers(opened), expect, "{now:?} {opened:?}");
        }
    }

    #[test]
    fn network_of_the_dashboard_that_is_none_is_rejected() {
        for text in ["", "office", "192.0.2.1/24", "192.0.2.0/33", "::/129"] {
            let error = dashboard(&[], &[text]).err();
            assert_eq!(error, Some(GateError::DashboardNetwork(String::from(text))), "{text}");
        }
    }
}
