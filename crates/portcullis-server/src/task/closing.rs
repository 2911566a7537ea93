//! The end of a connection: the client is informed, its resources are freed, the socket is closed.
//! Never: a slot or a message kept for a peer that does not close.

use std::task::{Context, Poll};

use portcullis_model::Denial;
use portcullis_wire::websocket::close_frame;

use crate::connect::answer::queue_end_reason;
use crate::connect::flow::ConnectFlow;
use crate::connection::end::EndReason;
use crate::connection::link::Link;
use crate::connection::record::record_end;
use crate::connection::state::Transport;
use crate::delivery::outbox::FlushOutcome;
use crate::polling::transport::CloseNotice;
use crate::rooms::membership::remove_connection;

/// Bytes that are read and dropped while a closing peer still sends.
const LINGER_MAX_BYTES: usize = 256 * 1024;

/// Informs the client of the reason, frees everything the connection holds, and starts to close.
pub(crate) fn begin_closing(
    link: &Link,
    connect: &mut ConnectFlow,
    last_event: Option<&'static str>,
) {
    let Link { shard, connection } = link;
    let now = shard.now();
    let reason = connection.end_reason().unwrap_or(EndReason::PeerClosed);
    let code = reason.close_code();
    if let EndReason::Denied(denial) = &reason {
        queue_end_reason(link, denial, last_event, now);
    }
    if !connection.is_polling() {
        connection.queue_last(close_frame(code, ""), &shard.server.options);
    }
    record_end(shard, connection, &reason, code, now);
    remove_connection(shard, connection, &reason, now);
    connection.with_polling(|polling| polling.set_close_notice(&reason));
    connect.slot = None;
    connect.credentials.clear();
    let flushed = shard.flush(connection, now);
    let until_ms = match (&reason, flushed) {
        // A slow consumer's queue is dropped with its socket.
        (EndReason::Denied(Denial::SlowConsumer), _) => now.monotonic_ms,
        (EndReason::PeerClosed | EndReason::Replaced, _) | (_, FlushOutcome::Failed) => {
            now.monotonic_ms
        }
        (_, FlushOutcome::Empty | FlushOutcome::Blocked { .. }) => {
            now.monotonic_ms + shard.server.options.close_timeout_ms
        }
    };
    connection.lifecycle.closing_until_ms.set(until_ms.max(1));
    shard.add_closing(connection);
}

/// After the close frame: waits a bounded time for the peer to close, and drops its messages.
pub(crate) fn poll_closing(
    link: &Link,
    lingered_bytes: &mut usize,
    context: &mut Context<'_>,
) -> Poll<()> {
    let Link { shard, connection } = link;
    let now = shard.now();
    if now.monotonic_ms >= connection.lifecycle.closing_until_ms.get() {
        return Poll::Ready(());
    }
    if shard.flush(connection, now) == FlushOutcome::Failed {
        return Poll::Ready(());
    }
    let mut transport = connection.transport.borrow_mut();
    let stream = match &mut *transport {
        Transport::Socket(stream) => stream,
        Transport::Polling(polling) if polling.close_notice == CloseNotice::Sent => {
            return Poll::Ready(());
        }
        Transport::Polling(_) => return Poll::Pending,
    };
    if !connection.is_stalled() && stream.poll_shutdown(context).is_pending() {
        return Poll::Pending;
    }
    let mut scratch = shard.buffers.read.borrow_mut();
    while *lingered_bytes < LINGER_MAX_BYTES {
        match stream.poll_read(context, &mut scratch) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(count)) if count > 0 => *lingered_bytes += count,
            Poll::Ready(Ok(_) | Err(_)) => return Poll::Ready(()),
        }
    }
    Poll::Ready(())
}
