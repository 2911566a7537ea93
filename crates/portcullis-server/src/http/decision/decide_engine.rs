//! The decision on a request at an Engine.IO path: handshakes, polls, posts, upgrades.
//! Never: a session for a client other than the one that opened it.

use std::rc::Rc;

use portcullis_guard::{AdmittedRequest, Caller, Endpoint, FollowUp, Handshake};
use portcullis_model::Denial;
use portcullis_wire::engineio::{self, BinaryForm, EngineTransport, ParameterFault, Parameters};
use portcullis_wire::http1::wants_upgrade;

use crate::connection::state::Connection;
use crate::events::frame::Form;
use crate::http::decision::head_request::HeadRequest;
use crate::http::decision::outcome::Decision;
use crate::http::decision::target::Target;
use crate::listen::listener_kind::ListenerKind;
use crate::polling::open::OpenRequest;
use crate::polling::post::posted_length;
use crate::polling::transport::Polling;
use crate::websocket::upgrade::Upgrade;

/// The largest body of a session without a signed-in user.
const BEFORE_CONNECT_MAX: usize = 16 * 1024;

/// The other shard that the session of a request lives on, if there is one.
pub(crate) fn other_shard(request: &HeadRequest<'_>) -> Option<u16> {
    let (Target::Engine(_), ListenerKind::Public) = (request.target, request.client.listener_kind)
    else {
        return None;
    };
    let sid = engineio::read_parameters(request.head.query).ok()?.sid?;
    let shard = request.shard.server.sessions.shard_of(sid)?;
    (shard != request.shard.index).then_some(shard)
}

/// A WebSocket with its own connection.
pub(crate) fn decide_upgrade(
    request: &HeadRequest<'_>,
    form: Form,
    binary: BinaryForm,
    admitted: AdmittedRequest,
) -> Result<Decision, Denial> {
    if !wants_upgrade(request.head) {
        return Err(Denial::UpgradeMalformed);
    }
    let upgrade = Upgrade::open(request.head, form, binary, admitted, request.shard)?;
    Ok(Decision::Upgrade(Box::new(upgrade)))
}

/// A request at an Engine.IO path: a handshake, or a request of an existing session.
pub(crate) fn decide_engine(request: &HeadRequest<'_>, form: Form) -> Result<Decision, Denial> {
    let (gate, head, now) = (&request.shard.server.gate, request.head, request.now);
    if head.method == "OPTIONS" && gate.options().polling {
        let admitted = gate.admit(&request.handshake(Endpoint::Api), now)?;
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
    let handshake = request.handshake(request.target.endpoint(polling));
    if let Ok(Parameters { sid: Some(sid), binary, .. }) = parameters {
        let caller = session_caller(request, sid);
        if let Some(caller) = &caller {
            caller.principal.record_activity(now);
        }
        let user = caller.as_ref().map(|caller| &caller.principal.user().id);
        let admitted = gate.admit_again(&handshake, user, now)?;
        if polling {
            return decide_poll_or_post(request, sid, &handshake, admitted);
        }
        return decide_take_over(request, sid, binary, &handshake, &admitted);
    }
    if request.shard.drain.started.get() {
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
        return decide_upgrade(request, form, binary, admitted);
    }
    let binding = gate.admission().bind(&handshake, &admitted, request.tls_session());
    Ok(Decision::Open(Box::new(OpenRequest { form, admitted, binding, binary })))
}

/// The user of the session with a secret id, if the request comes from the address of the session.
fn session_caller(request: &HeadRequest<'_>, sid: &str) -> Option<Rc<Caller>> {
    let (id, secret) = request.shard.server.sessions.ids.read(sid)?;
    let connection = request.shard.session(id, &secret)?;
    if connection.client.address == request.client.address { connection.caller() } else { None }
}

/// The session of a request, and whether long-polling still carries it.
///
/// The request has to come from the client that opened the session, and from its user.
fn bound_session(
    request: &HeadRequest<'_>,
    sid: &str,
    purpose: FollowUp,
    handshake: &Handshake<'_>,
    admitted: &AdmittedRequest,
) -> Result<(Rc<Connection>, bool), Denial> {
    let server = &request.shard.server;
    let unknown = || server.sessions.ids.unknown(sid);
    let (id, secret) = server.sessions.ids.read(sid).ok_or_else(unknown)?;
    let connection = request.shard.session(id, &secret).ok_or_else(unknown)?;
    if !admitted.reach.covers(connection.client.reach) {
        return Err(Denial::SessionUnknown("reach"));
    }
    let binding = server.gate.admission().bind(handshake, admitted, request.tls_session());
    let rule = server.gate.options().polling_binding;
    let check = |state: &mut Polling| state.binding.check(&binding, purpose, rule);
    let bound = connection.with_polling(check);
    let is_polled = bound.transpose()?.is_some();
    let packets = &connection.client.packets;
    let authentication = server.gate.authentication();
    if let Some(user) = authentication.precheck_on(packets, admitted, request.now)? {
        let caller = connection.caller();
        if caller.is_some_and(|caller| caller.principal.user().id != user) {
            return Err(Denial::SessionUnknown("principal"));
        }
    }
    Ok((connection, is_polled))
}

/// A WebSocket that is to take over a long-polling session.
fn decide_take_over(
    request: &HeadRequest<'_>,
    sid: &str,
    binary: BinaryForm,
    handshake: &Handshake<'_>,
    admitted: &AdmittedRequest,
) -> Result<Decision, Denial> {
    let (connection, is_polled) =
        bound_session(request, sid, FollowUp::Upgrade, handshake, admitted)?;
    if request.head.method != "GET" {
        return Err(Denial::HandshakeMethod);
    }
    if !wants_upgrade(request.head) {
        return Err(Denial::UpgradeMalformed);
    }
    // A session that was upgraded once answers a second WebSocket by closing it.
    if !is_polled && !connection.format.is_upgraded.get() {
        return Err(Denial::SessionUnknown("websocket"));
    }
    let options = &request.shard.server.options;
    let upgrade = Upgrade::take_over(request.head, connection, binary, options)?;
    Ok(Decision::Upgrade(Box::new(upgrade)))
}

/// A poll or a post of a long-polling session.
fn decide_poll_or_post(
    request: &HeadRequest<'_>,
    sid: &str,
    handshake: &Handshake<'_>,
    admitted: AdmittedRequest,
) -> Result<Decision, Denial> {
    let (connection, is_polled) =
        bound_session(request, sid, FollowUp::Request, handshake, &admitted)?;
    if !is_polled {
        return Err(Denial::Polling("transport_mismatch"));
    }
    let origin = admitted.origin;
    match request.head.method {
        "GET" => Ok(Decision::Poll { connection, origin }),
        "POST" => {
            // An unauthenticated client may not post more than its budget before CONNECT.
            let is_unauthenticated =
                connection.caller().is_none() && connection.form != Form::Engine;
            let most = request.shard.server.options.polling_max_bytes;
            let most = if is_unauthenticated { most.min(BEFORE_CONNECT_MAX) } else { most };
            let body = posted_length(request.head, most)?;
            Ok(Decision::Post { connection, origin, body })
        }
        _ => Err(Denial::HandshakeMethod),
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
