//! `[listen]`: where the server can be reached, and under which names.
//! Never: an address others can reach without TLS, unless `[danger]` says so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use portcullis_guard::{ForwardedHeader, ProxyRules};
use portcullis_server::{Options, ProxyProtocol};
use serde::Deserialize;

use super::error::ConfigError;
use super::number::within;
use super::profile::Profile;
use super::tls::TlsSettings;

/// `[listen]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenSection {
    /// Where clients connect; `127.0.0.1:8443`. Port 0 takes any free one.
    public: Option<String>,
    /// Health and metrics for operators, not authenticated; `127.0.0.1:9443`.
    private: Option<String>,
    /// Where pages asked for in plain text are led on to TLS (T-101); nowhere.
    redirect: Option<String>,
    /// Names clients use for this server, as `Host` spells them; those of `origin.allowed`.
    /// Answers DNS rebinding (T-017).
    pub(super) hosts: Option<Vec<String>>,
    /// Threads that carry connections; one a core.
    shards: Option<usize>,
    /// The operator's own proxies, whose word on the client's address is believed (T-073 to T-075).
    trusted_proxies: Vec<String>,
    /// The header they write it in; `"x-forwarded-for"`.
    proxy_header: Option<String>,
    /// Whether they begin each connection with the PROXY protocol.
    proxy_protocol: bool,
}

/// Where the server listens.
#[derive(Debug, Clone)]
pub(super) struct Listen {
    pub(super) public: SocketAddr,
    pub(super) private: SocketAddr,
    pub(super) redirect: Option<SocketAddr>,
    pub(super) shards: usize,
    pub(super) proxies: ProxyRules,
    pub(super) proxy_protocol: ProxyProtocol,
}

/// How [`ForwardedHeader`] is written.
pub(super) const PROXY_HEADERS: [(&str, ForwardedHeader); 3] = [
    ("x-forwarded-for", ForwardedHeader::XForwardedFor),
    ("forwarded", ForwardedHeader::Forwarded),
    ("none", ForwardedHeader::None),
];

impl Listen {
    /// Whether there is something to lead on to, and nobody is there who has no business here.
    pub(super) fn check_redirect(
        &self,
        profile: Profile,
        tls: &TlsSettings,
    ) -> Result<(), ConfigError> {
        let Some(redirect) = self.redirect else { return Ok(()) };
        let refused = |why, mend| {
            Err(ConfigError::refused("listen.redirect", redirect.to_string(), why, mend))
        };
        if *tls == TlsSettings::Off {
            let mend = "leave it out, and let the proxy that speaks tls redirect";
            return refused("with tls off there is nothing to lead on to", mend);
        }
        if profile == Profile::Development && !redirect.ip().is_loopback() {
            let mend = "bind 127.0.0.1, or use profile = \"production\" with your certificate";
            return refused("the development profile is for this machine only", mend);
        }
        Ok(())
    }
}

impl ListenSection {
    pub(super) fn read(&self, typed: Option<SocketAddr>) -> Result<Listen, ConfigError> {
        let believed = self.proxy_header.is_some() || self.proxy_protocol;
        if believed && self.trusted_proxies.is_empty() {
            let why = "no proxy is trusted, so nothing that a peer says of itself is believed";
            let mend = "list the addresses of your proxies in listen.trusted_proxies";
            return Err(ConfigError::refused("listen.trusted_proxies", "[]", why, mend));
        }
        let public = address("listen.public", self.public.as_deref(), 8443)?;
        Ok(Listen {
            public: typed.unwrap_or(public),
            private: address("listen.private", self.private.as_deref(), 9443)?,
            redirect: self
                .redirect
                .as_deref()
                .map(|text| parsed("listen.redirect", text, 80))
                .transpose()?,
            shards: within("listen.shards", self.shards, Options::default().shards, 1..=1024)?,
            proxies: ProxyRules { trusted: self.trusted_proxies.clone(), header: self.header()? },
            proxy_protocol: match self.proxy_protocol {
                true => ProxyProtocol::Required,
                false => ProxyProtocol::Off,
            },
        })
    }

    fn header(&self) -> Result<ForwardedHeader, ConfigError> {
        let Some(seen) = &self.proxy_header else { return Ok(ForwardedHeader::default()) };
        let known = PROXY_HEADERS.iter().find(|(name, _)| seen.eq_ignore_ascii_case(name));
        known.map(|(_, header)| *header).ok_or_else(|| {
            let why = "it is no header that proxies are believed in";
            let mend = "write \"x-forwarded-for\", \"forwarded\" or \"none\"";
            ConfigError::refused("listen.proxy_header", format!("{seen:?}"), why, mend)
        })
    }
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
        ConfigError::refused(key, format!("{text:?}"), "it is no address with a port", mend)
    })
}
