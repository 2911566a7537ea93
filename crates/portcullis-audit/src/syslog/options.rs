//! The options of forwarding: the syslog server, its authorities, the file with the position.
//! Never: a server without TLS.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_model::Clock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// The port of syslog over TLS (RFC 5425, section 4.1).
const DEFAULT_PORT: u16 = 6514;

/// The name and port of a syslog server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogTarget {
    /// A host name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A syslog server cannot be used as configured.
#[derive(thiserror::Error)]
pub enum SyslogError {
    /// The URL has another form.
    #[error("it is not tls://HOST or tls://HOST:PORT")]
    Url,
    /// The file with authorities is not PEM, or has no certificate.
    #[error("the file with authorities has no valid PEM certificates")]
    Authorities,
    /// The machine has no authorities.
    #[error("this machine has no authorities: install ca-certificates, or set audit.syslog_ca")]
    NoAuthorities,
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] rustls::Error),
    /// The thread cannot be started.
    #[error("cannot start the thread that forwards the security log")]
    Thread(#[source] std::io::Error),
}

portcullis_model::debug_as_sentence!(SyslogError);

impl SyslogTarget {
    /// Reads `tls://HOST`, `tls://HOST:PORT` or `tls://[IPv6]:PORT`.
    ///
    /// # Errors
    /// [`SyslogError::Url`].
    pub fn parse(url: &str) -> Result<Self, SyslogError> {
        let authority = url.strip_prefix("tls://").ok_or(SyslogError::Url)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(SyslogError::Url)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(SyslogError::Url)?,
            None if port.is_empty() => DEFAULT_PORT,
            None => return Err(SyslogError::Url),
        };
        let target = Self { host: String::from(host), port };
        target.server_name().map(|_| target)
    }

    /// The name that the certificate must have.
    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, SyslogError> {
        ServerName::try_from(self.host.clone()).map_err(|_| SyslogError::Url)
    }
}

/// The options of forwarding.
pub struct SyslogOptions {
    /// The open file of the log.
    pub log: PathBuf,
    /// The syslog server.
    pub target: SyslogTarget,
    /// Authorities in PEM that replace those of the machine.
    pub authorities_pem: Option<Vec<u8>>,
    /// The file that keeps the number of the last line that has arrived.
    pub position: PathBuf,
    /// The name of this machine in messages.
    pub host_name: String,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// The TLS configuration that trusts the given authorities, or else those of the machine.
///
/// # Errors
/// [`SyslogError`] when there are no authorities.
pub fn syslog_tls(authorities_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, SyslogError> {
    let mut roots = RootCertStore::empty();
    match authorities_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| SyslogError::Authorities)?;
                roots.add(certificate).map_err(|_| SyslogError::Authorities)?;
            }
            if roots.is_empty() {
                return Err(SyslogError::Authorities);
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(SyslogError::NoAuthorities);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SyslogError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syslog_url_names_a_host_and_a_port() {
        for (url, expect) in [
            ("tls://siem.example:6514", Some(("siem.example", 6514))),
            ("tls://siem.example", Some(("siem.example", 6514))),
            ("tls://192.0.2.1:601/", Some(("192.0.2.1", 601))),
            ("tls://[2001:db8::1]:601", Some(("2001:db8::1", 601))),
            ("tls://[2001:db8::1]", Some(("2001:db8::1", 6514))),
            ("tcp://siem.example:6514", None),
            ("tls://siem.example:0", None),
            ("tls://siem.example:x", None),
            ("tls://:6514", None),
            ("tls://user@siem.example", None),
            ("tls://siem.example/path", None),
            ("siem.example", None),
        ] {
            let target = SyslogTarget::parse(url).ok();
            let found = target.as_ref().map(|target| (target.host.as_str(), target.port));
            assert_eq!(found, expect, "{url}");
        }
    }

    #[test]
    fn authorities_must_be_certificates() {
        for pem in
            ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            assert!(matches!(syslog_tls(Some(pem.as_bytes())), Err(SyslogError::Authorities)));
        }
    }
}
