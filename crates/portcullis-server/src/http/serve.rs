//! The requests of one HTTP connection, until it ends or becomes a WebSocket.
//! Never: a response without security headers; a rejection without a record.

use std::rc::Rc;

use portcullis_guard::{AdmittedRequest, Endpoint, Source};
use portcullis_model::{Denial, limits};
use portcullis_wire::http1::{Head, HeadFault, HeadLimits, parse_head};

use crate::http::api::ResponseKind;
use crate::http::connection::HttpConnection;
use crate::http::decision::decide::{decide, take_slot};
use crate::http::decision::decide_engine::other_shard;
use crate::http::decision::head_request::HeadRequest;
use crate::http::decision::outcome::Decision;
use crate::http::decision::target::Target;
use crate::http::headers::add_preflight;
use crate::http::http_stream::{ReadFault, oversized};
use crate::http::next::{Next, respond};
use crate::http::report_call::receive_reports;
use crate::http::responder::OutgoingResponse;
use crate::http::route_call::call_route;
use crate::http::shard_transfer::send_to_shard;
use crate::http::source::{skip_body, skippable_body, source_of_head};
use crate::listen::intake_slots::IntakeSlot;
use crate::polling::open::open_session;
use crate::polling::poll::poll_session;
use crate::polling::post::post_to_session;
use crate::websocket::upgrade::{self, Upgrade};

const HEAD_LIMITS: HeadLimits = HeadLimits {
    head_max_bytes: limits::HEAD_MAX_BYTES,
    headers_max: limits::HEADERS_MAX,
    target_max_bytes: limits::TARGET_MAX_BYTES,
};

/// Serves requests until the connection ends, becomes a WebSocket, or moves to another shard.
pub(crate) async fn serve_connection(http: HttpConnection, slot: IntakeSlot) {
    Box::pin(serve_requests(http)).await;
    drop(slot);
}

async fn serve_requests(mut http: HttpConnection) {
    while http.requests.take_one() {
        // Until its head is read, a request is not charged to the client of the last one.
        http.client.reset(&http.shard.server.gate);
        match http.io.read_head(&http.shard).await {
            Ok(()) => {}
            Err(ReadFault::Gone) => break,
            Err(ReadFault::Denied(denial)) => {
                http.client.source = source_of_head(&denial);
                http.responder().reject_bare(&denial).await;
                break;
            }
        }
        match serve_request(&mut http).await {
            Next::KeepAlive => {}
            Next::Close => break,
            Next::CloseAtOnce => return http.io.stream.end().await,
            Next::Upgrade(upgrade) => return upgrade::start(http, *upgrade).await,
            Next::Move(shard) => return send_to_shard(http, shard),
        }
    }
    http.finish().await;
}

/// Serves the request whose head is in the buffer.
async fn serve_request(http: &mut HttpConnection) -> Next {
    let now = http.shard.now();
    let buffer = std::mem::take(&mut http.io.buffer);
    let head = match parse_head(&buffer, &HEAD_LIMITS) {
        Ok(Some(head)) => head,
        Ok(None) => {
            http.responder().reject_bare(&Denial::HeadTooLarge).await;
            return Next::Close;
        }
        Err(fault) => return reject_head(http, fault, &buffer).await,
    };
    http.client.read(&http.shard.server.gate, &head);
    let admission = http.shard.server.gate.admission();
    let reach = admission.reach(&http.client.handshake(&head, Endpoint::Page));
    let target = Target::of(&head, &http.shard.server.registered, reach);
    http.client.source = match target {
        // The page has caused it, and not its visitor.
        Target::Report => Source::Unmarked,
        _ => admission.source(&http.client.handshake(&head, target.endpoint(false))),
    };
    let request = HeadRequest {
        shard: &http.shard,
        client: &http.client,
        stream: &http.io.stream,
        head: &head,
        target,
        now,
    };
    if let Some(shard) = other_shard(&request) {
        http.io.buffer = buffer;
        return Next::Move(shard);
    }
    http.shard.server.metrics.http_requests.inc();
    let mut decision = decide(&request);
    // A drain waits for requests that wait for a slot.
    let _running = decision.unslotted_request().map(|_| Rc::clone(&http.shard.drain.running));
    if let Some(admitted) = decision.unslotted_request()
        && let Err(denial) = take_slot(&http.shard, admitted).await
    {
        decision = Decision::Reject(denial);
    }
    if let Decision::Reject(denial) = decision {
        let whole = head.content_length == 0 && head.length == buffer.len();
        let skipped = reject_head_request(http, &denial, &head, target).await;
        let Some(body) = skipped else {
            return if whole { Next::CloseAtOnce } else { Next::Close };
        };
        let length = head.length;
        http.io.buffer = buffer;
        http.io.skip(length);
        return skip_body(http, body).await;
    }
    // The response to the last permitted request closes the connection.
    let keep_alive = head.keep_alive && http.requests.has_more();
    let length = head.length;
    http.io.buffer = buffer;
    http.io.skip(length);
    perform(http, decision, keep_alive).await
}

/// Rejects a head that cannot be parsed.
async fn reject_head(http: &mut HttpConnection, fault: HeadFault, buffer: &[u8]) -> Next {
    let denial = denial_of(fault, buffer);
    http.client.source = match fault {
        // A page can name an image with an invalid target.
        HeadFault::Malformed("target") => Source::Unmarked,
        _ => source_of_head(&denial),
    };
    http.responder().reject_bare(&denial).await;
    Next::Close
}

/// Rejects a request. Returns the length of its body if the connection is kept.
async fn reject_head_request(
    http: &mut HttpConnection,
    denial: &Denial,
    head: &Head<'_>,
    target: Target,
) -> Option<usize> {
    let skipped = skippable_body(http, head);
    let (keep_alive, now) = (skipped.is_some(), http.shard.now());
    http.responder().reject_request(denial, head, target, keep_alive, now).await;
    skipped
}

/// Performs a decision: reads the body if there is one, and responds.
async fn perform(http: &mut HttpConnection, decision: Decision, keep_alive: bool) -> Next {
    match decision {
        Decision::Reject(_) => Next::Close,
        Decision::Upgrade(upgrade) => accept_upgrade(http, upgrade).await,
        Decision::Open(request) => open_session(http, *request, keep_alive).await,
        Decision::Poll { connection, origin } => {
            poll_session(http, connection, origin.as_deref(), keep_alive).await
        }
        Decision::Post { connection, origin, body } => {
            match http.io.read_until(&http.shard, body).await {
                Ok(()) => {
                    post_to_session(http, connection, body, origin.as_deref(), keep_alive).await
                }
                Err(fault) => reject_body(http, fault).await,
            }
        }
        Decision::Page { index, cookie } => {
            write_page(http, index, cookie.as_deref(), keep_alive).await
        }
        Decision::Redirect(address) => redirect(http, &address).await,
        Decision::Challenge(content) => answer_challenge(http, &content).await,
        Decision::Preflight(admitted) => answer_preflight(http, &admitted, keep_alive).await,
        Decision::Report(call) => match http.io.read_until(&http.shard, call.body).await {
            Ok(()) => receive_reports(http, call, keep_alive).await,
            Err(fault) => reject_body(http, fault).await,
        },
        Decision::Route(call) => match http.io.read_until(&http.shard, call.body).await {
            Ok(()) => call_route(http, *call, keep_alive).await,
            Err(fault) => reject_body(http, fault).await,
        },
    }
}

async fn reject_body(http: &mut HttpConnection, fault: ReadFault) -> Next {
    if let ReadFault::Denied(denial) = fault {
        http.responder().reject_bare(&denial).await;
    }
    Next::Close
}

async fn write_page(
    http: &mut HttpConnection,
    index: usize,
    cookie: Option<&str>,
    keep_alive: bool,
) -> Next {
    let registered = http.shard.server.registered.clone();
    let Some(page) = registered.pages.get(index) else {
        return Next::Close;
    };
    let response = OutgoingResponse {
        status: 200,
        content_type: page.content_type,
        body: &page.body,
        kind: match registered.dashboard.is_page(page.path) {
            true => ResponseKind::Dashboard,
            false => ResponseKind::Page,
        },
        origin: None,
        extra: cookie.map(|cookie| ("Set-Cookie", cookie)).into_iter().collect(),
        keep_alive,
    };
    respond(http, response).await
}

async fn redirect(http: &mut HttpConnection, address: &str) -> Next {
    let response = OutgoingResponse {
        status: 308,
        content_type: "",
        body: b"",
        kind: ResponseKind::Api,
        origin: None,
        extra: vec![("Location", address)],
        keep_alive: false,
    };
    respond(http, response).await
}

/// Answers a challenge of a certificate authority (RFC 8555 section 8.3).
async fn answer_challenge(http: &mut HttpConnection, content: &str) -> Next {
    let response = OutgoingResponse {
        status: 200,
        content_type: "application/octet-stream",
        body: content.as_bytes(),
        kind: ResponseKind::Api,
        origin: None,
        extra: Vec::new(),
        keep_alive: false,
    };
    respond(http, response).await
}

async fn answer_preflight(
    http: &mut HttpConnection,
    admitted: &AdmittedRequest,
    keep_alive: bool,
) -> Next {
    let mut extra = Vec::new();
    if admitted.origin.is_some() {
        add_preflight(&mut extra);
    }
    let response = OutgoingResponse {
        status: 204,
        content_type: "",
        body: b"",
        kind: ResponseKind::Api,
        origin: admitted.origin.as_deref(),
        extra,
        keep_alive,
    };
    respond(http, response).await
}

async fn accept_upgrade(http: &mut HttpConnection, mut upgrade: Box<Upgrade>) -> Next {
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
    let response = OutgoingResponse {
        status: 101,
        content_type: "",
        body: upgrade.first(),
        kind: ResponseKind::Api,
        origin: None,
        extra,
        keep_alive: true,
    };
    if http.responder().write(response).await { Next::Upgrade(upgrade) } else { Next::Close }
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
