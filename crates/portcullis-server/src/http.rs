//! One HTTP connection, request by request, until it ends or becomes a socket.
//! Never: an answer without its security headers, a refusal without its record.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_guard::{Admitted, Binding, Credential, Door, Further, Handshake};
use portcullis_model::{Denial, Now, limits};
use portcullis_wire::engineio::{self, EngineTransport, ParameterFault, Parameters};
use portcullis_wire::http1::{Found, Head, HeadFault, HeadLimits, parse_head, wants_upgrade};

use crate::api::{ApiRequest, ResponseKind};
use crate::connection::Connection;
use crate::frame::Form;
use crate::headers::add_preflight;
use crate::http_polling::posted_length;
use crate::http_read::{ReadFault, oversized};
use crate::http_respond::Outgoing;
use crate::http_route::Target;
use crate::listen::Place;
use crate::refuse::{Who, refuse};
use crate::shard::Shard;
use crate::stream::Stream;
use crate::upgrade::{self, Upgrade};

/// Requests one TCP connection may carry.
const REQUESTS_MAX: usize = 1000;

const HEAD_LIMITS: HeadLimits = HeadLimits {
    head_max_bytes: limits::HEAD_MAX_BYTES,
    headers_max: limits::HEADERS_MAX,
    target_max_bytes: limits::TARGET_MAX_BYTES,
};

/// How many requests a TCP connection may still carry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Requests(usize);

impl Default for Requests {
    fn default() -> Self {
        Self(REQUESTS_MAX)
    }
}

/// A TCP connection that speaks HTTP.
pub(crate) struct HttpConnection {
    pub(crate) shard: Rc<Shard>,
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) buffer: Vec<u8>,
    pub(crate) requests: Requests,
}

/// What a head asks for, decided while the head is still in the buffer.
enum Decision {
    Upgrade(Box<Upgrade>),
    Open { form: Form, admitted: Box<Admitted>, binding: Box<Binding> },
    Poll { connection: Rc<Connection>, origin: Option<Arc<str>> },
    Post { connection: Rc<Connection>, origin: Option<Arc<str>>, body: usize },
    Route { index: usize, admitted: Box<Admitted>, cookie: Option<String>, body: usize },
    Page(usize),
    Preflight(Box<Admitted>),
    Refuse(Denial),
}

/// What follows a request.
pub(crate) enum Next {
    KeepAlive,
    Close,
    Upgrade(Box<Upgrade>),
    /// Its session lives on another shard.
    Move(u16),
}

impl HttpConnection {
    /// Serves requests until the connection ends, becomes a socket, or moves.
    pub(crate) async fn run(self, place: Place) {
        Box::pin(self.serve()).await;
        drop(place);
    }

    async fn serve(mut self) {
        while let Some(left) = self.requests.0.checked_sub(1) {
            self.requests.0 = left;
            match self.read_head().await {
                Ok(()) => {}
                Err(ReadFault::Gone) => break,
                Err(ReadFault::Refused(denial)) => {
                    self.refuse_bare(&denial).await;
                    break;
                }
            }
            match self.request().await {
                Next::KeepAlive => {}
                Next::Close => break,
                Next::Upgrade(upgrade) => return upgrade::start(self, *upgrade),
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
                self.refuse_bare(&denial_of(fault, &buffer)).await;
                return Next::Close;
            }
        };
        let target = Target::of(&head, &self.shard.registered);
        let elsewhere = self.shard_of(&head, target);
        if let Some(shard) = elsewhere {
            self.buffer = buffer;
            return Next::Move(shard);
        }
        self.shard.metrics.http_requests.inc();
        let decision = self.decide(&head, target, now);
        if let Decision::Refuse(denial) = decision {
            self.refuse_request(&denial, &head, target, now).await;
            return Next::Close;
        }
        // The last request a connection may carry says so, so that no client sends another.
        let keep_alive = head.keep_alive && self.requests.0 > 0;
        let length = head.length;
        self.buffer = buffer;
        self.buffer.drain(..length.min(self.buffer.len()));
        self.act(decision, keep_alive).await
    }

    async fn act(&mut self, decision: Decision, keep_alive: bool) -> Next {
        match decision {
            Decision::Refuse(_) => Next::Close,
            Decision::Upgrade(upgrade) => self.accept(upgrade).await,
            Decision::Open { form, admitted, binding } => {
                self.open_session(form, *admitted, *binding, keep_alive).await
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
            Decision::Page(index) => self.page(index, keep_alive).await,
            Decision::Preflight(admitted) => self.preflight(&admitted, keep_alive).await,
            Decision::Route { index, admitted, cookie, body } => {
                match self.read_until(body).await {
                    Ok(()) => self.route(index, *admitted, cookie, body, keep_alive).await,
                    Err(fault) => self.refuse_body(fault).await,
                }
            }
        }
    }

    async fn refuse_body(&mut self, fault: ReadFault) -> Next {
        if let ReadFault::Refused(denial) = fault {
            self.refuse_bare(&denial).await;
        }
        Next::Close
    }

    /// The other shard a request's session lives on, if there is such a shard.
    fn shard_of(&self, head: &Head<'_>, target: Target) -> Option<u16> {
        let Target::Engine(_) = target else { return None };
        let sid = engineio::read_parameters(head.query).ok()?.sid?;
        let (id, _) = self.shard.session_ids.read(sid)?;
        let known = usize::from(id.shard) < self.shard.doors.len();
        (known && id.shard != self.shard.index).then_some(id.shard)
    }

    fn decide(&self, head: &Head<'_>, target: Target, now: Now) -> Decision {
        match self.decided(head, target, now) {
            Ok(decision) => decision,
            Err(denial) => Decision::Refuse(denial),
        }
    }

    fn decided(&self, head: &Head<'_>, target: Target, now: Now) -> Result<Decision, Denial> {
        if let Target::Engine(form) = target {
            return self.decide_engine(head, form, now);
        }
        if target == Target::Plain && self.shard.draining.get() {
            return Err(Denial::Draining);
        }
        let admitted = self.shard.gate.admit(&self.handshake(head, target.door(false)), now)?;
        match target {
            Target::Engine(_) => Err(Denial::NotFound),
            Target::Plain => self.decide_upgrade(head, Form::Plain, admitted, now),
            Target::Route(index) => self.decide_route(head, index, admitted),
            Target::Page(_) | Target::Preflight if head.content_length > 0 => {
                Err(Denial::RequestMalformed)
            }
            Target::Page(index) => Ok(Decision::Page(index)),
            Target::Preflight => Ok(Decision::Preflight(Box::new(admitted))),
            Target::WrongMethod => Err(Denial::MethodNotAllowed),
            Target::Nothing => Err(Denial::NotFound),
        }
    }

    pub(crate) fn handshake<'a>(&self, head: &'a Head<'a>, door: Door) -> Handshake<'a> {
        Handshake {
            peer: self.peer.ip(),
            door,
            method: head.method,
            query: head.query,
            authority: head.authority,
            headers: &head.headers,
        }
    }

    fn decide_upgrade(
        &self,
        head: &Head<'_>,
        form: Form,
        admitted: Admitted,
        now: Now,
    ) -> Result<Decision, Denial> {
        if !wants_upgrade(head) {
            return Err(Denial::UpgradeMalformed);
        }
        // A credential that is shown with the request is checked before there is a socket.
        if let Some(bearer) = &admitted.bearer {
            self.shard.gate.verify(Credential::Bearer(bearer.expose()), now)?;
        }
        Ok(Decision::Upgrade(Box::new(Upgrade::open(head, form, admitted, &self.shard)?)))
    }

    /// A request at an Engine.IO path: a handshake, or one for a session there is.
    fn decide_engine(&self, head: &Head<'_>, form: Form, now: Now) -> Result<Decision, Denial> {
        let gate = &self.shard.gate;
        if head.method == "OPTIONS" && gate.options().polling {
            let admitted = gate.admit(&self.handshake(head, Door::Api), now)?;
            if head.content_length > 0 {
                return Err(Denial::RequestMalformed);
            }
            return Ok(Decision::Preflight(Box::new(admitted)));
        }
        let parameters = engineio::read_parameters(head.query).map_err(parameter_denial);
        let polling = matches!(
            &parameters,
            Ok(parameters) if parameters.transport == EngineTransport::Polling
        );
        let handshake = self.handshake(head, Target::Engine(form).door(polling));
        if let Ok(Parameters { sid: Some(sid), .. }) = parameters {
            let admitted = gate.admit_again(&handshake, now)?;
            return self.decide_session(head, sid, polling, &handshake, admitted, now);
        }
        if self.shard.draining.get() {
            return Err(Denial::Draining);
        }
        let admitted = match gate.admit(&handshake, now) {
            // A client that would poll learns first what to change, origin or not.
            Err(Denial::OriginMissing) if polling && !gate.options().polling => {
                return Err(Denial::PollingOff);
            }
            outcome => outcome?,
        };
        parameters?;
        if head.method != "GET" {
            return Err(Denial::HandshakeMethod);
        }
        if !polling {
            return self.decide_upgrade(head, form, admitted, now);
        }
        if let Some(bearer) = &admitted.bearer {
            gate.verify(Credential::Bearer(bearer.expose()), now)?;
        }
        let binding = Box::new(gate.binding(&handshake, &admitted));
        Ok(Decision::Open { form, admitted: Box::new(admitted), binding })
    }

    /// A request for a session: from where it was opened, by its own user, in its own transport.
    fn decide_session(
        &self,
        head: &Head<'_>,
        sid: &str,
        polling: bool,
        handshake: &Handshake<'_>,
        admitted: Admitted,
        now: Now,
    ) -> Result<Decision, Denial> {
        let shard = &self.shard;
        let unknown = || Denial::SessionUnknown("unknown");
        let (id, shown) = shard.session_ids.read(sid).ok_or_else(unknown)?;
        let connection = shard.session(id, &shown).ok_or_else(unknown)?;
        let binding = shard.gate.binding(handshake, &admitted);
        let further = if polling { Further::Request } else { Further::Upgrade };
        let bound = connection.with_polling(|state| state.binding.check(&binding, further));
        let is_polled = bound.transpose()?.is_some();
        if let Some(bearer) = &admitted.bearer {
            let verified = shard.gate.verify(Credential::Bearer(bearer.expose()), now)?;
            let caller = connection.caller();
            if caller.is_some_and(|caller| caller.principal.user().id != verified.user) {
                return Err(Denial::SessionUnknown("principal"));
            }
        }
        if !polling {
            if head.method != "GET" {
                return Err(Denial::HandshakeMethod);
            }
            if !wants_upgrade(head) {
                return Err(Denial::UpgradeMalformed);
            }
            // A session that was upgraded once answers a second WebSocket by closing it.
            if !is_polled && !connection.upgraded.get() {
                return Err(Denial::SessionUnknown("websocket"));
            }
            return Ok(Decision::Upgrade(Box::new(Upgrade::take_over(
                head,
                connection,
                &shard.options,
            )?)));
        }
        if !is_polled {
            return Err(Denial::Polling("transport_mismatch"));
        }
        let origin = admitted.origin;
        match head.method {
            "GET" => Ok(Decision::Poll { connection, origin }),
            "POST" => {
                let body = posted_length(head, shard.options.polling_max_bytes)?;
                Ok(Decision::Post { connection, origin, body })
            }
            _ => Err(Denial::HandshakeMethod),
        }
    }

    fn decide_route(
        &self,
        head: &Head<'_>,
        index: usize,
        admitted: Admitted,
    ) -> Result<Decision, Denial> {
        let body = usize::try_from(head.content_length).map_err(|_| Denial::TooLarge)?;
        if body > self.shard.options.body_max_bytes {
            return Err(Denial::TooLarge);
        }
        if head.method == "POST" && !is_json(head) {
            return Err(Denial::MediaType);
        }
        if head.method != "POST" && body > 0 {
            return Err(Denial::RequestMalformed);
        }
        let cookie = match head.header("cookie") {
            Found::One(value) => Some(String::from_utf8_lossy(value).into_owned()),
            Found::None => None,
            Found::Many => return Err(Denial::RequestMalformed),
        };
        Ok(Decision::Route { index, admitted: Box::new(admitted), cookie, body })
    }

    async fn route(
        &mut self,
        index: usize,
        admitted: Admitted,
        cookie: Option<String>,
        body: usize,
        keep_alive: bool,
    ) -> Next {
        let shard = Rc::clone(&self.shard);
        let Some(route) = shard.registered.routes.get(index) else {
            return Next::Close;
        };
        let now = shard.now();
        let rest = self.buffer.split_off(body.min(self.buffer.len()));
        let body = std::mem::replace(&mut self.buffer, rest);
        let origin = admitted.origin.clone();
        let request = ApiRequest {
            client: admitted.client,
            origin: admitted.origin,
            bearer: admitted.bearer,
            cookie,
            body,
            now,
            gate: shard.gate.clone(),
            audit: shard.audit.clone(),
        };
        let path = route.path;
        let _running = Rc::clone(&shard.routes_running);
        let outcome = (route.handler)(request).await;
        let origin = origin.as_deref();
        match outcome {
            Ok(response) => {
                let extra = response.headers.iter();
                let extra = extra.map(|(name, value)| (*name, value.as_str())).collect();
                let written = self
                    .write(Outgoing {
                        status: response.status,
                        content_type: response.content_type,
                        body: &response.body,
                        kind: response.kind,
                        origin,
                        extra,
                        keep_alive,
                    })
                    .await;
                if written && keep_alive { Next::KeepAlive } else { Next::Close }
            }
            Err(denial) => {
                let now = shard.now();
                let who = Who { path: Some(path), origin, ..self.who() };
                let refusal = refuse(&shard, &denial, &who, now);
                self.write_refusal(&refusal, &refusal.http_body(), origin).await;
                Next::Close
            }
        }
    }

    async fn page(&mut self, index: usize, keep_alive: bool) -> Next {
        let registered = self.shard.registered.clone();
        let Some(page) = registered.pages.get(index) else {
            return Next::Close;
        };
        let outgoing = Outgoing {
            status: 200,
            content_type: page.content_type,
            body: &page.body,
            kind: ResponseKind::Page,
            origin: None,
            extra: Vec::new(),
            keep_alive,
        };
        let written = self.write(outgoing).await;
        if written && keep_alive { Next::KeepAlive } else { Next::Close }
    }

    async fn preflight(&mut self, admitted: &Admitted, keep_alive: bool) -> Next {
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

fn parameter_denial(fault: ParameterFault) -> Denial {
    match fault {
        ParameterFault::Transport => Denial::TransportUnknown,
        ParameterFault::Version => Denial::EngineVersion,
        ParameterFault::Malformed => Denial::Parameters,
        ParameterFault::Credential => Denial::TokenInUrl,
    }
}

/// Whether the body is declared as JSON, and as nothing else.
fn is_json(head: &Head<'_>) -> bool {
    if !matches!(head.header("content-encoding"), Found::None) {
        return false;
    }
    let Found::One(value) = head.header("content-type") else {
        return false;
    };
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}
