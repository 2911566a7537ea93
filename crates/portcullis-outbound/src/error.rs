//! Errors of outbound requests.
//! Never: a URL's query, a header's value, a body, or any other secret.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Most headers that a caller can add.
pub(crate) const HEADERS_MAX: usize = 32;

/// Longest URL that is accepted, in bytes.
pub const URL_MAX_BYTES: usize = 2048;

/// Why a request was not sent, or its response was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The URL is longer than the limit.
    #[error("the URL has {0} bytes, more than {URL_MAX_BYTES}: use a shorter one")]
    UrlLong(usize),
    /// The URL has a form that two parsers could read differently.
    #[error("the URL is not plain: write https://host/path, ASCII, no spaces or backslashes")]
    UrlForm,
    /// The URL cannot be read.
    #[error("the URL cannot be read: write it as https://host/path")]
    Url(#[from] url::ParseError),
    /// The scheme is not supported.
    #[error("the URL begins with {0}: only https is supported")]
    Scheme(String),
    /// `http://` over a network on which others can read it.
    #[error("http:// to {0} is not safe: use https://, or loopback with private addresses allowed")]
    Plain(String),
    /// A name or password in the URL.
    #[error("the URL holds a user or password before its host: take it out, it would be logged")]
    UserInfo,
    /// Certificates cannot be checked for this host name.
    #[error("{0} cannot stand in a certificate: name the host as its certificate does")]
    HostName(String),
    /// The host is at an address that is not public, and at no public one.
    #[error(
        "{host} is at {address}, {range}, not public: name a public host, or allow private ones"
    )]
    Private {
        /// The host, as the URL names it.
        host: String,
        /// The first of its addresses.
        address: IpAddr,
        /// The range of the address.
        range: &'static str,
    },
    /// The name was not resolved.
    #[error("cannot find the address of {host}: check the name and this machine's resolver")]
    Resolve {
        /// The host, as the URL names it.
        host: String,
        /// The error of the resolver.
        source: io::Error,
    },
    /// The name has no address.
    #[error("{0} has no address: check the name")]
    NoAddress(String),
    /// No connection to any of the addresses.
    #[error("cannot connect to {host}: check that it runs and that this machine may reach it")]
    Connect {
        /// The host, as the URL names it.
        host: String,
        /// The error of the system for the last address.
        source: io::Error,
    },
    /// The bundle of authorities holds something else than PEM certificates.
    #[error("the bundle of authorities cannot be read: it has to hold PEM certificates")]
    Bundle(#[source] rustls_pki_types::pem::Error),
    /// The bundle of authorities holds no certificate.
    #[error("the bundle of authorities holds no certificate: put in one or leave it out")]
    BundleEmpty,
    /// A certificate of the bundle cannot be an authority.
    #[error("certificate {number} of the bundle of authorities cannot be used: replace it")]
    BundleCertificate {
        /// Its position, from 1.
        number: usize,
        /// The fault of the certificate.
        source: rustls::Error,
    },
    /// The machine has no trusted certificate authorities.
    #[error(
        "this machine has no certificate authorities: install ca-certificates or name a bundle"
    )]
    NoRoots,
    /// The provider of cryptography and the versions of TLS do not fit.
    #[error("cannot set TLS up: the build of this server lacks a version of it")]
    TlsSetup(#[source] rustls::Error),
    /// The TLS handshake failed, mostly because of the certificate.
    #[error("no TLS with {host}: check its certificate, or name its authority in the bundle")]
    Tls {
        /// The host, as the URL names it.
        host: String,
        /// The error.
        source: io::Error,
    },
    /// The caller may not set the header, or it is invalid.
    #[error("header {0:?} cannot be sent: it is reserved, changes the framing, or is invalid")]
    Header(String),
    /// More headers than a request may have.
    #[error("the request has {0} headers, more than {HEADERS_MAX}: send fewer")]
    Headers(usize),
    /// The response is not HTTP, its head is too large, or it ended too early.
    #[error("the response of {host} is not valid HTTP/1, has too large a head, or was cut short")]
    Answer {
        /// The host, as the URL names it.
        host: String,
        /// The error.
        source: hyper::Error,
    },
    /// The response is a redirect.
    #[error("{host} answered {status}, a redirect, which is never followed: name the final URL")]
    Redirect {
        /// The host, as the URL names it.
        host: String,
        /// The status.
        status: u16,
    },
    /// The response is not 200.
    #[error("{host} answered {status}, not 200: check the URL")]
    Status {
        /// The host, as the URL names it.
        host: String,
        /// The status.
        status: u16,
    },
    /// The response is compressed although the request did not accept that.
    #[error("{0} sent a compressed body that was not requested: switch compression off there")]
    Encoded(String),
    /// The body is larger than the policy allows.
    #[error("{host} sent a body over {max_bytes} bytes: check the URL, or raise the limit")]
    BodyTooLarge {
        /// The host, as the URL names it.
        host: String,
        /// The limit.
        max_bytes: usize,
    },
    /// The request took too long.
    #[error("{host} gave no whole answer within {deadline:?}: check that it runs, or allow longer")]
    Deadline {
        /// The host, as the URL names it.
        host: String,
        /// The limit.
        deadline: Duration,
    },
}
