//! The decision on a request: pages, routes, preflights and the plain form.
//! Never: a byte of the body; a decision is made on the head alone.

use portcullis_guard::{Admission, AdmittedRequest, ClientClass, Endpoint};
use portcullis_model::Denial;
use portcullis_wire::engineio::BinaryForm;
use portcullis_wire::http1::{FieldValue, Head, wants_upgrade};

use crate::events::frame::Form;
use crate::http::api::ApiHeaders;
use crate::http::decision::client_headers::{admission_cookie, user_agent};
use crate::http::decision::decide_engine::{decide_engine, decide_upgrade};
use crate::http::decision::head_request::HeadRequest;
use crate::http::decision::media_type::is_utf8_of;
use crate::http::decision::outcome::Decision;
use crate::http::decision::target::Target;
use crate::http::report_call::ReportCall;
use crate::http::route_call::RouteCall;
use crate::listen::listener_kind::ListenerKind;
use crate::shard::state::Shard;

/// Takes a slot; waits for one when that may help. Then checks a credential of the request, before
/// there is a socket.
pub(crate) async fn take_slot(shard: &Shard, admitted: &mut AdmittedRequest) -> Result<(), Denial> {
    let server = &shard.server;
    let queue = match admitted.wanted_slot {
        Some(ClientClass::Admin) => &server.queues.admins,
        Some(ClientClass::Returning) => &server.queues.returning,
        Some(ClientClass::Unauthenticated) | None => &server.queues.unauthenticated,
    };
    let attempt = || {
        if server.queues.is_closed() {
            return Err(Denial::Draining);
        }
        server.gate.take_slot(admitted, shard.now())
    };
    queue.enter(Admission::may_succeed_later, attempt).await?;
    server.gate.authentication().precheck(admitted, shard.now()).map(drop)
}

/// Decides on a request.
pub(crate) fn decide(request: &HeadRequest<'_>) -> Decision {
    let decided = match (request.client.listener_kind, request.target) {
        (ListenerKind::Redirect, _) => decide_plain_text(request),
        (ListenerKind::Public, Target::Report) => ReportCall::admit(request).map(Decision::Report),
        (ListenerKind::Public, Target::Engine(form)) => decide_engine(request, form),
        (ListenerKind::Public, target) => decide_other(request, target),
    };
    decided.unwrap_or_else(Decision::Reject)
}

/// A request for the plain form, a route or a page.
fn decide_other(request: &HeadRequest<'_>, target: Target) -> Result<Decision, Denial> {
    let (gate, head) = (&request.shard.server.gate, request.head);
    if target == Target::Plain && request.shard.drain.started.get() {
        return Err(Denial::Draining);
    }
    let handshake = request.handshake(target.endpoint(false));
    let admitted = gate.admit(&handshake, request.now)?;
    match target {
        Target::Engine(_) | Target::Report => Err(Denial::NotFound),
        Target::Plain => decide_upgrade(request, Form::Plain, BinaryForm::Native, admitted),
        Target::Route(index) => decide_route(request, index, admitted),
        Target::Page(_) | Target::Dashboard | Target::Preflight if head.content_length > 0 => {
            Err(Denial::RequestMalformed)
        }
        Target::Page(index) => {
            let admission = gate.admission().token_of_link(&handshake, request.now);
            Ok(Decision::Page { index, cookie: admission.map(admission_cookie) })
        }
        Target::Dashboard => dashboard_address(request).map(Decision::Redirect),
        Target::Preflight => Ok(Decision::Preflight(Box::new(admitted))),
        Target::WrongMethod => Err(Denial::MethodNotAllowed),
        Target::Hidden(reach) => Err(reach.hidden_path()),
        Target::Nothing => Err(Denial::NotFound),
    }
}

/// The address of the dashboard, with the query of the request.
fn dashboard_address(request: &HeadRequest<'_>) -> Result<String, Denial> {
    let folder = request.shard.server.registered.dashboard.folder.ok_or(Denial::NotFound)?;
    let query = request.head.query;
    let mark = if query.is_empty() { "" } else { "?" };
    Ok(format!("{folder}{mark}{query}"))
}

/// A request in plain text: pages are redirected, and pending challenges are answered.
fn decide_plain_text(request: &HeadRequest<'_>) -> Result<Decision, Denial> {
    let head = request.head;
    let admission = request.shard.server.gate.admission();
    if let Some(content) = challenge_content(request) {
        admission.count_validation(request.handshake(Endpoint::Page).client, request.now)?;
        return Ok(Decision::Challenge(content));
    }
    let name = admission.redirect(&request.handshake(Endpoint::Page), request.now)?;
    let (Target::Page(_) | Target::Dashboard) = request.target else {
        return Err(Denial::PlainText);
    };
    if wants_upgrade(head) || head.content_length > 0 {
        return Err(Denial::PlainText);
    }
    let mark = if head.query.is_empty() { "" } else { "?" };
    Ok(Decision::Redirect(format!("https://{name}{}{mark}{}", head.path, head.query)))
}

/// The content that a certificate authority expects (RFC 8555 section 8.3).
fn challenge_content(request: &HeadRequest<'_>) -> Option<String> {
    let head = request.head;
    let is_read = matches!(head.method, "GET" | "HEAD") && head.content_length == 0;
    let is_plain = is_read && head.query.is_empty() && !wants_upgrade(head);
    is_plain.then(|| request.shard.server.options.challenges.http_content(head.path)).flatten()
}

fn decide_route(
    request: &HeadRequest<'_>,
    index: usize,
    admitted: AdmittedRequest,
) -> Result<Decision, Denial> {
    let head = request.head;
    let body = usize::try_from(head.content_length).map_err(|_| Denial::TooLarge)?;
    if body > request.shard.server.options.body_max_bytes {
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
    let is_own_page = matches!(head.header("sec-fetch-site"), FieldValue::One(b"same-origin"));
    let headers = ApiHeaders { cookie, user_agent: user_agent(head), is_own_page };
    Ok(Decision::Route(Box::new(RouteCall { index, admitted, headers, body })))
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
