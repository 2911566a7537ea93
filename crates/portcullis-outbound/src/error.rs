//! Why there is no answer from outside.
//! Never: a URL's query, a header's value, a body, or anything else that may be secret.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::request::HEADERS_MAX;
use crate::target::URL_MAX_BYTES;

/// Why a request was not made, or its answer not taken.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The URL is longer than any URL here needs to be.
    #[error("the URL has {0} bytes, more than {URL_MAX_BYTES}: use a shorter one")]
    UrlLong(usize),
    /// The URL holds what two readers could read differently.
    #[error("the URL is not plain: write https://host/path, ASCII, no spaces or backslashes")]
    UrlForm,
    /// The URL cannot be read.
    #[error("the URL cannot be read: write it as https://host/path")]
    Url(#[from] url::ParseError),
    /// A scheme not spoken here.
    #[error("the URL begins with {0}: only https is spoken here")]
    Scheme(String),
    /// `http://` where somebody could read along.
    #[error("http:// to {0} is not safe: use https://, or loopback with private addresses allowed")]
    Plain(String),
    /// A name or password in the URL.
    #[error("the URL holds a user or password before its host: take it out, it would be logged")]
    UserInfo,
    /// A host that certificates cannot be checked for.
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
        /// What this address is.
        range: &'static str,
    },
    /// The name was not resolved.
    #[error("cannot find the address of {host}: check the name and this machine's resolver")]
    Resolve {
        /// The host, as the URL names it.
        host: String,
        /// What the resolver said.
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
        /// What the system said about the last address tried.
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
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// There is nobody to trust.
    #[error(
        "this machine has no certificate authorities: install ca-certificates or name a bundle"
    )]
    NoRoots,
    /// The provider of cryptography and the versions of TLS do not fit.
    #[error("cannot set TLS up: the build of this server lacks a version of it")]
    TlsSetup(#[source] rustls::Error),
    /// No TLS with the host: mostly its certificate.
    #[error("no TLS with {host}: check its certificate, or name its authority in the bundle")]
    Tls {
        /// The host, as the URL names it.
        host: String,
        /// What was wrong.
        source: io::Error,
    },
    /// A header the caller may not set, or one no header can be.
    #[error("header {0:?} cannot be sent: it is set here, changes the framing, or is no header")]
    Header(String),
    /// More headers than a request may have.
    #[error("the request has {0} headers, more than {HEADERS_MAX}: send fewer")]
    Headers(usize),
    /// The answer is no HTTP, its head is too large, or it ended too early.
    #[error(
        "the answer of {host} cannot be used: no HTTP/1, a head too large, or it was cut short"
    )]
    Answer {
        /// The host, as the URL names it.
        host: String,
        /// What was wrong.
        source: hyper::Error,
    },
    /// The answer leads elsewhere.
    #[error("{host} answered {status}, a redirect, which is never followed: name the final URL")]
    Redirect {
        /// The host, as the URL names it.
        host: String,
        /// The status.
        status: u16,
    },
    /// The answer is not 200.
    #[error("{host} answered {status}, not 200: check the URL")]
    Status {
        /// The host, as the URL names it.
        host: String,
        /// The status.
        status: u16,
    },
    /// The answer is compressed although that was not asked for.
    #[error("{0} sent a compressed body without being asked to: switch that off there")]
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
