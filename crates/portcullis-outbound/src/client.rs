//! Sends one request to one target for each call, or connects to it, under one deadline.
//! Never: a connection that is reused, a request that is repeated.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connect::connect;
use crate::error::OutboundError;
use crate::exchange::{Bounds, FetchResponse, StatusRule, exchange};
use crate::policy::Policy;
use crate::request::ProtocolRequest;
use crate::target::{Scheme, Target};
use crate::{request, trust};

/// Sends the requests of this server, each over its own connection.
///
/// Clones share the policy and the authorities. Calls do not wait for each other: the caller
/// bounds the number of concurrent calls. A dropped call leaves at most the thread of the
/// system's resolver, until the look-up ends.
#[derive(Clone)]
pub struct Client {
    policy: Arc<Policy>,
    tls: TlsConnector,
}

impl Client {
    /// Reads the authorities of the system and of the policy's bundle.
    ///
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the authorities of the system, if they are set.
    /// This reads files: call it at the start, not on the thread of a connection.
    ///
    /// # Errors
    /// [`OutboundError`] when the bundle cannot be read, or there is no authority at all.
    pub fn new(policy: Policy) -> Result<Self, OutboundError> {
        let tls = trust::connector(policy.roots_pem.as_deref())?;
        Ok(Self { policy: Arc::new(policy), tls })
    }

    /// Gets a document.
    ///
    /// # Errors
    /// [`OutboundError`] when the answer is not a 200 within all bounds.
    pub async fn fetch(&self, target: &Target) -> Result<FetchResponse, OutboundError> {
        let answer = self.send(target, request::get(target)?, StatusRule::Ok).await?;
        Ok(FetchResponse::from(answer))
    }

    /// Posts JSON with additional headers of the caller.
    ///
    /// # Errors
    /// [`OutboundError`] when there is no answer within all bounds, or it is a redirect. The caller
    /// decides about any other status.
    pub async fn post_json(
        &self,
        target: &Target,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<FetchResponse, OutboundError> {
        let request = request::post_json(target, headers, body)?;
        Ok(FetchResponse::from(self.send(target, request, StatusRule::Final).await?))
    }

    /// Sends a request of a protocol over HTTP, and returns the answer with its headers.
    ///
    /// # Errors
    /// [`OutboundError`] when there is no answer within all bounds, or it is a redirect. The caller
    /// decides about any other status.
    pub async fn exchange(
        &self,
        target: &Target,
        request: ProtocolRequest<'_>,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        self.send(target, request::protocol(target, request)?, StatusRule::Final).await
    }

    /// Connects to the host of a target without TLS, for a protocol that begins with plain text.
    ///
    /// The addresses are checked as for a request. The caller sets the deadline of what follows.
    ///
    /// # Errors
    /// [`OutboundError`] when no allowed address answers in time.
    pub async fn connect(&self, target: &Target) -> Result<TcpStream, OutboundError> {
        target.check(&self.policy)?;
        let deadline = self.policy.deadline;
        let connected = timeout(deadline, connect(target, &self.policy)).await;
        connected
            .unwrap_or_else(|_| Err(OutboundError::Deadline { host: target.host_text(), deadline }))
    }

    /// Starts TLS on a connection, for the host of the target and without a protocol name (ALPN).
    ///
    /// # Errors
    /// [`OutboundError`] when the certificate is not accepted, or the handshake takes too long.
    pub async fn start_tls(
        &self,
        target: &Target,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, OutboundError> {
        let deadline = self.policy.deadline;
        let tls = trust::without_protocols(&self.tls);
        let opened = timeout(deadline, trust::open(&tls, target, stream)).await;
        opened
            .unwrap_or_else(|_| Err(OutboundError::Deadline { host: target.host_text(), deadline }))
    }

    async fn send(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        wanted: StatusRule,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        // The target may have been checked under another policy.
        target.check(&self.policy)?;
        let deadline = self.policy.deadline;
        let result = timeout(deadline, self.send_in_time(target, request, wanted)).await;
        result
            .unwrap_or_else(|_| Err(OutboundError::Deadline { host: target.host_text(), deadline }))
    }

    async fn send_in_time(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        wanted: StatusRule,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        let body_max_bytes = self.policy.body_max_bytes;
        let bounds = Bounds { host: target.host_text(), wanted, body_max_bytes };
        let stream = connect(target, &self.policy).await?;
        match target.scheme() {
            Scheme::Http => exchange(stream, request, &bounds).await,
            Scheme::Https => {
                let stream = trust::open(&self.tls, target, stream).await?;
                exchange(stream, request, &bounds).await
            }
        }
    }
}
