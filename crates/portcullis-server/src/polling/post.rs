//! Packets posted to a long-polling session.
//! Never: two posts of a session at a time; a packet handled before the whole body was checked.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use portcullis_model::{ClosedBy, Denial, limits};
use portcullis_wire::engineio::check_polled;
use portcullis_wire::http1::{FieldValue, Head};
use tokio::time::timeout;

use crate::connection::end::EndReason;
use crate::connection::state::Connection;
use crate::http::connection::HttpConnection;
use crate::http::decision::media_type::is_utf8_of;
use crate::http::next::{Next, respond};
use crate::polling::response::{RunningRequest, packets_response, reject_and_end};
use crate::polling::transport::Polling;
use crate::shard::state::Shard;

/// The length of a body that may be posted to a session.
pub(crate) fn posted_length(head: &Head<'_>, max_bytes: usize) -> Result<usize, Denial> {
    if !matches!(head.header("content-encoding"), FieldValue::None) {
        return Err(Denial::MediaType);
    }
    match head.header("content-type") {
        FieldValue::None => {}
        FieldValue::One(value) => {
            if !is_utf8_of(value, b"text/plain") {
                return Err(Denial::MediaType);
            }
        }
        FieldValue::Many => return Err(Denial::RequestMalformed),
    }
    let length = usize::try_from(head.content_length).map_err(|_| Denial::TooLarge)?;
    if length > max_bytes { Err(Denial::TooLarge) } else { Ok(length) }
}

/// Takes a posted body, and responds when its packets were handled.
pub(crate) async fn post_to_session(
    http: &mut HttpConnection,
    connection: Rc<Connection>,
    length: usize,
    origin: Option<&str>,
    keep_alive: bool,
) -> Next {
    let body = http.io.take_body(length);
    if let Err(denial) = start_post(&http.shard, &connection, body) {
        return reject_and_end(http, &connection, &denial, origin).await;
    }
    let running = RunningRequest::new(&connection, Polling::end_post);
    connection.wake();
    let is_in_time = wait_until_handled(&http.shard, &connection).await;
    drop(running);
    if !is_in_time {
        // The body is complete: the server causes the delay.
        return reject_and_end(http, &connection, &Denial::Busy, origin).await;
    }
    match connection.end_reason() {
        Some(EndReason::Denied(denial) | EndReason::DeniedAndSent(denial))
            if is_malformed(&denial) =>
        {
            let denial = Denial::Polling("session_ended");
            http.responder().reject_engine(&denial, origin).await;
            Next::Close
        }
        // A client learns of other denials in its next poll.
        Some(
            EndReason::Denied(_)
            | EndReason::DeniedAndSent(_)
            | EndReason::PeerClosed
            | EndReason::ClientClosed
            | EndReason::Replaced,
        )
        | None => respond(http, packets_response(b"ok", origin, keep_alive)).await,
    }
}

/// Checks a posted body and passes it to the task of the session.
fn start_post(shard: &Shard, connection: &Connection, body: Vec<u8>) -> Result<(), Denial> {
    let message_max = shard.server.options.message_max_bytes as usize;
    let body = String::from_utf8(body).map_err(|_| Denial::Utf8)?;
    check_polled(&body, limits::POLLING_PACKETS_MAX, message_max)
        .map_err(|fault| Denial::Polling(fault.0))?;
    let now = shard.now();
    let started = connection.with_polling(|polling| polling.begin_post(body, now));
    started.unwrap_or(Err(Denial::Polling("transport_mismatch")))
}

/// Waits until a posted body was handled. Pauses of the session do not count. Returns false after
/// the timeout.
async fn wait_until_handled(shard: &Shard, connection: &Connection) -> bool {
    let limit_ms = shard.server.options.handshake_timeout_ms;
    let started_ms = shard.now().monotonic_ms;
    let resumes_ms = connection.timers.paused_until_ms.get().max(started_ms);
    let paused_before_ms = connection.timers.paused_ms.get();
    loop {
        let paused_ms = connection.timers.paused_ms.get().saturating_sub(paused_before_ms);
        let due_ms = resumes_ms.saturating_add(u64::from(paused_ms)).saturating_add(limit_ms);
        let Some(left_ms) = due_ms.checked_sub(shard.now().monotonic_ms) else {
            return false;
        };
        let handled = poll_fn(|context| match is_body_handled(connection, context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        if timeout(Duration::from_millis(left_ms.max(1)), handled).await.is_ok() {
            return true;
        }
    }
}

/// Whether a posted body was handled, or the connection ends.
fn is_body_handled(connection: &Connection, waker: &Waker) -> bool {
    let handled = connection.with_polling(|polling| polling.is_body_handled(waker));
    handled.unwrap_or(true) || connection.is_ending()
}

/// Whether a session ended because of its posted body.
fn is_malformed(denial: &Denial) -> bool {
    match denial.answer().closed_by {
        ClosedBy::Code(code) => matches!(code, 1002 | 1003 | 1007 | 1009),
        ClosedBy::Nothing => false,
    }
}
