//! Health, readiness and metrics, on their own listeners and thread.
//! Never: reachable by clients; reading is not authenticated, changing is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::Audit;
use portcullis_guard::Gate;
use portcullis_model::{Clock, limits};
use portcullis_wire::http1::{
    Head, HeadLimits, Versions, head_end, parse_head_of, write_response_head,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::admin::host::check_host;
use crate::admin::listen::{PrivateEntrance, Visit};
use crate::admin::metrics::Metrics;
use crate::admin::readiness::Readiness;
use crate::delivery::hub::{Hub, longest};
use crate::http::headers::API_POLICY;
use crate::http::transfer::TransferredConnection;
use crate::setup::operator_keys::OperatorKeys;
use crate::setup::registered::Registered;
use crate::setup::task_health::TaskHealth;
use crate::shard::server::Server;

/// How long a head may take; probes send theirs at once.
const HEAD_DEADLINE: Duration = Duration::from_secs(2);
const HEAD_LIMITS: HeadLimits = HeadLimits {
    head_max_bytes: limits::HEAD_MAX_BYTES,
    headers_max: limits::HEADERS_MAX,
    target_max_bytes: limits::TARGET_MAX_BYTES,
};
/// What can be asked with a path that only tells something.
const READING: &str = "GET, HEAD, OPTIONS";
const JSON: &str = "application/json; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why a request is answered with a status and a sentence.
pub(crate) type Rejection = (u16, &'static str);

/// An answer before it is written.
struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    /// The methods there are, for an answer that has to name them (RFC 9110 section 10.2.1).
    allow: Option<&'static str>,
}

impl Answer {
    fn json(status: u16, body: String) -> Self {
        Self { status, content_type: JSON, body, allow: None }
    }

    fn rejected((status, why): Rejection) -> Self {
        Self::json(status, json!({ "error": why }).to_string())
    }
}

/// What the private listeners read from.
#[derive(Clone)]
pub(crate) struct Private {
    pub(crate) gate: Arc<Gate>,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) operator_keys: Option<OperatorKeys>,
    pub(crate) stop: watch::Receiver<bool>,
    hosts: Arc<[String]>,
    http_max: usize,
    hub: Hub,
    doors: Arc<[mpsc::Sender<TransferredConnection>]>,
    metrics: Arc<Metrics>,
    pub(crate) registered: Arc<Registered>,
    pub(crate) health: Arc<TaskHealth>,
    pub(crate) drained: watch::Receiver<bool>,
}

impl Private {
    pub(crate) fn new(
        server: &Server,
        drained: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            gate: server.gate.clone(),
            audit: server.audit.clone(),
            clock: server.clock.clone(),
            operator_keys: server.options.operator_keys.clone(),
            hosts: server.options.private_hosts.clone().into(),
            http_max: server.options.http_connections_max,
            hub: server.hub.clone(),
            doors: server.sessions.shards.clone(),
            metrics: server.metrics.clone(),
            registered: server.registered.clone(),
            health: server.health.clone(),
            drained,
            stop,
        }
    }

    /// Reads one request, answers it, and closes.
    pub(crate) async fn answer(
        &self,
        mut socket: TcpStream,
        peer: SocketAddr,
        entrance: PrivateEntrance,
        visit: &Visit,
    ) {
        let Ok(Some(buffer)) = timeout(HEAD_DEADLINE, read_head(&mut socket)).await else { return };
        visit.has_asked();
        let bytes = match parse_head_of(&buffer, &HEAD_LIMITS, Versions::Http10AndHttp11) {
            Ok(Some(head)) => {
                let answer = self.respond(&head, peer, entrance);
                tracing::trace!(%peer, status = answer.status, "request on a private listener");
                encode(&answer, head.method)
            }
            Ok(None) | Err(_) => {
                let why = "this is not a request of HTTP/1.1 or HTTP/1.0";
                encode(&Answer::rejected((400, why)), "GET")
            }
        };
        let _sent = socket.write_all(&bytes).await;
        let _ended = socket.shutdown().await;
    }

    fn respond(&self, head: &Head<'_>, peer: SocketAddr, entrance: PrivateEntrance) -> Answer {
        let host = check_host(head, &self.hosts);
        match (head.path, entrance) {
            ("/health", _) => read_only(head, || Answer::json(200, json_status("ok"))),
            ("/ready", PrivateEntrance::Operators) if host.is_ok() => {
                read_only(head, || self.ready(Readiness::detailed))
            }
            ("/ready", _) => read_only(head, || self.ready(Readiness::brief)),
            // HAProxy's `option httpchk` without a path.
            ("/", _) if head.method == "OPTIONS" => self.ready(Readiness::brief),
            (_, PrivateEntrance::Probes) => not_found(),
            // A probe with a mistyped path learns that, and not that its Host is wrong.
            ("/health/" | "/ready/", _) => not_found(),
            (path, PrivateEntrance::Operators) => match host {
                Err((400, _)) if !is_for_operators(path) => not_found(),
                Err(rejection) => Answer::rejected(rejection),
                Ok(()) if path.starts_with("/admin/") => {
                    let (status, body) = self.admin(head, peer);
                    Answer::json(status, body)
                }
                Ok(()) if path == "/metrics" => read_only(head, || self.metrics()),
                Ok(()) => not_found(),
            },
        }
    }

    fn ready(&self, body: fn(&Readiness) -> String) -> Answer {
        let readiness = self.readiness();
        Answer::json(readiness.code(), body(&readiness))
    }

    fn metrics(&self) -> Answer {
        if *self.drained.borrow() {
            self.metrics.draining();
        }
        self.metrics.queued(&self.registered.reports.queues);
        self.metrics.measured(&self.registered.reports.measures);
        if let Some(tables) = &self.registered.reports.tables {
            self.metrics.tables(&tables(&self.gate, self.clock.now()));
        }
        self.metrics.queue_is("deliveries", self.hub.queue_length());
        self.metrics.queue_is("moves", longest(&self.doors));
        self.metrics.places(&self.gate, self.http_max, self.clock.now());
        let body = self.metrics.text(self.gate.limits().counts(), self.audit.counts());
        Answer { status: 200, content_type: METRICS, body, allow: None }
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

/// Gives the answer to a request that only reads; `OPTIONS` learns the status as well.
fn read_only(head: &Head<'_>, answer: impl FnOnce() -> Answer) -> Answer {
    match head.method {
        "GET" | "HEAD" => answer(),
        "OPTIONS" => Answer { allow: Some(READING), ..answer() },
        _ => {
            let rejected = Answer::rejected((405, "ask with GET, HEAD or OPTIONS"));
            Answer { allow: Some(READING), ..rejected }
        }
    }
}

fn json_status(status: &str) -> String {
    json!({ "status": status }).to_string()
}

fn is_for_operators(path: &str) -> bool {
    path == "/metrics" || path.starts_with("/admin/")
}

fn not_found() -> Answer {
    Answer::rejected((404, "there is no such path here: probes ask for /health or /ready"))
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
    let mut bytes = Vec::with_capacity(512 + body.len());
    write_response_head(&mut bytes, answer.status, &headers);
    if method != "HEAD" {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}
