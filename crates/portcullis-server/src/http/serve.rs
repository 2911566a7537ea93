//! The requests of one HTTP connection, until it ends or becomes a WebSocket.
//! Never: a response without security headers; a rejection without a record.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis_guard::{AdmittedRequest, Source};
use portcullis_model::{Deadline, Denial, limits};
use portcullis_wire::http1::{HeadFault, HeadLimits, parse_head};

use crate::connect::identity::wait_for_key_of;
use crate::http::api::{ApiRequest, ApiResponse, ResponseKind};
use crate::http::connection::HttpConnection;
use crate::http::decision::client_headers::ClientFacts;
use crate::http::decision::decide::Decision;
use crate::http::decision::target::Target;
use crate::http::headers::add_preflight;
use crate::http::http_stream::{ReadFault, oversized};
use crate::http::next::Next;
use crate::http::responder::Outgoing;
use crate::http::source::source_of_head;
use crate::listen::intake_slots::IntakeSlot;
use crate::rejection::{RejectionSource, reject};
use crate::websocket::upgrade::{self, Upgrade};

/// The deadline of a request to a route: a log-in waits for a slot and for the store.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long after the deadline a route may still report its outcome.
const ROUTE_GRACE: Duration = Duration::from_millis(250);
const HEAD_LIMITS: HeadLimits = HeadLimits {
    head_max_bytes: limits::HEAD_MAX_BYTES,
    headers_max: limits::HEADERS_MAX,
    target_max_bytes: limits::TARGET_MAX_BYTES,
};

impl HttpConnection {
    /// Serves requests until the connection ends, becomes a WebSocket, or moves to another shard.
    pub(crate) async fn run(self, slot: IntakeSlot) {
        Box::pin(self.serve()).await;
        drop(slot);
    }

    async fn serve(mut self) {
        while self.requests.take_one() {
            // Until its head is read, a request is not charged to the client of the last one.
            self.client = self.shard.server.gate.client(self.peer.ip(), &[]);
            self.source = Source::default();
            self.forwarded_scheme = None;
            match self.read_head().await {
                Ok(()) => {}
                Err(ReadFault::Gone) => break,
                Err(ReadFault::Refused(denial)) => {
                    self.source = source_of_head(&denial);
                    self.refuse_bare(&denial).await;
                    break;
                }
            }
            match self.request().await {
                Next::KeepAlive => {}
                Next::Close => break,
                Next::CloseAtOnce => return self.stream.end().await,
                Next::Upgrade(upgrade) => return upgrade::start(self, *upgrade).await,
                Next::Move(shard) => return self.move_to(shard),
            }
        }
        self.finish().await;
    }

    async fn request(&mut self) -> Next {
        let now = self.shard.now();
        let buffer = std::mem::take(&mut self.buffer);
        let head = match parse_head(&buffer, &HEAD_LIMITS) {
            Ok(Some(head)) => head,
            Ok(None) => {
                self.refuse_bare(&Denial::HeadTooLarge).await;
                return Next::Close;
            }
            Err(fault) => {
                let denial = denial_of(fault, &buffer);
                self.source = match fault {
                    // A page can name an image with an invalid target.
                    HeadFault::Malformed("target") => Source::Unmarked,
                    _ => source_of_head(&denial),
                };
                self.refuse_bare(&denial).await;
                return Next::Close;
            }
        };
        self.bodiless = head.method == "HEAD";
        self.client = self.shard.server.gate.client(self.peer.ip(), &head.headers);
        let peer = self.peer.ip();
        self.forwarded_scheme =
            self.shard.server.gate.admission().forwarded_scheme(peer, &head.headers);
        let target = Target::of(&head, &self.shard.server.registered);
        self.source = self.source_of(&head, target);
        if let Some(shard) = self.shard_of(&head, target) {
            self.buffer = buffer;
            return Next::Move(shard);
        }
        self.shard.server.metrics.http_requests.inc();
        let mut decision = self.decide(&head, target, now);
        // A drain waits for requests that wait for a slot.
        let _running = decision.unslotted_request().map(|_| Rc::clone(&self.shard.drain.running));
        if let Some(admitted) = decision.unslotted_request()
            && let Err(denial) = self.take_slot(admitted).await
        {
            decision = Decision::Refuse(denial);
        }
        if let Decision::Refuse(denial) = decision {
            let skipped = self.skipped_body(&head);
            let now = self.shard.now();
            self.refuse_request(&denial, &head, target, skipped.is_some(), now).await;
            if let Some(body) = skipped {
                let length = head.length;
                self.buffer = buffer;
                self.buffer.drain(..length.min(self.buffer.len()));
                return self.skip_body(body).await;
            }
            let whole = head.content_length == 0 && head.length == buffer.len();
            return if whole { Next::CloseAtOnce } else { Next::Close };
        }
        // The response to the last permitted request closes the connection.
        let keep_alive = head.keep_alive && self.requests.has_more();
        let length = head.length;
        self.buffer = buffer;
        self.buffer.drain(..length.min(self.buffer.len()));
        self.act(decision, keep_alive).await
    }

    async fn act(&mut self, decision: Decision, keep_alive: bool) -> Next {
        match decision {
            Decision::Refuse(_) => Next::Close,
            Decision::Upgrade(upgrade) => self.accept(upgrade).await,
            Decision::Open { form, admitted, binding, binary } => {
                self.open_session(form, *admitted, *binding, binary, keep_alive).await
            }
            Decision::Poll { connection, origin } => {
                self.poll_session(connection, origin.as_deref(), keep_alive).await
            }
            Decision::Post { connection, origin, body } => match self.read_until(body).await {
                Ok(()) => {
                    self.post_to_session(connection, body, origin.as_deref(), keep_alive).await
                }
                Err(fault) => self.refuse_body(fault).await,
            },
            Decision::Page { index, cookie } => {
                self.page(index, cookie.as_deref(), keep_alive).await
            }
            Decision::Redirect(address) => self.redirect_to(&address).await,
            Decision::Preflight(admitted) => self.preflight(&admitted, keep_alive).await,
            Decision::Route { index, admitted, facts, body } => match self.read_until(body).await {
                Ok(()) => self.route(index, *admitted, facts, body, keep_alive).await,
                Err(fault) => self.refuse_body(fault).await,
            },
        }
    }

    async fn refuse_body(&mut self, fault: ReadFault) -> Next {
        if let ReadFault::Refused(denial) = fault {
            self.refuse_bare(&denial).await;
        }
        Next::Close
    }

    async fn route(
        &mut self,
        index: usize,
        admitted: AdmittedRequest,
        facts: ClientFacts,
        body: usize,
        keep_alive: bool,
    ) -> Next {
        let shard = Rc::clone(&self.shard);
        let Some(route) = shard.server.registered.routes.get(index) else {
            return Next::Close;
        };
        // Here for all routes: a handler verifies the token in the middle of its work.
        let key = wait_for_key_of(&shard, &admitted).await;
        let now = shard.now();
        let rest = self.buffer.split_off(body.min(self.buffer.len()));
        let body = std::mem::replace(&mut self.buffer, rest);
        let origin = admitted.origin.clone();
        let user = Arc::new(OnceLock::new());
        let request = ApiRequest {
            client: admitted.client,
            origin: admitted.origin,
            method: route.method,
            path: route.path,
            bearer: admitted.bearer,
            bound: admitted.bound,
            proof: admitted.proof,
            user_agent: facts.user_agent,
            cookie: facts.cookie,
            own_page: facts.own_page,
            user: Arc::clone(&user),
            body,
            now,
            gate: shard.server.gate.clone(),
            queues: shard.server.queues.clone(),
            audit: shard.server.audit.clone(),
        };
        let path = route.path;
        let _running = Rc::clone(&shard.drain.running);
        let work = async {
            key?;
            (route.handler)(request).await
        };
        let work = Deadline::after(ROUTE_TIMEOUT).scope(work);
        let handled = tokio::time::timeout(ROUTE_TIMEOUT + ROUTE_GRACE, work).await;
        let outcome = handled.unwrap_or(Err(Denial::HandlerTimeout));
        let origin = origin.as_deref();
        match outcome {
            Ok(response) => self.write_response(&response, origin, keep_alive).await,
            Err(denial) => {
                let now = shard.now();
                let user = user.get().map(|user| &**user);
                let who = RejectionSource { path: Some(path), origin, user, ..self.who() };
                let rejection = reject(&shard, &denial, &who, now);
                self.write_rejection(&rejection, &rejection.http_body(), origin, false).await;
                Next::Close
            }
        }
    }

    async fn write_response(
        &mut self,
        response: &ApiResponse,
        origin: Option<&str>,
        keep_alive: bool,
    ) -> Next {
        let extra = response.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let outgoing = Outgoing {
            status: response.status,
            content_type: response.content_type,
            body: &response.body,
            kind: response.kind,
            origin,
            extra,
            keep_alive,
        };
        if self.write(outgoing).await && keep_alive { Next::KeepAlive } else { Next::Close }
    }

    async fn page(&mut self, index: usize, cookie: Option<&str>, keep_alive: bool) -> Next {
        let registered = self.shard.server.registered.clone();
        let Some(page) = registered.pages.get(index) else {
            return Next::Close;
        };
        let outgoing = Outgoing {
            status: 200,
            content_type: page.content_type,
            body: &page.body,
            kind: ResponseKind::Page,
            origin: None,
            extra: cookie.map(|cookie| ("Set-Cookie", cookie)).into_iter().collect(),
            keep_alive,
        };
        let written = self.write(outgoing).await;
        if written && keep_alive { Next::KeepAlive } else { Next::Close }
    }

    async fn redirect_to(&mut self, address: &str) -> Next {
        let outgoing = Outgoing {
            status: 308,
            content_type: "",
            body: b"",
            kind: ResponseKind::Api,
            origin: None,
            extra: vec![("Location", address)],
            keep_alive: false,
        };
        let _written = self.write(outgoing).await;
        Next::Close
    }

    async fn preflight(&mut self, admitted: &AdmittedRequest, keep_alive: bool) -> Next {
        let mut extra = Vec::new();
        if admitted.origin.is_some() {
            add_preflight(&mut extra);
        }
        let outgoing = Outgoing {
            status: 204,
            content_type: "",
            body: b"",
            kind: ResponseKind::Api,
            origin: admitted.origin.as_deref(),
            extra,
            keep_alive,
        };
        let written = self.write(outgoing).await;
        if written && keep_alive { Next::KeepAlive } else { Next::Close }
    }

    async fn accept(&mut self, mut upgrade: Box<Upgrade>) -> Next {
        let accept = std::mem::take(&mut upgrade.accept);
        let (protocol, extensions) = (upgrade.protocol.take(), upgrade.extensions.take());
        let mut extra = vec![
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept.as_str()),
        ];
        if let Some(protocol) = &protocol {
            extra.push(("Sec-WebSocket-Protocol", protocol));
        }
        if let Some(extensions) = &extensions {
            extra.push(("Sec-WebSocket-Extensions", extensions));
        }
        let outgoing = Outgoing {
            status: 101,
            content_type: "",
            body: upgrade.first(),
            kind: ResponseKind::Api,
            origin: None,
            extra,
            keep_alive: true,
        };
        if self.write(outgoing).await { Next::Upgrade(upgrade) } else { Next::Close }
    }
}

fn denial_of(fault: HeadFault, head: &[u8]) -> Denial {
    match fault {
        // The response does not depend on how the bytes were divided.
        HeadFault::TooLarge => oversized(head),
        HeadFault::TooManyHeaders => Denial::HeadTooLarge,
        HeadFault::TargetTooLong => Denial::TargetTooLong,
        HeadFault::Malformed(_)
        | HeadFault::Version
        | HeadFault::TransferEncoding
        | HeadFault::ContentLength => Denial::RequestMalformed,
    }
}
