//! Asks one target at a time per call, all of it under one deadline.
//! Never: a connection kept, a request repeated.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::connect::connect;
use crate::error::OutboundError;
use crate::exchange::{Bounds, FetchResponse, StatusRule, exchange};
use crate::policy::Policy;
use crate::target::{Scheme, Target};
use crate::{request, trust};

/// Makes the requests of this server, each over a connection of its own.
///
/// Clones share the policy and the authorities. Calls do not wait for one another: a caller
/// bounds how many it makes at once. A call that is dropped leaves nothing behind but, for as
/// long as the system's resolver takes, a thread that looks the name up.
#[derive(Clone)]
pub struct Client {
    policy: Arc<Policy>,
    tls: TlsConnector,
}

impl Client {
    /// Reads the authorities of the system and of the policy's bundle.
    ///
    /// The system's are those `SSL_CERT_FILE` and `SSL_CERT_DIR` name, where they are set. Files
    /// are read here, so call it at the start, not on a connection's thread.
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
        self.ask(target, request::get(target)?, StatusRule::Ok).await
    }

    /// Posts JSON, with headers of the caller's besides those set here.
    ///
    /// # Errors
    /// [`OutboundError`] when there is no answer within all bounds, or it is a redirect. Any other
    /// status is the caller's to judge.
    pub async fn post_json(
        &self,
        target: &Target,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<FetchResponse, OutboundError> {
        self.ask(target, request::post_json(target, headers, body)?, StatusRule::Final).await
    }

    async fn ask(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        wanted: StatusRule,
    ) -> Result<FetchResponse, OutboundError> {
        // The target may have been checked under another policy.
        target.check(&self.policy)?;
        let deadline = self.policy.deadline;
        let result = timeout(deadline, self.ask_in_time(target, request, wanted)).await;
        result
            .unwrap_or_else(|_| Err(OutboundError::Deadline { host: target.host_text(), deadline }))
    }

    async fn ask_in_time(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        wanted: StatusRule,
    ) -> Result<FetchResponse, OutboundError> {
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
