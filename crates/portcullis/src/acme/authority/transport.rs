//! Requests to the authority, over the client for outbound requests.
//! Never: a request without TLS; a private address other than that of a private directory.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use portcullis_outbound::{Client, OutboundError, Policy, ProtocolRequest, Target, retry_after_s};

use crate::config::{AcmeSettings, ConfigError};

/// The media type of signed requests (RFC 8555 section 6.2).
const JOSE: &str = "application/jose+json";
/// The time for one request.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why a request was not sent.
#[derive(Debug, thiserror::Error)]
enum TransportError {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("the authority names {0}, which is not at the host of its directory")]
    OtherHost(String),
    #[error("the authority names {0}, which is not an address with https")]
    NotTls(String),
    #[error("a request of ACME has another method or media type than those of RFC 8555")]
    Method,
}

/// Sends requests to one authority. Clones share its state.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client,
    policy: Policy,
    /// The host and port of all requests, for a directory in a private network.
    only: Option<String>,
    /// `Retry-After` of the last failure, in seconds; 0 without one.
    retry_after_s: Arc<AtomicU64>,
}

impl Transport {
    /// Requests to the authority of the configuration.
    ///
    /// # Errors
    /// The file of authorities cannot be used, or the directory is not at an allowed address.
    pub(crate) fn of_settings(acme: &AcmeSettings) -> Result<Self, ConfigError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| {
                let why = format!("it cannot be read ({error})");
                let mend = "name a PEM file with the authority of the directory";
                ConfigError::file("tls.acme_ca_file", path, why, mend)
            })
        };
        let roots = acme.authorities.as_ref().map(read).transpose()?;
        Self::new(&acme.directory, roots).map_err(|error| {
            let mend = "name the directory of your authority; for a private one, also acme_ca_file";
            let seen = format!("{:?}", acme.directory);
            ConfigError::refused("tls.acme_directory", seen, error.to_string(), mend)
        })
    }

    /// Reads the authorities for TLS. `roots_pem` has those of a private directory, which can be at
    /// a private address.
    fn new(directory: &str, roots_pem: Option<Vec<u8>>) -> Result<Self, OutboundError> {
        let is_private = roots_pem.is_some();
        let policy = Policy {
            private_allowed: is_private,
            link_local_allowed: false,
            deadline: DEADLINE,
            roots_pem,
            ..Policy::default()
        };
        let only = is_private.then(|| host(directory));
        let client = Client::new(policy.clone())?;
        Target::parse(directory, &policy)?;
        Ok(Self { client, policy, only, retry_after_s: Arc::default() })
    }

    /// The wait that the authority requested with its last failure, if any; removes it.
    pub(crate) fn take_retry_after_s(&self) -> Option<u64> {
        Some(self.retry_after_s.swap(0, Ordering::Relaxed)).filter(|wait_s| *wait_s > 0)
    }

    async fn send(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Result<BytesResponse, TransportError> {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        if head.uri.scheme_str() != Some("https") {
            return Err(TransportError::NotTls(url));
        }
        if self.only.as_ref().is_some_and(|only| *only != host(&url)) {
            return Err(TransportError::OtherHost(url));
        }
        let target = Target::parse(&url, &self.policy)?;
        let Ok(body) = body.collect().await;
        let body = body.to_bytes();
        let is_jose = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == JOSE);
        let request = match head.method {
            http::Method::GET => ProtocolRequest::Get,
            http::Method::HEAD => ProtocolRequest::Head,
            http::Method::POST if is_jose => {
                ProtocolRequest::Post { content_type: JOSE, body: &body }
            }
            _ => return Err(TransportError::Method),
        };
        let (parts, body) = self.client.exchange(&target, request).await?.into_parts();
        if !parts.status.is_success() {
            let wait_s = retry_after_s(&parts.headers).unwrap_or(0);
            self.retry_after_s.store(wait_s, Ordering::Relaxed);
        }
        Ok(BytesResponse { parts, body: Box::new(Bytes::from(body)) })
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let transport = self.clone();
        Box::pin(async move {
            transport.send(request).await.map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

/// The host and port of a URL, in lower case.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed([String::from("ca.internal")]).unwrap();
        made.cert.pem().into_bytes()
    }

    async fn error(transport: &Transport, url: &str) -> String {
        let request = Request::builder().uri(url).body(BodyWrapper::default()).unwrap();
        transport.send(request).await.err().unwrap().to_string()
    }

    #[test]
    fn hosts_are_compared_with_their_port() {
        for (url, expect) in [
            ("https://CA.internal/acme", "ca.internal"),
            ("https://ca.internal:443/acme", "ca.internal"),
            ("https://ca.internal:8443?a=b", "ca.internal:8443"),
            ("https://ca.internal#x", "ca.internal"),
        ] {
            assert_eq!(host(url), expect, "{url}");
        }
    }

    // T-042
    #[tokio::test]
    async fn t042_authority_cannot_lead_the_server_to_another_private_host() {
        let directory = "https://127.0.0.1:1/dir";
        let private = Transport::new(directory, Some(roots())).unwrap();
        assert!(error(&private, "https://127.0.0.1:2/").await.contains("host of its directory"));
        assert!(error(&private, "https://10.0.0.1/").await.contains("host of its directory"));
        assert!(error(&private, "http://127.0.0.1:1/").await.contains("not an address with https"));
        assert!(error(&private, "https://127.0.0.1:1/").await.contains("cannot connect"));
        // A directory that the authorities of the system certify is public.
        assert!(Transport::new(directory, None).is_err());
        let Ok(public) = Transport::new("https://ca.example/dir", None) else { return };
        assert!(error(&public, "https://10.0.0.1/").await.contains("private"));
    }
}
