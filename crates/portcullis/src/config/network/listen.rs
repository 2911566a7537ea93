//! `[listen]`: the addresses and names of the server.
//! Never: an address without TLS that other machines can reach, unless `[danger]` allows it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use portcullis_guard::{ForwardedHeader, ProxyRules};
use portcullis_server::{Options, ProxyProtocol};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::network::tls::TlsSettings;
use crate::config::read::error::ConfigError;
use crate::config::read::number::within;

/// `[listen]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ListenSection {
    /// The address on which clients connect. Port 0 takes a free port, which the server prints.
    public: Option<String>,
    /// The address of health, readiness and metrics for operators. It has neither TLS nor
    /// authentication, so keep clients away from it.
    private: Option<String>,
    /// Names that requests to `private` can have as `Host`, beside IP addresses and `localhost`.
    /// Other names are rejected, which prevents DNS rebinding (T-017).
    #[schemars(extend("examples" = [["metrics.internal"]]))]
    private_hosts: Vec<String>,
    /// An address of health and readiness for load balancers and orchestrators, also on other
    /// machines. It answers in one word.
    #[schemars(extend("examples" = ["0.0.0.0:9080"]))]
    probe: Option<String>,
    /// An address that redirects plain-text requests for pages to TLS (T-101).
    #[schemars(extend("examples" = ["0.0.0.0:80"]))]
    redirect: Option<String>,
    /// Names of this server as clients send them in `Host`. Set them when pages come from another
    /// host. Other names are rejected, which prevents DNS rebinding (T-017).
    #[schemars(extend("x-default-text" = "the names in `origin.allowed`"))]
    #[schemars(extend("examples" = [["chat.example"]]))]
    pub(crate) hosts: Option<Vec<String>>,
    /// Threads that serve connections.
    #[schemars(range(min = 1, max = 1024))]
    #[schemars(extend("x-default-text" = "one for each core", "examples" = [4]))]
    shards: Option<usize>,
    /// Addresses or networks of your own proxies. Only they can report the address of a client
    /// (T-073 to T-075).
    #[schemars(extend("x-default" = [], "examples" = [["10.0.0.0/8"]]))]
    trusted_proxies: Vec<String>,
    /// The header in which trusted proxies report the address of the client.
    #[schemars(extend("enum" = ["x-forwarded-for", "forwarded", "none"]))]
    #[schemars(extend("x-default" = "x-forwarded-for"))]
    proxy_header: Option<String>,
    /// Whether connections of trusted proxies start with the PROXY protocol, version 1 or 2.
    /// Connections that do not start with it are closed.
    #[schemars(extend("x-default" = false))]
    proxy_protocol: bool,
}

/// The addresses on which the server listens.
#[derive(Debug, Clone)]
pub(crate) struct Listen {
    pub(crate) public: SocketAddr,
    pub(crate) private: SocketAddr,
    pub(crate) private_hosts: Vec<String>,
    pub(crate) probe: Option<SocketAddr>,
    pub(crate) redirect: Option<SocketAddr>,
    pub(crate) shards: usize,
    pub(crate) proxies: ProxyRules,
    pub(crate) proxy_protocol: ProxyProtocol,
}

/// The words for [`ForwardedHeader`].
pub(crate) const PROXY_HEADERS: [(&str, ForwardedHeader); 3] = [
    ("x-forwarded-for", ForwardedHeader::XForwardedFor),
    ("forwarded", ForwardedHeader::Forwarded),
    ("none", ForwardedHeader::None),
];

impl Listen {
    /// Rejects listeners that cannot work.
    pub(crate) fn check(&self, tls: &TlsSettings) -> Result<(), ConfigError> {
        self.check_redirect(tls)?;
        self.check_distinct()
    }

    /// Checks that there is a TLS address to redirect to.
    fn check_redirect(&self, tls: &TlsSettings) -> Result<(), ConfigError> {
        let Some(redirect) = self.redirect else { return Ok(()) };
        if *tls == TlsSettings::Off {
            let why = "with tls off there is nothing to redirect to";
            let mend = "remove it, and let the TLS proxy redirect";
            let seen = redirect.to_string();
            return Err(ConfigError::refused("listen.redirect", seen, why, mend));
        }
        Ok(())
    }

    /// Rejects two listeners at one address, of which the second could not start.
    fn check_distinct(&self) -> Result<(), ConfigError> {
        let taken = [
            ("listen.public", Some(self.public)),
            ("listen.private", Some(self.private)),
            ("listen.probe", self.probe),
            ("listen.redirect", self.redirect),
        ];
        for (index, (key, address)) in taken.iter().enumerate() {
            let Some(address) = address else { continue };
            let others = taken.iter().take(index);
            let mut same = others.filter_map(|(key, other)| Some((key, (*other)?)));
            if let Some((other, _)) = same.find(|(_, other)| overlap(*address, *other)) {
                let why = format!("{other} already listens there");
                let mend = "choose another port for one of them";
                return Err(ConfigError::refused(*key, address.to_string(), why, mend));
            }
        }
        Ok(())
    }
}

impl ListenSection {
    pub(crate) fn read(&self, typed: Option<SocketAddr>) -> Result<Listen, ConfigError> {
        let believed = self.proxy_header.is_some() || self.proxy_protocol;
        if believed && self.trusted_proxies.is_empty() {
            let why = "no proxy is trusted, so the address that a peer states is ignored";
            let mend = "list the addresses of your proxies in listen.trusted_proxies";
            return Err(ConfigError::refused("listen.trusted_proxies", "[]", why, mend));
        }
        let public = address("listen.public", self.public.as_deref(), 8443)?;
        Ok(Listen {
            public: typed.unwrap_or(public),
            private: address("listen.private", self.private.as_deref(), 9443)?,
            private_hosts: self.private_hosts()?,
            probe: optional("listen.probe", self.probe.as_deref(), 9080)?,
            redirect: optional("listen.redirect", self.redirect.as_deref(), 80)?,
            shards: within("listen.shards", self.shards, Options::default().shards, 1..=1024)?,
            proxies: ProxyRules { trusted: self.trusted_proxies.clone(), header: self.header()? },
            proxy_protocol: match self.proxy_protocol {
                true => ProxyProtocol::Required,
                false => ProxyProtocol::Off,
            },
        })
    }

    fn private_hosts(&self) -> Result<Vec<String>, ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        for host in &self.private_hosts {
            if host.is_empty() || !host.bytes().all(plain) {
                let why = "it is not a host name, with or without a port";
                let mend = "write names in the form of the Host header, like \"metrics.internal\"";
                let seen = format!("{host:?}");
                return Err(ConfigError::refused("listen.private_hosts", seen, why, mend));
            }
        }
        Ok(self.private_hosts.clone())
    }

    fn header(&self) -> Result<ForwardedHeader, ConfigError> {
        let Some(seen) = &self.proxy_header else { return Ok(ForwardedHeader::default()) };
        let known = PROXY_HEADERS.iter().find(|(name, _)| seen.eq_ignore_ascii_case(name));
        known.map(|(_, header)| *header).ok_or_else(|| {
            let why = "it is not a header of proxies";
            let mend = "write \"x-forwarded-for\", \"forwarded\" or \"none\"";
            ConfigError::refused("listen.proxy_header", format!("{seen:?}"), why, mend)
        })
    }
}

/// Whether two listeners use the same port. A wildcard address uses it on all addresses, and the
/// wildcard of IPv6 also on those of IPv4.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |one: IpAddr, other: IpAddr| match one {
        IpAddr::V4(address) => address.is_unspecified() && other.is_ipv4(),
        IpAddr::V6(address) => address.is_unspecified(),
    };
    let (ip, other_ip) = (one.ip(), other.ip());
    let same = ip == other_ip || covers(ip, other_ip) || covers(other_ip, ip);
    one.port() != 0 && one.port() == other.port() && same
}

fn optional(key: &str, text: Option<&str>, port: u16) -> Result<Option<SocketAddr>, ConfigError> {
    text.map(|text| parsed(key, text, port)).transpose()
}

fn address(key: &str, text: Option<&str>, port: u16) -> Result<SocketAddr, ConfigError> {
    let Some(text) = text else {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    };
    parsed(key, text, port)
}

fn parsed(key: &str, text: &str, port: u16) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        let mend = format!("write it like \"0.0.0.0:{port}\" or \"[::]:{port}\"");
        ConfigError::refused(key, format!("{text:?}"), "it is not an address with a port", mend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_at_one_address_overlap() {
        let cases = [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "0.0.0.0:1", true),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("[::1]:1", "127.0.0.1:1", false),
            ("0.0.0.0:1", "[::1]:1", false),
        ];
        for (one, other, expect) in cases {
            let [one, other] = [one, other].map(|text| text.parse().unwrap());
            assert_eq!(overlap(one, other), expect, "{one} {other}");
        }
    }
}
