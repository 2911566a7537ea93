//! Health, readiness and metrics, on their own listeners and threads.
//! Never: a request of a client; a change without the key of an operator.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_model::limits;
use portcullis_wire::http1::{
    Head, HeadLimits, Versions, head_end, parse_head_of, write_response_head,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::admin::host::{Rejection, check_host};
use crate::admin::private_connections::{PrivateConnection, PrivateListener};
use crate::admin::private_route::OPERATIONS;
use crate::admin::readiness::Readiness;
use crate::delivery::hub::longest;
use crate::http::headers::API_POLICY;
use crate::setup::operator_proof::ANSWER_PROOF_HEADER;
use crate::setup::registered::ReadyFact;
use crate::shard::server::Server;

/// The timeout of a head; probes send theirs at once.
const HEAD_DEADLINE: Duration = Duration::from_secs(2);
const HEAD_LIMITS: HeadLimits = HeadLimits {
    head_max_bytes: limits::HEAD_MAX_BYTES,
    headers_max: limits::HEADERS_MAX,
    target_max_bytes: limits::TARGET_MAX_BYTES,
};
/// The methods of read-only paths.
const READ_METHODS: &str = "GET, HEAD, OPTIONS";
const JSON: &str = "application/json; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A response before it is written.
pub(crate) struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    /// The permitted methods, for an answer that has to name them (RFC 9110 section 10.2.1).
    allow: Option<&'static str>,
    /// The proof of the answer, for a program that has proven the operator's key.
    proof: Option<String>,
}

impl Answer {
    fn json(status: u16, body: String) -> Self {
        Self { status, content_type: JSON, body, allow: None, proof: None }
    }

    /// An answer for a program that has proven the operator's key, or shown it.
    pub(crate) fn to_program(status: u16, body: String, proof: Option<String>) -> Self {
        Self { proof, ..Self::json(status, body) }
    }

    pub(crate) fn rejected((status, why): Rejection) -> Self {
        Self::json(status, json!({ "error": why }).to_string())
    }
}

/// The shared state of the private listeners.
#[derive(Clone)]
pub(crate) struct Private {
    pub(crate) server: Server,
    pub(crate) drained: watch::Receiver<bool>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Private {
    /// Reads one request, answers it, and closes.
    pub(crate) async fn answer(
        &self,
        mut socket: TcpStream,
        peer: SocketAddr,
        listener_kind: PrivateListener,
        open_connection: &PrivateConnection,
    ) {
        let Ok(Some(buffer)) = timeout(HEAD_DEADLINE, read_head(&mut socket)).await else { return };
        open_connection.set_answered();
        let bytes = match parse_head_of(&buffer, &HEAD_LIMITS, Versions::Http10AndHttp11) {
            Ok(Some(head)) => {
                let is_operation = listener_kind == PrivateListener::Operators
                    && head.path.starts_with(OPERATIONS);
                let answer = if is_operation {
                    self.operation(&head, &buffer, &mut socket, peer).await
                } else {
                    self.respond(&head, listener_kind)
                };
                tracing::trace!(%peer, status = answer.status, "request on a private listener");
                encode(&answer, head.method)
            }
            Ok(None) | Err(_) => {
                let why = "the request is not valid HTTP/1.1 or HTTP/1.0";
                encode(&Answer::rejected((400, why)), "GET")
            }
        };
        let _sent = socket.write_all(&bytes).await;
        let _ended = socket.shutdown().await;
    }

    fn respond(&self, head: &Head<'_>, listener_kind: PrivateListener) -> Answer {
        let host = check_host(head, &self.server.options.private_hosts);
        match (head.path, listener_kind) {
            ("/health", _) => read_only(head, || Answer::json(200, json_status("ok"))),
            ("/ready", PrivateListener::Operators) if host.is_ok() => {
                read_only(head, || self.ready(Readiness::detailed))
            }
            ("/ready", _) => read_only(head, || self.ready(Readiness::brief)),
            // HAProxy's `option httpchk` without a path.
            ("/", _) if head.method == "OPTIONS" => self.ready(Readiness::brief),
            (_, PrivateListener::Probes) => not_found(),
            // The response to a mistyped path names the path, not the Host header.
            ("/health/" | "/ready/", _) => not_found(),
            (path, PrivateListener::Operators) => match host {
                Err((400, _)) if path != "/metrics" => not_found(),
                Err(rejection) => Answer::rejected(rejection),
                Ok(()) if path == "/metrics" => read_only(head, || self.metrics()),
                Ok(()) => not_found(),
            },
        }
    }

    fn ready(&self, body: fn(&Readiness) -> String) -> Answer {
        let readiness = self.readiness();
        Answer::json(readiness.code(), body(&readiness))
    }

    /// Whether the server can serve now.
    fn readiness(&self) -> Readiness {
        let now = self.server.clock.now();
        let faults = self.server.health.faults(now.monotonic_ms);
        let shards = ReadyFact {
            state: faults.first().copied().unwrap_or("ok"),
            is_ready: faults.is_empty(),
        };
        // Without confirmations, no new connection is admitted.
        let confirmed = self.server.gate.directory().authority().check_new(now).is_ok();
        let sessions =
            ReadyFact { state: if confirmed { "ok" } else { "unconfirmed" }, is_ready: confirmed };
        // Users are served while the log fails.
        let log = ReadyFact { state: self.server.audit.counts().state.name(), is_ready: true };
        let own = [("shards", shards), ("sessions", sessions), ("security_log", log)];
        let products = self
            .server
            .registered
            .reports
            .ready_parts
            .iter()
            .map(|part| (part.name, (part.read)()));
        Readiness::new(*self.drained.borrow(), own.into_iter().chain(products))
    }

    fn set_tables(&self) {
        let Server { gate, metrics, registered, recovery, .. } = &self.server;
        let now = self.server.clock.now();
        let identity = match &registered.reports.tables {
            Some(read) => read(gate, now),
            None => gate.authentication().identity_tables(now).to_vec(),
        };
        metrics.set_tables(&identity);
        metrics.set_table("recovery", recovery.usage());
        metrics.set_table("answers", registered.answers.usage());
    }

    fn metrics(&self) -> Answer {
        if *self.drained.borrow() {
            self.server.metrics.set_draining();
        }
        self.server.metrics.set_queues(&self.server.registered.reports.queues);
        self.set_tables();
        self.server.metrics.set_queue("deliveries", self.server.hub.queue_length());
        self.server.metrics.set_queue("moves", longest(&self.server.sessions.shards));
        self.server.metrics.set_slots(
            &self.server.gate,
            self.server.options.http_connections_max,
            self.server.clock.now(),
        );
        if let Some(alerts) = self.server.audit.alerts() {
            self.server.metrics.alerts.set(&alerts.counts());
        }
        let body = self
            .server
            .metrics
            .text(self.server.gate.limits().counts(), self.server.audit.counts());
        Answer { content_type: METRICS, ..Answer::json(200, body) }
    }
}

async fn read_head(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    let mut searched = 0;
    while head_end(&buffer, searched).is_none() {
        if buffer.len() > limits::HEAD_MAX_BYTES {
            return None;
        }
        searched = buffer.len();
        socket.read_buf(&mut buffer).await.ok().filter(|count| *count > 0)?;
    }
    Some(buffer)
}

/// The response to a request that only reads; `OPTIONS` gets the status as well.
fn read_only(head: &Head<'_>, answer: impl FnOnce() -> Answer) -> Answer {
    match head.method {
        "GET" | "HEAD" => answer(),
        "OPTIONS" => Answer { allow: Some(READ_METHODS), ..answer() },
        _ => {
            let rejected =
                Answer::rejected((405, "the method is not permitted: use GET, HEAD or OPTIONS"));
            Answer { allow: Some(READ_METHODS), ..rejected }
        }
    }
}

fn json_status(status: &str) -> String {
    json!({ "status": status }).to_string()
}

fn not_found() -> Answer {
    Answer::rejected((404, "the path does not exist: probes request /health or /ready"))
}

/// The bytes of an answer; `HEAD` and `OPTIONS` get no content (RFC 9110 sections 9.3.2 and 9.3.7).
fn encode(answer: &Answer, method: &str) -> Vec<u8> {
    let body = if method == "OPTIONS" { "" } else { answer.body.as_str() };
    let length = body.len().to_string();
    let mut headers = vec![
        ("Content-Type", answer.content_type),
        ("Content-Length", &length),
        ("Connection", "close"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", API_POLICY),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ];
    if let Some(methods) = answer.allow {
        headers.push(("Allow", methods));
    }
    if let Some(proof) = &answer.proof {
        headers.push((ANSWER_PROOF_HEADER, proof));
    }
    let mut bytes = Vec::with_capacity(512 + body.len());
    write_response_head(&mut bytes, answer.status, &headers);
    if method != "HEAD" {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}
