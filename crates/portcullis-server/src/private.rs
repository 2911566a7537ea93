//! Health, readiness and metrics, on their own listener and thread.
//! Never: reachable by clients; reading is not authenticated, changing is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::{Audit, LogState};
use portcullis_guard::Gate;
use portcullis_model::{Clock, Secret, limits};
use portcullis_wire::http1::{HeadLimits, head_end, parse_head, write_response_head};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::builder::Registered;
use crate::http_move::Moved;
use crate::hub::{Hub, longest};
use crate::metrics::Metrics;
use crate::shard::Common;

/// Operators' connections at a time.
const CONNECTIONS_MAX: usize = 64;
const DEADLINE: Duration = Duration::from_secs(5);

/// What the private listener reads from.
#[derive(Clone)]
pub(crate) struct Private {
    pub(crate) gate: Arc<Gate>,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) operator_key: Option<Arc<Secret<String>>>,
    http_max: usize,
    hub: Hub,
    doors: Arc<[mpsc::Sender<Moved>]>,
    metrics: Arc<Metrics>,
    registered: Arc<Registered>,
    drained: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
}

impl Private {
    pub(crate) fn new(
        common: &Common,
        drained: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            gate: common.gate.clone(),
            audit: common.audit.clone(),
            clock: common.clock.clone(),
            operator_key: common.options.operator_key.clone(),
            http_max: common.options.http_connections_max,
            hub: common.hub.clone(),
            doors: common.doors.clone(),
            metrics: common.metrics.clone(),
            registered: common.registered.clone(),
            drained,
            stop,
        }
    }

    /// Answers until the server has stopped.
    pub(crate) async fn serve(self, listener: std::net::TcpListener) {
        let Ok(listener) = TcpListener::from_std(listener) else {
            tracing::error!("the private listener could not be registered with the runtime");
            return;
        };
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _closed = stop.wait_for(|stopped| *stopped) => return,
            };
            let (Ok((socket, peer)), Ok(place)) = (accepted, places.clone().try_acquire_owned())
            else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let private = self.clone();
            tokio::task::spawn_local(async move {
                if timeout(DEADLINE, private.answer(socket, peer)).await.is_err() {
                    tracing::debug!("an operator's request took too long");
                }
                drop(place);
            });
        }
    }

    async fn answer(&self, mut socket: TcpStream, peer: SocketAddr) {
        let mut buffer = Vec::new();
        while head_end(&buffer, 0).is_none() {
            if buffer.len() > limits::HEAD_MAX_BYTES {
                return;
            }
            match socket.read_buf(&mut buffer).await {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return,
            }
        }
        let head_limits = HeadLimits {
            head_max_bytes: limits::HEAD_MAX_BYTES,
            headers_max: limits::HEADERS_MAX,
            target_max_bytes: limits::TARGET_MAX_BYTES,
        };
        let (status, content_type, body) = match parse_head(&buffer, &head_limits) {
            Ok(Some(head)) if head.path.starts_with("/admin/") => {
                let (status, body) = self.admin(&head, peer);
                (status, "application/json; charset=utf-8", body)
            }
            Ok(Some(head)) if head.method == "GET" => self.read(head.path),
            Ok(Some(_)) => (405, "text/plain; charset=utf-8", String::new()),
            Ok(None) | Err(_) => (400, "text/plain; charset=utf-8", String::new()),
        };
        tracing::trace!(%peer, status, "operator's request");
        let length = body.len().to_string();
        let mut bytes = Vec::with_capacity(256 + body.len());
        let headers = [
            ("Content-Type", content_type),
            ("Content-Length", &length),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ];
        write_response_head(&mut bytes, status, &headers);
        bytes.extend_from_slice(body.as_bytes());
        let _sent = socket.write_all(&bytes).await;
        let _ended = socket.shutdown().await;
    }

    fn read(&self, path: &str) -> (u16, &'static str, String) {
        let json = "application/json; charset=utf-8";
        match path {
            "/health" => (200, json, String::from(r#"{"status":"ok"}"#)),
            "/ready" if *self.drained.borrow() => {
                (503, json, String::from(r#"{"status":"draining"}"#))
            }
            "/ready" => (200, json, self.ready_body()),
            "/metrics" => {
                if *self.drained.borrow() {
                    self.metrics.draining();
                }
                self.metrics.queued(&self.registered.queues);
                self.metrics.queue_is("deliveries", self.hub.waiting());
                self.metrics.queue_is("moves", longest(&self.doors));
                self.metrics.places(&self.gate, self.http_max, self.clock.now());
                let text = self.metrics.text(self.gate.counts(), self.audit.counts());
                (200, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
            }
            _ => (404, json, String::from(r#"{"status":"not found"}"#)),
        }
    }

    /// A log that fails is named here and in the metrics; users are served all the same.
    fn ready_body(&self) -> String {
        match self.audit.counts().state {
            LogState::Ok => String::from(r#"{"status":"ready"}"#),
            state @ (LogState::Slow | LogState::Full | LogState::Failing) => {
                format!(r#"{{"status":"ready","security_log":"{}"}}"#, state.name())
            }
        }
    }
}
