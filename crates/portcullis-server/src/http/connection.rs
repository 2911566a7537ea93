//! One HTTP connection, request by request, until it ends or becomes a socket.
//! Never: an answer without its security headers, a refusal without its record.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portcullis_guard::{AdmittedRequest, ClientScheme, HttpSlot, Source};
use portcullis_model::{Deadline, Denial, limits};
use portcullis_wire::http1::{HeadFault, HeadLimits, parse_head};

use crate::connect::identity::wait_for_key_of;
use crate::http::api::{ApiRequest, ApiResponse, ResponseKind};
use crate::http::client_facts::ClientFacts;
use crate::http::decide::Decision;
use crate::http::headers::add_preflight;
use crate::http::read::{ReadFault, oversized};
use crate::http::respond::Outgoing;
use crate::http::route::Target;
use crate::http::source::source_of_head;
use crate::http::transfer::RequestBudget;
use crate::listen::accept::Entrance;
use crate::listen::intake_slots::IntakeSlot;
use crate::listen::stream::Stream;
use crate::rejection::{RejectionSource, reject};
use crate::shard::state::Shard;
use crate::websocket::upgrade::{self, Upgrade};

/// The deadline of a request to a route: a log-in waits for its turn, and for the store.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long after it a route may still say how its request ended.
const ROUTE_GRACE: Duration = Duration::from_millis(250);
const HEAD_LIMITS: HeadLimits = HeadLimits {
    head_max_bytes: limits::HEAD_MAX_BYTES,
    headers_max: limits::HEADERS_MAX,
    target_max_bytes: limits::TARGET_MAX_BYTES,
};

/// A TCP connection that speaks HTTP.
pub(crate) struct HttpConnection {
    pub(crate) shard: Rc<Shard>,
    pub(crate) stream: Stream,
    /// The other end: of the TCP connection, or as a proxy in front tells of it.
    pub(crate) peer: SocketAddr,
    pub(crate) entrance: Entrance,
    /// Whom the request at hand counts for.
    pub(crate) client: IpAddr,
    /// Whether another site's page may have caused it.
    pub(crate) source: Source,
    /// How the request at hand reached a trusted proxy, as that proxy reports it.
    pub(crate) forwarded_scheme: Option<ClientScheme>,
    /// Counts it among those of its address until it is a socket.
    pub(crate) seat: Option<HttpSlot>,
    pub(crate) buffer: Vec<u8>,
    pub(crate) requests: RequestBudget,
    /// The request was a HEAD: its answer has the head of another's and no body (RFC 9110 9.3.2).
    pub(crate) bodiless: bool,
}

/// What follows a request.
pub(crate) enum Next {
    KeepAlive,
    Close,
    /// As `Close`, of a request of which no byte can still be on its way.
    CloseAtOnce,
    Upgrade(Box<Upgrade>),
    /// Its session lives on another shard.
    Move(u16),
}

impl HttpConnection {
    pub(crate) fn new(shard: Rc<Shard>, stream: Stream, peer: SocketAddr) -> Self {
        let client = shard.server.gate.client(peer.ip(), &[]);
        Self {
            shard,
            stream,
            peer,
            entrance: Entrance::Public,
            client,
            source: Source::default(),
            forwarded_scheme: None,
            seat: None,
            buffer: Vec::new(),
            requests: RequestBudget::default(),
            bodiless: false,
        }
    }

    /// The client's port, where it is the other end itself.
    pub(crate) fn client_port(&self) -> Option<u16> {
        (self.peer.ip().to_canonical() == self.client).then(|| self.peer.port())
    }

    /// Serves requests until the connection ends, becomes a socket, or moves.
    pub(crate) async fn run(self, slot: IntakeSlot) {
        Box::pin(self.serve()).await;
        drop(slot);
    }

    async fn serve(mut self) {
        while self.requests.take_one() {
            // Until a head says otherwise it is nobody's: not of whom the last one came from.
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
                    // Any page's address of an image may hold what no target may.
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
        // Whoever waits is answered before a drain is over.
        let _running = decision.wants_place().map(|_| Rc::clone(&self.shard.drain.running));
        if let Some(admitted) = decision.wants_place()
            && let Err(denial) = self.take_place(admitted).await
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
        // The last request a connection may carry says so, so that no client sends another.
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
            Decision::LeadOn(address) => self.lead_on(&address).await,
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
                let refusal = reject(&shard, &denial, &who, now);
                self.write_refusal(&refusal, &refusal.http_body(), origin, false).await;
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

    async fn lead_on(&mut self, address: &str) -> Next {
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
        // The same answer however the bytes were cut on their way.
        HeadFault::TooLarge => oversized(head),
        HeadFault::TooManyHeaders => Denial::HeadTooLarge,
        HeadFault::TargetTooLong => Denial::TargetTooLong,
        HeadFault::Malformed(_)
        | HeadFault::Version
        | HeadFault::TransferEncoding
        | HeadFault::ContentLength => Denial::RequestMalformed,
    }
}
