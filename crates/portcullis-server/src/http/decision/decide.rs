//! The decision on a request, from its head.
//! Never: a byte of the body; a decision is made on the head alone.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_guard::{
    Admission, AdmittedRequest, Caller, ClientClass, Endpoint, FollowUp, Handshake, SessionBinding,
};
use portcullis_model::{Denial, Now};
use portcullis_wire::engineio::{self, BinaryForm, EngineTransport, ParameterFault, Parameters};
use portcullis_wire::http1::{FieldValue, Head, wants_upgrade};

use crate::connection::state::Connection;
use crate::events::frame::Form;
use crate::http::connection::HttpConnection;
use crate::http::decision::client_headers::{ClientFacts, admission_cookie, user_agent};
use crate::http::decision::media_type::is_utf8_of;
use crate::http::decision::target::Target;
use crate::listen::entrance::Entrance;
use crate::listen::stream::TlsSession;
use crate::polling::post::posted_length;
use crate::polling::transport::Polling;
use crate::websocket::upgrade::Upgrade;

/// The largest body of a session without a signed-in user.
const BEFORE_CONNECT_MAX: usize = 16 * 1024;

/// What a head requests, decided while the head is still in the buffer.
pub(crate) enum Decision {
    Upgrade(Box<Upgrade>),
    Open {
        form: Form,
        admitted: Box<AdmittedRequest>,
        binding: Box<SessionBinding>,
        binary: BinaryForm,
    },
    Poll {
        connection: Rc<Connection>,
        origin: Option<Arc<str>>,
    },
    Post {
        connection: Rc<Connection>,
        origin: Option<Arc<str>>,
        body: usize,
    },
    Route {
        index: usize,
        admitted: Box<AdmittedRequest>,
        facts: ClientFacts,
        body: usize,
    },
    Page {
        index: usize,
        /// The cookie that a login link sets.
        cookie: Option<String>,
    },
    /// The complete address of the same page over TLS.
    Redirect(String),
    Preflight(Box<AdmittedRequest>),
    Refuse(Denial),
}

impl Decision {
    /// The admitted request that needs a slot.
    pub(crate) fn unslotted_request(&mut self) -> Option<&mut AdmittedRequest> {
        match self {
            Self::Upgrade(upgrade) => upgrade.admitted(),
            Self::Open { admitted, .. } => Some(admitted),
            _ => None,
        }
    }
}

impl HttpConnection {
    /// Takes a slot; waits for one when that may help. Then checks a credential of the request,
    /// before there is a socket.
    pub(crate) async fn take_slot(&self, admitted: &mut AdmittedRequest) -> Result<(), Denial> {
        let shard = &self.shard;
        let room = match admitted.wanted_slot {
            Some(ClientClass::Admin) => &shard.server.queues.admins,
            Some(ClientClass::Returning) => &shard.server.queues.returning,
            Some(ClientClass::Unauthenticated) | None => &shard.server.queues.unauthenticated,
        };
        let attempt = || {
            if shard.server.queues.is_closed() {
                return Err(Denial::Draining);
            }
            shard.server.gate.take_slot(admitted, shard.now())
        };
        room.enter(Admission::may_succeed_later, attempt).await?;
        shard.server.gate.authentication().precheck(admitted, shard.now()).map(drop)
    }

    /// The other shard a request's session lives on, if there is such a shard.
    pub(crate) fn shard_of(&self, head: &Head<'_>, target: Target) -> Option<u16> {
        let (Target::Engine(_), Entrance::Public) = (target, self.entrance) else { return None };
        let sid = engineio::read_parameters(head.query).ok()?.sid?;
        let (id, _) = self.shard.server.sessions.ids.read(sid)?;
        let known = usize::from(id.shard) < self.shard.server.sessions.shards.len();
        (known && id.shard != self.shard.index).then_some(id.shard)
    }

    pub(crate) fn decide(&self, head: &Head<'_>, target: Target, now: Now) -> Decision {
        match self.decided(head, target, now) {
            Ok(decision) => decision,
            Err(denial) => Decision::Refuse(denial),
        }
    }

    fn decided(&self, head: &Head<'_>, target: Target, now: Now) -> Result<Decision, Denial> {
        if self.entrance == Entrance::Redirect {
            return self.decide_plain_text(head, target, now);
        }
        if let Target::Engine(form) = target {
            return self.decide_engine(head, form, now);
        }
        if target == Target::Plain && self.shard.drain.started.get() {
            return Err(Denial::Draining);
        }
        let admitted =
            self.shard.server.gate.admit(&self.handshake(head, target.endpoint(false)), now)?;
        match target {
            Target::Engine(_) => Err(Denial::NotFound),
            Target::Plain => self.decide_upgrade(head, Form::Plain, BinaryForm::Native, admitted),
            Target::Route(index) => self.decide_route(head, index, admitted),
            Target::Page(_) | Target::Preflight if head.content_length > 0 => {
                Err(Denial::RequestMalformed)
            }
            Target::Page(index) => {
                let handshake = self.handshake(head, target.endpoint(false));
                let admission = self.shard.server.gate.admission().token_of_link(&handshake, now);
                Ok(Decision::Page { index, cookie: admission.map(admission_cookie) })
            }
            Target::Preflight => Ok(Decision::Preflight(Box::new(admitted))),
            Target::WrongMethod => Err(Denial::MethodNotAllowed),
            Target::Nothing => Err(Denial::NotFound),
        }
    }

    /// A request in plain text: pages are redirected.
    fn decide_plain_text(
        &self,
        head: &Head<'_>,
        target: Target,
        now: Now,
    ) -> Result<Decision, Denial> {
        let name = self
            .shard
            .server
            .gate
            .admission()
            .redirect(&self.handshake(head, Endpoint::Page), now)?;
        let Target::Page(_) = target else { return Err(Denial::PlainText) };
        if wants_upgrade(head) || head.content_length > 0 {
            return Err(Denial::PlainText);
        }
        let mark = if head.query.is_empty() { "" } else { "?" };
        Ok(Decision::Redirect(format!("https://{name}{}{mark}{}", head.path, head.query)))
    }

    pub(crate) fn handshake<'a>(&self, head: &'a Head<'a>, door: Endpoint) -> Handshake<'a> {
        Handshake {
            client: self.client,
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
        binary: BinaryForm,
        admitted: AdmittedRequest,
    ) -> Result<Decision, Denial> {
        if !wants_upgrade(head) {
            return Err(Denial::UpgradeMalformed);
        }
        Ok(Decision::Upgrade(Box::new(Upgrade::open(head, form, binary, admitted, &self.shard)?)))
    }

    /// A request at an Engine.IO path: a handshake, or one for a session there is.
    fn decide_engine(&self, head: &Head<'_>, form: Form, now: Now) -> Result<Decision, Denial> {
        let gate = &self.shard.server.gate;
        if head.method == "OPTIONS" && gate.options().polling {
            let admitted = gate.admit(&self.handshake(head, Endpoint::Api), now)?;
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
        let handshake = self.handshake(head, Target::Engine(form).endpoint(polling));
        if let Ok(Parameters { sid: Some(sid), binary, .. }) = parameters {
            let whose = self.signed_in(sid);
            if let Some(caller) = &whose {
                caller.principal.record_activity(now);
            }
            let whose = whose.as_ref().map(|caller| &caller.principal.user().id);
            let admitted = gate.admit_again(&handshake, whose, now)?;
            if polling {
                return self.decide_turn(head, sid, &handshake, admitted, now);
            }
            return self.decide_take_over(head, sid, binary, &handshake, admitted, now);
        }
        if self.shard.drain.started.get() {
            return Err(Denial::Draining);
        }
        let admitted = match gate.admit(&handshake, now) {
            // A client that polls learns first that polling is off.
            Err(Denial::OriginMissing) if polling && !gate.options().polling => {
                return Err(Denial::PollingOff);
            }
            // A client of an older protocol learns that first.
            Err(Denial::OriginMissing) if parameters == Err(Denial::EngineVersion) => {
                return Err(Denial::EngineVersion);
            }
            outcome => outcome?,
        };
        let Parameters { binary, .. } = parameters?;
        if head.method != "GET" {
            return Err(Denial::HandshakeMethod);
        }
        if !polling {
            return self.decide_upgrade(head, form, binary, admitted);
        }
        let binding = Box::new(gate.admission().bind(&handshake, &admitted, self.tls_session()));
        Ok(Decision::Open { form, admitted: Box::new(admitted), binding, binary })
    }

    /// The user of the session with a secret id, if the request comes from the session's address.
    fn signed_in(&self, sid: &str) -> Option<Rc<Caller>> {
        let (id, shown) = self.shard.server.sessions.ids.read(sid)?;
        let connection = self.shard.session(id, &shown)?;
        if connection.client.address == self.client { connection.caller() } else { None }
    }

    /// The client's TLS session; a proxy's own is shared by all its clients.
    fn tls_session(&self) -> Option<TlsSession> {
        let is_proxys = self.shard.server.gate.admission().is_proxy(self.peer.ip());
        self.stream.tls_session().filter(|_| !is_proxys)
    }

    /// The session that a request is for, and whether it is still polled: the request comes from
    /// where it was opened, and from its own user.
    fn session_of(
        &self,
        sid: &str,
        further: FollowUp,
        handshake: &Handshake<'_>,
        admitted: &AdmittedRequest,
        now: Now,
    ) -> Result<(Rc<Connection>, bool), Denial> {
        let shard = &self.shard;
        let unknown = || shard.server.sessions.ids.unknown(sid);
        let (id, shown) = shard.server.sessions.ids.read(sid).ok_or_else(unknown)?;
        let connection = shard.session(id, &shown).ok_or_else(unknown)?;
        let binding = shard.server.gate.admission().bind(handshake, admitted, self.tls_session());
        let rule = shard.server.gate.options().polling_binding;
        let check = |state: &mut Polling| state.binding.check(&binding, further, rule);
        let bound = connection.with_polling(check);
        let is_polled = bound.transpose()?.is_some();
        if let Some(user) = shard.server.gate.authentication().precheck_on(
            &connection.client.packets,
            admitted,
            now,
        )? {
            let caller = connection.caller();
            if caller.is_some_and(|caller| caller.principal.user().id != user) {
                return Err(Denial::SessionUnknown("principal"));
            }
        }
        Ok((connection, is_polled))
    }

    /// A WebSocket that is to take over a long-polling session.
    fn decide_take_over(
        &self,
        head: &Head<'_>,
        sid: &str,
        binary: BinaryForm,
        handshake: &Handshake<'_>,
        admitted: AdmittedRequest,
        now: Now,
    ) -> Result<Decision, Denial> {
        let (connection, is_polled) =
            self.session_of(sid, FollowUp::Upgrade, handshake, &admitted, now)?;
        if head.method != "GET" {
            return Err(Denial::HandshakeMethod);
        }
        if !wants_upgrade(head) {
            return Err(Denial::UpgradeMalformed);
        }
        // A session that was upgraded once answers a second WebSocket by closing it.
        if !is_polled && !connection.format.is_upgraded.get() {
            return Err(Denial::SessionUnknown("websocket"));
        }
        let options = &self.shard.server.options;
        Ok(Decision::Upgrade(Box::new(Upgrade::take_over(head, connection, binary, options)?)))
    }

    /// A poll or a post of a long-polling session.
    fn decide_turn(
        &self,
        head: &Head<'_>,
        sid: &str,
        handshake: &Handshake<'_>,
        admitted: AdmittedRequest,
        now: Now,
    ) -> Result<Decision, Denial> {
        let shard = &self.shard;
        let (connection, is_polled) =
            self.session_of(sid, FollowUp::Request, handshake, &admitted, now)?;
        if !is_polled {
            return Err(Denial::Polling("transport_mismatch"));
        }
        let origin = admitted.origin;
        match head.method {
            "GET" => Ok(Decision::Poll { connection, origin }),
            "POST" => {
                // An unauthenticated client may not post more than its budget before CONNECT.
                let is_unauthenticated =
                    connection.caller().is_none() && connection.form != Form::Engine;
                let most = shard.server.options.polling_max_bytes;
                let most = if is_unauthenticated { most.min(BEFORE_CONNECT_MAX) } else { most };
                let body = posted_length(head, most)?;
                Ok(Decision::Post { connection, origin, body })
            }
            _ => Err(Denial::HandshakeMethod),
        }
    }

    fn decide_route(
        &self,
        head: &Head<'_>,
        index: usize,
        admitted: AdmittedRequest,
    ) -> Result<Decision, Denial> {
        let body = usize::try_from(head.content_length).map_err(|_| Denial::TooLarge)?;
        if body > self.shard.server.options.body_max_bytes {
            return Err(Denial::TooLarge);
        }
        if head.method == "POST" && !is_json(head) {
            return Err(Denial::MediaType);
        }
        if head.method != "POST" && body > 0 {
            return Err(Denial::RequestMalformed);
        }
        let cookie = match head.header("cookie") {
            FieldValue::One(value) => Some(String::from_utf8_lossy(value).into_owned()),
            FieldValue::None => None,
            FieldValue::Many => return Err(Denial::RequestMalformed),
        };
        let own_page = matches!(head.header("sec-fetch-site"), FieldValue::One(b"same-origin"));
        let facts = ClientFacts { cookie, user_agent: user_agent(head), own_page };
        Ok(Decision::Route { index, admitted: Box::new(admitted), facts, body })
    }
}

fn parameter_denial(fault: ParameterFault) -> Denial {
    match fault {
        ParameterFault::Transport => Denial::TransportUnknown,
        ParameterFault::Version => Denial::EngineVersion,
        ParameterFault::Malformed(word) => Denial::Parameters(word),
        ParameterFault::Credential => Denial::TokenInUrl,
    }
}

/// Whether the body is declared as JSON, and as nothing else.
fn is_json(head: &Head<'_>) -> bool {
    if !matches!(head.header("content-encoding"), FieldValue::None) {
        return false;
    }
    let FieldValue::One(value) = head.header("content-type") else {
        return false;
    };
    is_utf8_of(value, b"application/json")
}
