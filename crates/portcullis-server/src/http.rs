//! One HTTP connection, request by request, until it ends or becomes a socket.
//! Never: an answer without its security headers, a refusal without its record.

use std::net::SocketAddr;
use std::rc::Rc;

use portcullis_guard::{Admitted, Credential, Handshake};
use portcullis_model::{Denial, Now, limits};
use portcullis_wire::engineio::{self, EngineTransport, ParameterFault};
use portcullis_wire::http1::{Found, Head, HeadFault, HeadLimits, parse_head, wants_upgrade};

use crate::api::{ApiRequest, ResponseKind};
use crate::headers::add_preflight;
use crate::http_read::{ReadFault, oversized};
use crate::http_respond::Outgoing;
use crate::http_route::Target;
use crate::refuse::{Who, refuse};
use crate::shard::Shard;
use crate::stream::Stream;
use crate::upgrade::Upgrade;

/// Requests one TCP connection may carry.
const REQUESTS_MAX: usize = 100;

const HEAD_LIMITS: HeadLimits = HeadLimits {
    head_max_bytes: limits::HEAD_MAX_BYTES,
    headers_max: limits::HEADERS_MAX,
    target_max_bytes: limits::TARGET_MAX_BYTES,
};

/// A TCP connection that speaks HTTP.
pub(crate) struct HttpConnection {
    pub(crate) shard: Rc<Shard>,
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) buffer: Vec<u8>,
}

/// What a head asks for, decided while the head is still in the buffer.
enum Decision {
    Upgrade(Box<Upgrade>),
    Route { index: usize, admitted: Admitted, cookie: Option<String>, body: usize },
    Page(usize),
    Preflight(Admitted),
    Refuse(Denial),
}

impl HttpConnection {
    /// Serves requests until the connection ends. Gives the upgrade, if there is one.
    pub(crate) async fn serve(mut self) -> Option<(Self, Box<Upgrade>)> {
        for _ in 0..REQUESTS_MAX {
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
                Next::Upgrade(upgrade) => return Some((self, upgrade)),
            }
        }
        self.finish().await;
        None
    }

    async fn request(&mut self) -> Next {
        let now = self.shard.now();
        self.shard.metrics.http_requests.inc();
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
        let decision = self.decide(&head, target, now);
        if let Decision::Refuse(denial) = decision {
            self.refuse_request(&denial, &head, target, now).await;
            return Next::Close;
        }
        let (length, keep_alive) = (head.length, head.keep_alive);
        self.buffer = buffer;
        self.buffer.drain(..length.min(self.buffer.len()));
        match decision {
            Decision::Refuse(_) => Next::Close,
            Decision::Upgrade(upgrade) => self.accept(upgrade).await,
            Decision::Page(index) => self.page(index, keep_alive).await,
            Decision::Preflight(admitted) => self.preflight(&admitted, keep_alive).await,
            Decision::Route { index, admitted, cookie, body } => {
                match self.read_until(body).await {
                    Ok(()) => self.route(index, admitted, cookie, body, keep_alive).await,
                    Err(ReadFault::Gone) => Next::Close,
                    Err(ReadFault::Refused(denial)) => {
                        self.refuse_bare(&denial).await;
                        Next::Close
                    }
                }
            }
        }
    }

    fn decide(&self, head: &Head<'_>, target: Target, now: Now) -> Decision {
        match self.decided(head, target, now) {
            Ok(decision) => decision,
            Err(denial) => Decision::Refuse(denial),
        }
    }

    fn decided(&self, head: &Head<'_>, target: Target, now: Now) -> Result<Decision, Denial> {
        let socket = matches!(target, Target::Engine | Target::Plain);
        if socket && self.shard.draining.get() {
            return Err(Denial::Draining);
        }
        let parameters = match target {
            Target::Engine => engineio::read_parameters(head.query).map_err(parameter_denial),
            _ => Ok(engineio::Parameters::default()),
        };
        let polling = matches!(
            &parameters,
            Ok(parameters) if parameters.transport == EngineTransport::Polling
        );
        let admitted = self.shard.gate.admit(
            &Handshake {
                peer: self.peer.ip(),
                door: target.door(target == Target::Engine && polling),
                method: head.method,
                query: head.query,
                authority: head.authority,
                headers: &head.headers,
            },
            now,
        );
        // A client that would poll learns first what to change, origin or not.
        if polling && matches!(admitted, Err(Denial::OriginMissing)) {
            return Err(Denial::PollingOff);
        }
        let admitted = admitted?;
        let parameters = parameters?;
        match target {
            Target::Engine if polling => Err(Denial::PollingOff),
            Target::Engine if parameters.sid.is_some() => Err(Denial::SessionUnknown),
            Target::Engine if head.method != "GET" => Err(Denial::HandshakeMethod),
            Target::Engine | Target::Plain => {
                if !wants_upgrade(head) {
                    return Err(Denial::UpgradeMalformed);
                }
                // A credential that is shown with the request is checked before there is a socket.
                if let Some(bearer) = &admitted.bearer {
                    self.shard.gate.verify(Credential::Bearer(bearer.expose()), now)?;
                }
                let upgrade = Upgrade::read(head, target.form(), admitted)?;
                Ok(Decision::Upgrade(Box::new(upgrade)))
            }
            Target::Route(index) => self.decide_route(head, index, admitted),
            Target::Page(_) | Target::Preflight if head.content_length > 0 => {
                Err(Denial::RequestMalformed)
            }
            Target::Page(index) => Ok(Decision::Page(index)),
            Target::Preflight => Ok(Decision::Preflight(admitted)),
            Target::WrongMethod => Err(Denial::MethodNotAllowed),
            Target::Nothing => Err(Denial::NotFound),
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
        Ok(Decision::Route { index, admitted, cookie, body })
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
        let extra = vec![
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept.as_str()),
        ];
        let outgoing = Outgoing {
            status: 101,
            content_type: "",
            body: b"",
            kind: ResponseKind::Api,
            origin: None,
            extra,
            keep_alive: true,
        };
        if self.write(outgoing).await { Next::Upgrade(upgrade) } else { Next::Close }
    }
}

/// What follows a request.
enum Next {
    KeepAlive,
    Close,
    Upgrade(Box<Upgrade>),
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
