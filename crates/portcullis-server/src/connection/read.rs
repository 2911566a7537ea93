//! Reading of a connection: what came, whether it may, and when more is read.
//! Never: a packet lost because it came too early.

use std::rc::Rc;
use std::task::{Context, Poll};

use portcullis_guard::LoadState;
use portcullis_model::{Denial, Now};

use crate::connection::state::{End, Transport};
use crate::connection::task::ConnectionTask;
use crate::events::frame::Form;
use crate::shard::state::TICK_MS;
use crate::websocket::upgrade::narrow;

/// Bytes read in a turn while the server is pressed, so that nobody's turn is long.
const READ_PRESSED_MAX_BYTES: usize = 4 * 1024;

impl ConnectionTask {
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, now: Now) -> Poll<()> {
        let shard = Rc::clone(&self.shard);
        let mut scratch = shard.read_scratch.borrow_mut();
        let pressed = shard.gate.load() >= LoadState::Elevated;
        let most = if pressed { READ_PRESSED_MAX_BYTES.min(scratch.len()) } else { scratch.len() };
        let scratch = scratch.get_mut(..most).unwrap_or_default();
        let read = match &mut *self.connection.transport.borrow_mut() {
            Transport::Socket(stream) => stream.poll_read(context, scratch),
            Transport::Polling(_) => Poll::Pending,
        };
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(count)) if count > 0 => {
                let bytes = scratch.get_mut(..count).unwrap_or_default();
                self.receive(bytes, now);
                Poll::Ready(())
            }
            // Packets that the peer sent before its end still have their effect.
            Poll::Ready(Ok(_) | Err(_)) if self.job.is_some() => {
                self.peer_ended = true;
                Poll::Ready(())
            }
            Poll::Ready(Ok(_) | Err(_)) => {
                self.connection.end(End::Peer);
                Poll::Ready(())
            }
        }
    }

    /// Reads while an act runs, so that it is known when the next packets came: their time runs.
    pub(crate) fn read_ahead(&mut self, context: &mut Context<'_>, now: Now) {
        while !self.peer_ended
            && !self.connection.is_ending()
            && now.monotonic_ms >= self.connection.paused_until_ms.get()
            && self.backlog.as_ref().is_none_or(|backlog| backlog.has_room())
            && self.poll_read(context, now).is_ready()
        {}
    }

    /// Takes in bytes from the socket or from the upgrade request's tail.
    pub(crate) fn receive(&mut self, bytes: &mut [u8], now: Now) {
        if self.is_within_budget(bytes.len(), now) {
            self.feed(bytes, now);
        }
    }

    /// Counts bytes. Before CONNECT, over the budget, the connection ends; afterwards, over a rate,
    /// nothing more is read for a while.
    pub(crate) fn is_within_budget(&mut self, count: usize, now: Now) -> bool {
        let anyone = self.connection.form == Form::Engine;
        if let Some(caller) = self.connection.caller() {
            caller.principal.record_activity(now);
            if let Err(denial) =
                self.shard.gate.authorization().count_received_bytes(&caller, count, now)
            {
                self.pause(&denial, now);
            }
        } else if !anyone {
            let before = self.before.get_or_insert_default();
            before.bytes += count as u64;
            if before.bytes > portcullis_model::limits::PRE_AUTH_MAX_BYTES {
                self.connection.end(End::Refused(Denial::PreAuthBudget));
                return false;
            }
        }
        true
    }

    pub(crate) fn pause(&mut self, denial: &Denial, now: Now) {
        if self.pause_for(denial.retry_after_ms().unwrap_or(1), now) {
            let _recorded = self.refuse(denial, None, now);
        }
    }

    /// Reads nothing for so long; gives whether that is a pause.
    pub(crate) fn pause_for(&mut self, pause_ms: u64, now: Now) -> bool {
        // No pause is shorter than a tick: less than that is owed until it is more.
        if pause_ms < TICK_MS {
            return false;
        }
        let until_ms = now.monotonic_ms.saturating_add(pause_ms);
        let until_ms = self.shard.fires_at(until_ms).max(until_ms);
        let pause_ms = until_ms.saturating_sub(now.monotonic_ms);
        self.connection.paused_ms.update(|paused_ms| paused_ms.saturating_add(narrow(pause_ms)));
        self.connection.paused_until_ms.set(until_ms);
        self.progress_ms = self.progress_ms.max(until_ms);
        self.connection.session.borrow_mut().excuse_pong(until_ms, &self.shard.options.session());
        self.shard.arm(&self.connection, until_ms);
        true
    }

    pub(crate) fn feed_backlog(&mut self, now: Now) {
        let Some(mut backlog) = self.backlog.take() else { return };
        if let Some(mut chunk) = backlog.pop() {
            self.waits_since_ms = chunk.read_ms;
            let consumed = self.feed_some(chunk.rest(), now);
            backlog.put_back(chunk, consumed);
        }
        if !backlog.is_empty() {
            self.backlog = Some(backlog);
        }
    }

    /// Keeps bytes for later.
    pub(crate) fn keep_back(&mut self, bytes: &[u8], now: Now) {
        self.backlog.get_or_insert_default().push(bytes, now.monotonic_ms);
    }
}
