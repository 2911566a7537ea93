//! The target of a drill: the public address, as a client writes it.
//! Never: a path, a user name, or plain text to another machine.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail, ensure};
use http::Uri;
use rustls_pki_types::ServerName;

/// The target of a drill.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The origin, such as `https://chat.example`.
    pub(crate) origin: String,
    /// The value of `Host`.
    pub(crate) host: String,
    /// The name in the certificate.
    pub(crate) name: ServerName<'static>,
    pub(crate) address: SocketAddr,
    /// The address of this machine from which the drill sends; `None` lets the system choose.
    pub(crate) source: Option<IpAddr>,
    pub(crate) has_tls: bool,
}

impl Target {
    /// Reads an address such as `https://chat.example`, and resolves its name.
    ///
    /// `connect` replaces the address of the name, for one of several proxies.
    pub(crate) fn read(url: &str, connect: Option<SocketAddr>) -> Result<Self> {
        let hint = "write it as clients do, such as https://chat.example";
        let uri: Uri = url.parse().with_context(|| format!("{url:?} is not an address: {hint}"))?;
        let has_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => bail!("{url:?} does not begin with https://: {hint}"),
        };
        let authority = uri.authority().with_context(|| format!("{url:?} has no host: {hint}"))?;
        ensure!(!authority.as_str().contains('@'), "{url:?} has a user name: remove it");
        let is_root = matches!(uri.path(), "" | "/") && uri.query().is_none();
        ensure!(is_root, "{url:?} has a path: a drill is about a whole host; {hint}");
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if has_tls { 443 } else { 80 });
        let address = match connect {
            Some(address) => address,
            None => resolve(&name, port)?,
        };
        let is_local = address.ip().to_canonical().is_loopback();
        ensure!(
            has_tls || is_local,
            "{url:?} is plain text on another machine: everyone on the network could read and \
             change it; use https://"
        );
        let server_name = ServerName::try_from(name.clone());
        let server_name =
            server_name.with_context(|| format!("{name:?} is not a name of a server: {hint}"))?;
        Ok(Self {
            origin: format!("{}://{authority}", if has_tls { "https" } else { "http" }),
            host: authority.to_string(),
            name: server_name,
            address,
            source: None,
            has_tls,
        })
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.address.ip()
    }
}

fn resolve(name: &str, port: u16) -> Result<SocketAddr> {
    let addresses = (name, port).to_socket_addrs();
    let mut addresses = addresses.with_context(|| {
        format!("the name {name:?} has no address here: check it, or give --connect ADDRESS")
    })?;
    addresses.next().with_context(|| format!("the name {name:?} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_a_whole_host_over_tls_or_of_this_machine() {
        let here = SocketAddr::from(([127, 0, 0, 1], 8443));
        let there = SocketAddr::from(([192, 0, 2, 1], 443));
        for (url, connect, expect) in [
            ("https://chat.example", there, Ok("https://chat.example")),
            ("https://chat.example:8443/", there, Ok("https://chat.example:8443")),
            ("http://127.0.0.1:8080", here, Ok("http://127.0.0.1:8080")),
            ("https://[::1]:8443", here, Ok("https://[::1]:8443")),
            ("http://chat.example", there, Err("plain text")),
            ("https://chat.example/chat", there, Err("has a path")),
            ("https://chat.example/?a", there, Err("has a path")),
            ("https://ann@chat.example", there, Err("user name")),
            ("chat.example", there, Err("https://")),
            ("ftp://chat.example", there, Err("https://")),
            ("https://", there, Err("not an address")),
        ] {
            match (Target::read(url, Some(connect)), expect) {
                (Ok(target), Ok(origin)) => {
                    assert_eq!((target.origin.as_str(), target.address), (origin, connect));
                }
                (Err(error), Err(part)) => {
                    let error = format!("{error:#}");
                    assert!(error.contains(part), "{url}: {error}");
                }
                (read, _) => panic!("{url}: {read:?}"),
            }
        }
    }

    #[test]
    fn address_of_a_name_is_resolved() {
        let target = Target::read("http://127.0.0.1:81", None).unwrap();
        assert_eq!(target.address, SocketAddr::from(([127, 0, 0, 1], 81)));
    }
}
