//! Responses written under a deadline, with their security headers.
//! Never: the decision.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_audit::SessionCookie;
use portcullis_guard::ClientScheme;
use portcullis_model::{Denial, Now};
use portcullis_wire::http1::{FieldValue, Head, write_response_head};
use tokio::time::timeout;

use crate::http::api::ResponseKind;
use crate::http::decision::target::Target;
use crate::http::http_stream::HttpStream;
use crate::http::request_client::RequestClient;
use crate::listen::listener_kind::ListenerKind;
use crate::rejection::{RejectedHead, Rejection, RejectionSource, reject};
use crate::shard::state::Shard;

/// A response before it is written.
pub(crate) struct OutgoingResponse<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) kind: ResponseKind,
    pub(crate) origin: Option<&'a str>,
    pub(crate) extra: Vec<(&'a str, &'a str)>,
    pub(crate) keep_alive: bool,
}

/// The responder to one request of a connection.
pub(crate) struct Responder<'a> {
    pub(crate) shard: &'a Rc<Shard>,
    pub(crate) client: &'a RequestClient,
    pub(crate) io: &'a mut HttpStream,
}

impl Responder<'_> {
    /// Rejects a request without a readable head.
    pub(crate) async fn reject_bare(&mut self, denial: &Denial) {
        let source = self.client.rejection_source();
        let rejection = reject(self.shard, denial, &source, self.shard.now());
        self.write_rejection(&rejection, &rejection.http_body(), None, false).await;
    }

    /// Rejects a request of a session, with the codes of Engine.IO.
    pub(crate) async fn reject_engine(&mut self, denial: &Denial, origin: Option<&str>) {
        let head = RejectedHead { origin, ..RejectedHead::default() };
        let source = RejectionSource { head, ..self.client.rejection_source() };
        let rejection = reject(self.shard, denial, &source, self.shard.now());
        self.write_rejection(&rejection, &rejection.engine_body(), origin, false).await;
    }

    /// Rejects a request whose head was read.
    pub(crate) async fn reject_request(
        &mut self,
        denial: &Denial,
        head: &Head<'_>,
        target: Target,
        keep_alive: bool,
        now: Now,
    ) {
        let text = |name| match head.header(name) {
            FieldValue::One(value) => std::str::from_utf8(value).ok(),
            FieldValue::None | FieldValue::Many => None,
        };
        let rejected = RejectedHead {
            method: Some(head.method),
            path: Some(head.path),
            origin: text("origin"),
            user_agent: text("user-agent"),
            cookie: self.session_cookie(denial, head, now),
        };
        let source = RejectionSource { head: rejected, ..self.client.rejection_source() };
        let rejection = reject(self.shard, denial, &source, now);
        let body = match target {
            _ if self.client.is_unreadable(head) => String::new(),
            Target::Engine(_) => rejection.engine_body(),
            _ => rejection.http_body(),
        };
        self.write_rejection(&rejection, &body, None, keep_alive).await;
    }

    /// Whether a page of another origin used the cookie of a user.
    fn session_cookie(&self, denial: &Denial, head: &Head<'_>, now: Now) -> SessionCookie {
        let admission = self.shard.server.gate.admission();
        if *denial == Denial::OriginForbidden && admission.has_valid_cookie(&head.headers, now) {
            SessionCookie::Valid
        } else {
            SessionCookie::None
        }
    }

    /// Writes the response of a recorded rejection.
    pub(crate) async fn write_rejection(
        &mut self,
        rejection: &Rejection,
        body: &str,
        origin: Option<&str>,
        keep_alive: bool,
    ) {
        let retry_after = rejection.retry_after_s.map(|seconds| seconds.to_string());
        let nonce = rejection
            .needs_nonce()
            .then(|| self.shard.server.gate.authentication().proof_nonce(self.shard.now()));
        let mut extra = Vec::new();
        if let Some(nonce) = &nonce {
            extra.push(("DPoP-Nonce", nonce.as_str()));
        }
        if let Some(seconds) = &retry_after {
            extra.push(("Retry-After", seconds.as_str()));
        }
        match rejection.answer.status {
            426 => extra.push(("Sec-WebSocket-Version", "13")),
            405 => extra.push(("Allow", "GET, HEAD, POST, OPTIONS")),
            401 if nonce.is_some() => {
                extra.push(("WWW-Authenticate", "DPoP error=\"use_dpop_nonce\""));
            }
            401 => extra.push(("WWW-Authenticate", "Bearer")),
            _ => {}
        }
        let response = OutgoingResponse {
            status: rejection.answer.status,
            content_type: if body.is_empty() { "" } else { "application/json; charset=utf-8" },
            body: body.as_bytes(),
            kind: if body.is_empty() { ResponseKind::Empty } else { ResponseKind::Api },
            origin,
            extra,
            keep_alive,
        };
        let _written = self.write(response).await;
    }

    /// Writes a response. Returns false when the peer did not take it in time.
    pub(crate) async fn write(&mut self, response: OutgoingResponse<'_>) -> bool {
        let bytes = self.encode(&response);
        let deadline = Duration::from_millis(self.shard.server.options.handshake_timeout_ms);
        timeout(deadline, self.io.write_all(bytes)).await.is_ok_and(|written| written)
    }

    /// Whether the client's own connection is over TLS: here, or at a proxy in front.
    fn is_over_tls(&self) -> bool {
        let in_front = match self.client.listener_kind {
            ListenerKind::Redirect => false,
            ListenerKind::Public => match self.client.forwarded_scheme {
                Some(ClientScheme::Https) => true,
                Some(ClientScheme::Http) => false,
                None => self.shard.security().is_behind_tls,
            },
        };
        self.io.stream.is_tls() || in_front
    }

    fn encode(&self, response: &OutgoingResponse<'_>) -> Bytes {
        let length = response.body.len().to_string();
        let mut headers = Vec::with_capacity(20);
        if !response.content_type.is_empty() {
            headers.push(("Content-Type", response.content_type));
        }
        if response.status != 101 && response.status != 204 {
            headers.push(("Content-Length", length.as_str()));
        }
        if !response.keep_alive {
            headers.push(("Connection", "close"));
        }
        headers.extend_from_slice(&response.extra);
        let security = self.shard.security();
        if self.is_over_tls() {
            headers.extend(security.strict_transport());
        }
        security.add(&mut headers, response.kind, response.origin);
        let mut bytes = Vec::with_capacity(1024 + response.body.len());
        write_response_head(&mut bytes, response.status, &headers);
        if !self.client.bodiless {
            bytes.extend_from_slice(response.body);
        }
        bytes.into()
    }
}
