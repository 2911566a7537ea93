//! Responses written under a deadline, with their security headers.
//! Never: the decision.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_guard::ClientScheme;
use portcullis_model::{Denial, Now};
use portcullis_wire::http1::{FieldValue, Head, write_response_head};
use tokio::time::timeout;

use crate::http::api::ResponseKind;
use crate::http::connection::HttpConnection;
use crate::http::decision::target::Target;
use crate::listen::entrance::Entrance;
use crate::rejection::{Rejection, RejectionSource, reject};

/// A response about to be written.
pub(crate) struct Outgoing<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) kind: ResponseKind,
    pub(crate) origin: Option<&'a str>,
    pub(crate) extra: Vec<(&'a str, &'a str)>,
    pub(crate) keep_alive: bool,
}

impl HttpConnection {
    pub(crate) fn who(&self) -> RejectionSource<'static> {
        let (client, port) = (Some(self.client), self.client_port());
        RejectionSource {
            client,
            port,
            http: true,
            blame: self.source.into(),
            ..RejectionSource::default()
        }
    }

    /// Rejects a request without a readable head.
    pub(crate) async fn refuse_bare(&mut self, denial: &Denial) {
        let now = self.shard.now();
        let rejection = reject(&self.shard, denial, &self.who(), now);
        self.write_rejection(&rejection, &rejection.http_body(), None, false).await;
    }

    /// Rejects a request of a session, with the codes of Engine.IO.
    pub(crate) async fn refuse_engine(&mut self, denial: &Denial, origin: Option<&str>) {
        let now = self.shard.now();
        let who = RejectionSource { origin, ..self.who() };
        let rejection = reject(&self.shard, denial, &who, now);
        self.write_rejection(&rejection, &rejection.engine_body(), origin, false).await;
    }

    pub(crate) async fn refuse_request(
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
        let who = RejectionSource {
            method: Some(head.method),
            path: Some(head.path),
            origin: text("origin"),
            user_agent: text("user-agent"),
            ..self.who()
        };
        let rejection = reject(&self.shard, denial, &who, now);
        let body = match target {
            _ if self.is_unreadable(head) => String::new(),
            Target::Engine(_) => rejection.engine_body(),
            _ => rejection.http_body(),
        };
        self.write_rejection(&rejection, &body, None, keep_alive).await;
    }

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
        let outgoing = Outgoing {
            status: rejection.answer.status,
            content_type: if body.is_empty() { "" } else { "application/json; charset=utf-8" },
            body: body.as_bytes(),
            kind: if body.is_empty() { ResponseKind::Empty } else { ResponseKind::Api },
            origin,
            extra,
            keep_alive,
        };
        let _written = self.write(outgoing).await;
    }

    /// Writes a response. Returns false when the peer did not take it in time.
    pub(crate) async fn write(&mut self, outgoing: Outgoing<'_>) -> bool {
        let bytes = self.encode(&outgoing);
        let deadline = Duration::from_millis(self.shard.server.options.handshake_timeout_ms);
        timeout(deadline, self.write_all(bytes)).await.is_ok_and(|written| written)
    }

    /// Whether the client's own connection is over TLS: here, or at a proxy in front.
    fn is_over_tls(&self) -> bool {
        let in_front = match self.entrance {
            Entrance::Redirect => false,
            Entrance::Public => match self.forwarded_scheme {
                Some(ClientScheme::Https) => true,
                Some(ClientScheme::Http) => false,
                None => self.shard.security.is_behind_tls,
            },
        };
        self.stream.is_tls() || in_front
    }

    fn encode(&self, outgoing: &Outgoing<'_>) -> Bytes {
        let length = outgoing.body.len().to_string();
        let mut headers = Vec::with_capacity(20);
        if !outgoing.content_type.is_empty() {
            headers.push(("Content-Type", outgoing.content_type));
        }
        if outgoing.status != 101 && outgoing.status != 204 {
            headers.push(("Content-Length", length.as_str()));
        }
        if !outgoing.keep_alive {
            headers.push(("Connection", "close"));
        }
        headers.extend_from_slice(&outgoing.extra);
        if self.is_over_tls() {
            headers.extend(self.shard.security.strict_transport());
        }
        self.shard.security.add(&mut headers, outgoing.kind, outgoing.origin);
        let mut bytes = Vec::with_capacity(1024 + outgoing.body.len());
        write_response_head(&mut bytes, outgoing.status, &headers);
        if !self.bodiless {
            bytes.extend_from_slice(outgoing.body);
        }
        bytes.into()
    }

    pub(crate) async fn write_all(&mut self, mut bytes: Bytes) -> bool {
        let stream = &mut self.stream;
        while !bytes.is_empty() {
            match poll_fn(|context| stream.poll_write(context, &bytes)).await {
                Ok(count) if count > 0 => drop(bytes.split_to(count)),
                Ok(_) | Err(_) => return false,
            }
        }
        poll_fn(|context| stream.poll_flush(context)).await.is_ok()
    }

    /// Closes the sending direction and reads the rest for a moment, so that the response arrives.
    pub(crate) async fn finish(mut self) {
        let stream = &mut self.stream;
        let shard = Rc::clone(&self.shard);
        let linger = async {
            if poll_fn(|context| stream.poll_shutdown(context)).await.is_err() {
                return;
            }
            let mut left = 256 * 1024_usize;
            while left > 0 {
                let read = poll_fn(|context| {
                    stream.poll_read(context, &mut shard.buffers.read.borrow_mut())
                });
                match read.await {
                    Ok(count) if count > 0 => left = left.saturating_sub(count),
                    Ok(_) | Err(_) => return,
                }
            }
        };
        let deadline = Duration::from_millis(self.shard.server.options.close_timeout_ms);
        let _elapsed = timeout(deadline, linger).await;
    }
}
