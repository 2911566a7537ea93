//! A poll of a long-polling session: it waits for packets.
//! Never: two polls of a session at a time.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use portcullis_model::limits;
use portcullis_wire::engineio::{push_polled, push_polled_binary};
use portcullis_wire::websocket::{Opcode, server_frame};

use crate::connection::end::EndReason;
use crate::connection::state::Connection;
use crate::http::connection::HttpConnection;
use crate::http::next::Next;
use crate::polling::response::{RunningRequest, packets_response, reject_and_end};
use crate::polling::transport::{CloseNotice, Polling, ProbeState};

/// The outcome of a poll.
enum PollOutcome {
    Packets(Vec<u8>),
    /// The client closed the TCP connection.
    Gone,
}

/// Responds to a poll as soon as there are packets.
pub(crate) async fn poll_session(
    http: &mut HttpConnection,
    connection: Rc<Connection>,
    origin: Option<&str>,
    keep_alive: bool,
) -> Next {
    let started = connection.with_polling(Polling::begin_poll);
    if let Some(Err(denial)) = started {
        return reject_and_end(http, &connection, &denial, origin).await;
    }
    let running = RunningRequest::new(&connection, Polling::end_poll);
    let outcome = wait_for_packets(http, &connection).await;
    drop(running);
    match outcome {
        PollOutcome::Packets(packets) => {
            let response = packets_response(&packets, origin, keep_alive);
            let written = http.responder().write(response).await;
            if !written {
                // Packets that left the queue are lost, so the session cannot continue.
                connection.end(EndReason::PeerClosed);
            }
            if written && keep_alive { Next::KeepAlive } else { Next::Close }
        }
        PollOutcome::Gone => {
            connection.end(EndReason::PeerClosed);
            Next::Close
        }
    }
}

async fn wait_for_packets(http: &mut HttpConnection, connection: &Rc<Connection>) -> PollOutcome {
    let shard = Rc::clone(&http.shard);
    let max_bytes = shard.server.options.polling_max_bytes;
    let (stream, buffer) = (&mut http.io.stream, &mut http.io.buffer);
    poll_fn(|context| {
        if let Some(packets) = take_packets(connection, context.waker(), max_bytes) {
            return Poll::Ready(PollOutcome::Packets(packets));
        }
        let mut scratch = shard.buffers.read.borrow_mut();
        let window = scratch.get_mut(..limits::HEAD_MAX_BYTES).unwrap_or_default();
        while let Poll::Ready(read) = stream.poll_read(context, window) {
            // A client may send its next request early; more bytes than a head end the poll.
            match read {
                Ok(count) if count > 0 && buffer.len() < limits::HEAD_MAX_BYTES => {
                    buffer.extend_from_slice(window.get(..count).unwrap_or_default());
                }
                Ok(_) | Err(_) => return Poll::Ready(PollOutcome::Gone),
            }
        }
        Poll::Pending
    })
    .await
}

/// Takes the packets for a poll. Without packets, returns `None` and keeps the waker.
fn take_packets(connection: &Connection, waker: &Waker, max_bytes: usize) -> Option<Vec<u8>> {
    let mut packets = Vec::new();
    let is_polling = connection.is_polling();
    while is_polling
        && let Some(next) = connection.front_bytes()
        && (packets.is_empty() || packets.len() + next * 4 / 3 + 8 <= max_bytes)
    {
        let Some(frame) = connection.pop() else { break };
        match server_frame(&frame) {
            Some((Opcode::Text, packet)) => push_polled(&mut packets, packet),
            Some((Opcode::Binary, message)) => push_polled_binary(&mut packets, message),
            // Long-polling has no control frames.
            Some((Opcode::Close | Opcode::Ping | Opcode::Pong, _)) | None => {}
        }
    }
    let is_released = connection.with_polling(|polling| {
        if let CloseNotice::Pending(packet) = polling.close_notice {
            if connection.front_bytes().is_none() {
                push_polled(&mut packets, &[packet]);
                polling.close_notice = CloseNotice::Sent;
            }
            return true;
        }
        if polling.probe == ProbeState::Answered {
            return true;
        }
        polling.set_poller(waker);
        polling.close_notice == CloseNotice::Sent
    });
    if connection.lifecycle.closing_until_ms.get() != 0 {
        connection.wake();
    }
    match (packets.is_empty(), is_released) {
        (false, _) => Some(packets),
        // The client is to switch to its WebSocket, or has switched: a poll gets no more packets.
        (true, Some(true) | None) => Some(b"6".to_vec()),
        (true, Some(false)) => None,
    }
}
