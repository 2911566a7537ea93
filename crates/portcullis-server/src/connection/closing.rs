//! The end of a connection: told, freed, and waited out for a bounded time.
//! Never: a place or a message kept for a peer that does not end.

use std::task::{Context, Poll};

use portcullis_model::{ClosedBy, Denial};
use portcullis_wire::websocket::close_frame;

use crate::connection::state::{End, Transport};
use crate::connection::task::ConnectionTask;
use crate::delivery::outbox::Flushed;
use crate::polling::transport::Farewell;

/// Bytes thrown away while a closing peer still sends.
const LINGER_MAX_BYTES: usize = 256 * 1024;

impl ConnectionTask {
    /// Tells the peer why, frees everything the connection holds, and starts closing.
    pub(crate) fn begin_closing(&mut self) {
        let now = self.shard.now();
        let end = self.connection.ending().unwrap_or(End::Peer);
        let code = match &end {
            End::Peer | End::Goodbye | End::Replaced => 1000,
            End::Refused(Denial::Internal("handler_panic")) => 1011,
            End::Refused(denial) | End::Told(denial) => match denial.answer().closed_by {
                ClosedBy::Code(code) => code,
                ClosedBy::Nothing => 1008,
            },
        };
        if let End::Refused(denial) = &end {
            self.tell_refused(denial, now);
        }
        if self.connection.with_polling(|_| ()).is_none() {
            self.connection.queue_last(close_frame(code, ""), &self.shard.options);
        }
        self.job = None;
        self.awaiting = None;
        self.backlog = None;
        self.before = None;
        self.shard.record_end(&self.connection, &end, code, now);
        self.shard.forget(&self.connection, &end, now);
        self.say_farewell(&end);
        self.slot = None;
        let flushed = self.shard.flush(&self.connection, now);
        let until_ms = match (&end, flushed) {
            // What a peer does not read is not kept for it: its queue goes with the socket.
            (End::Refused(Denial::SlowConsumer), _) => now.monotonic_ms,
            (End::Peer | End::Replaced, _) | (_, Flushed::Failed) => now.monotonic_ms,
            (_, Flushed::Empty | Flushed::Blocked { .. }) => {
                now.monotonic_ms + self.shard.options.close_timeout_ms
            }
        };
        self.connection.closing_until_ms.set(until_ms.max(1));
    }

    /// After our close frame: waits a bounded time for the peer's end, reading into nothing.
    pub(crate) fn poll_closing(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = self.shard.now();
        if now.monotonic_ms >= self.connection.closing_until_ms.get() {
            return Poll::Ready(());
        }
        if self.shard.flush(&self.connection, now) == Flushed::Failed {
            return Poll::Ready(());
        }
        let mut transport = self.connection.transport.borrow_mut();
        let stream = match &mut *transport {
            Transport::Socket(stream) => stream,
            Transport::Polling(polling) if polling.farewell == Farewell::Taken => {
                return Poll::Ready(());
            }
            Transport::Polling(_) => return Poll::Pending,
        };
        if !self.connection.is_stalled() && stream.poll_shutdown(context).is_pending() {
            return Poll::Pending;
        }
        let mut scratch = self.shard.read_scratch.borrow_mut();
        while self.lingered_bytes < LINGER_MAX_BYTES {
            match stream.poll_read(context, &mut scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) if count > 0 => self.lingered_bytes += count,
                Poll::Ready(Ok(_) | Err(_)) => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }
}
