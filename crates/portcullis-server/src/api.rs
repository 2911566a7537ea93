//! HTTP requests and responses as products see them.
//! Never: an unbounded body, a request that has not passed door 1.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_audit::Audit;
use portcullis_guard::{Credential, Gate, Verified};
use portcullis_model::{Denial, Now, Secret, TokenFault};
use serde::Serialize;

/// The methods a route may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads, changes nothing.
    Get,
    /// Changes something; the body is JSON.
    Post,
}

/// A request that passed door 1, with its whole body.
pub struct ApiRequest {
    /// The client's address.
    pub client: IpAddr,
    /// The page that asks, if a browser said so; it is on the allowlist.
    pub origin: Option<Arc<str>>,
    /// The credential of the `Authorization` header, not yet verified.
    pub bearer: Option<Secret<String>>,
    /// The `Cookie` header, as it came.
    pub cookie: Option<String>,
    /// The body, at most `Options::body_max_bytes`; JSON by its media type for a POST.
    pub body: Vec<u8>,
    /// When the request was complete.
    pub now: Now,
    /// The doors, for credentials and rates.
    pub gate: Arc<Gate>,
    /// Where acts are recorded.
    pub audit: Audit,
}

impl ApiRequest {
    /// Whom the request's bearer token stands for.
    ///
    /// # Errors
    /// [`Denial::Token`] when there is none, or it is not believed.
    pub fn verified(&self) -> Result<Verified, Denial> {
        let bearer = self.bearer.as_ref().ok_or(Denial::Token(TokenFault::Missing))?;
        self.gate.verify(Credential::Bearer(bearer.expose()), self.now)
    }
}

/// Which set of security headers a response gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseKind {
    /// A document or something a document loads.
    Page,
    /// Everything else; never cached.
    Api,
}

/// What a route answers.
pub struct ApiResponse {
    /// The HTTP status.
    pub status: u16,
    /// The media type, with charset where it is text.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// Further headers, such as cookies.
    pub headers: Vec<(&'static str, String)>,
    /// Which security headers it gets.
    pub kind: ResponseKind,
}

impl ApiResponse {
    /// A JSON answer. A value that cannot be serialised becomes an empty object.
    pub fn json<T: Serialize>(status: u16, value: &T) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
        Self {
            status,
            content_type: "application/json; charset=utf-8",
            body: body.into(),
            headers: Vec::new(),
            kind: ResponseKind::Api,
        }
    }
}

/// What a route's handler gives.
pub(crate) type RouteFuture = Pin<Box<dyn Future<Output = Result<ApiResponse, Denial>>>>;

/// A route with its handler.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) handler: Box<dyn Fn(ApiRequest) -> RouteFuture + Send + Sync>,
}

/// A file served as it is.
pub(crate) struct Page {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}
