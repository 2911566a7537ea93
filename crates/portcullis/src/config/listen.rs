//! `[listen]`: where the server can be reached, and under which names.
//! Never: an address others can reach without TLS, unless `[danger]` says so.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use portcullis_server::Options;
use serde::Deserialize;

use super::error::ConfigError;
use super::number::within;

/// `[listen]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenSection {
    /// Where clients connect; `127.0.0.1:8443`. Port 0 takes any free one.
    public: Option<String>,
    /// Health and metrics for operators, not authenticated; `127.0.0.1:9443`.
    private: Option<String>,
    /// Names clients use for this server, as `Host` spells them; those of `origin.allowed`.
    /// Answers DNS rebinding (T-017).
    pub(super) hosts: Option<Vec<String>>,
    /// Threads that carry connections; one a core.
    shards: Option<usize>,
    /// Not available in this version.
    trusted_proxies: Option<Vec<String>>,
}

/// Where the server listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listen {
    pub(super) public: SocketAddr,
    pub(super) private: SocketAddr,
    pub(super) shards: usize,
}

impl ListenSection {
    pub(super) fn read(&self, typed: Option<SocketAddr>) -> Result<Listen, ConfigError> {
        if self.trusted_proxies.as_ref().is_some_and(|list| !list.is_empty()) {
            let mend = "leave it out; headers of proxies are never believed";
            return Err(ConfigError::unavailable("listen.trusted_proxies", "set", mend));
        }
        let public = address("listen.public", self.public.as_deref(), 8443)?;
        Ok(Listen {
            public: typed.unwrap_or(public),
            private: address("listen.private", self.private.as_deref(), 9443)?,
            shards: within("listen.shards", self.shards, Options::default().shards, 1..=1024)?,
        })
    }
}

fn address(key: &str, text: Option<&str>, port: u16) -> Result<SocketAddr, ConfigError> {
    let Some(text) = text else {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    };
    text.parse().map_err(|_| {
        let mend = format!("write it like \"0.0.0.0:{port}\" or \"[::]:{port}\"");
        ConfigError::refused(key, format!("{text:?}"), "it is no address with a port", mend)
    })
}
