//! Reading from a WebSocket: how much, when, and against which budget.
//! Never: a packet lost because it arrived while a job runs.

use std::rc::Rc;
use std::task::{Context, Poll};

use portcullis_guard::LoadState;
use portcullis_model::Now;
use portcullis_wire::engineio::BinaryForm;
use portcullis_wire::websocket::Message;

use crate::connection::end::EndReason;
use crate::connection::state::Transport;
use crate::events::frame::Form;
use crate::task::connection_task::ConnectionTask;
use crate::task::inbound::InboundReader;
use crate::task::pause::pause_for_denial;
use crate::websocket::compression::Compression;
use crate::websocket::frames::{decode, frame_limits};

/// Bytes read in one turn of a loaded server, so that each turn is short.
const READ_LOADED_MAX_BYTES: usize = 4 * 1024;

impl ConnectionTask {
    /// Reads from the WebSocket once.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, now: Now) -> Poll<()> {
        let shard = Rc::clone(&self.link.shard);
        let mut scratch = shard.buffers.read.borrow_mut();
        let is_loaded = shard.server.gate.load() >= LoadState::Elevated;
        let max = if is_loaded { READ_LOADED_MAX_BYTES.min(scratch.len()) } else { scratch.len() };
        let scratch = scratch.get_mut(..max).unwrap_or_default();
        let read = match &mut *self.link.connection.transport.borrow_mut() {
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
            // Packets that the peer sent before its end are still handled.
            Poll::Ready(Ok(_) | Err(_)) if self.job.is_some() => {
                self.input.peer_ended = true;
                Poll::Ready(())
            }
            Poll::Ready(Ok(_) | Err(_)) => {
                self.link.connection.end(EndReason::PeerClosed);
                Poll::Ready(())
            }
        }
    }

    /// Reads while a job runs, so that the arrival times of further packets are known.
    pub(crate) fn read_ahead(&mut self, context: &mut Context<'_>, now: Now) {
        while !self.input.peer_ended
            && !self.link.connection.is_ending()
            && !self.link.connection.is_paused(now)
            && self.input.has_space()
            && self.poll_read(context, now).is_ready()
        {}
    }

    /// Takes bytes from the socket, or bytes behind the upgrade request.
    pub(crate) fn receive(&mut self, bytes: &mut [u8], now: Now) {
        if !self.count_bytes(bytes.len(), now) {
            return;
        }
        if self.job.is_some() || self.input.backlog.is_some() {
            return self.input.keep(bytes, now.monotonic_ms);
        }
        self.progress.start_input(now.monotonic_ms);
        let consumed = self.handle_bytes(bytes, now);
        if let Some(rest) = bytes.get(consumed..).filter(|rest| !rest.is_empty()) {
            self.input.keep(rest, now.monotonic_ms);
        }
    }

    /// Counts received bytes. Above the budget before CONNECT, the connection ends; above a user's
    /// rate, reading pauses. Returns false when the connection ends.
    pub(crate) fn count_bytes(&mut self, count: usize, now: Now) -> bool {
        let needs_no_user = self.link.connection.form == Form::Engine;
        if let Some(caller) = self.link.connection.caller() {
            caller.principal.record_activity(now);
            if let Err(denial) = self
                .link
                .shard
                .server
                .gate
                .authorization()
                .count_received_bytes(&caller, count, now)
            {
                pause_for_denial(&self.link, &mut self.progress, &denial, now);
            }
        } else if !needs_no_user && let Err(denial) = self.connect.credentials.count_bytes(count) {
            self.link.deny(denial);
            return false;
        }
        true
    }

    /// Handles bytes that were kept.
    pub(crate) fn read_backlog(&mut self, now: Now) {
        let Some(mut backlog) = self.input.backlog.take() else { return };
        if let Some(mut chunk) = backlog.pop() {
            self.progress.start_input(chunk.read_ms);
            let consumed = self.handle_bytes(chunk.rest(), now);
            backlog.put_back(chunk, consumed);
        }
        if !backlog.is_empty() {
            self.input.backlog = Some(backlog);
        }
    }

    /// Handles whole messages until one starts a job. Returns the number of handled bytes.
    fn handle_bytes(&mut self, bytes: &mut [u8], now: Now) -> usize {
        let assembly_timeout_ms = self.link.shard.server.options.assembly_timeout_ms;
        let limits = frame_limits(self.frame_max_bytes(), assembly_timeout_ms);
        let mut decoder = std::mem::take(&mut self.input.decoder);
        let shard = Rc::clone(&self.link.shard);
        let mut inflater = match self.link.connection.format.compression.get() {
            Compression::None => None,
            Compression::Inbound | Compression::Both => Some(shard.buffers.inflater.borrow_mut()),
        };
        let mut consumed = 0;
        while let Some(rest) = bytes.get_mut(consumed..).filter(|rest| !rest.is_empty()) {
            if self.link.connection.is_ending() {
                consumed = bytes.len();
                break;
            }
            // A slow consumer cannot cause further answers.
            let is_paused = self.link.connection.is_paused(now);
            if self.job.is_some() || is_paused || self.is_write_blocked(now) {
                break;
            }
            match decode(&mut decoder, rest, &limits, now.monotonic_ms, inflater.as_deref_mut()) {
                Ok(step) => {
                    consumed += step.consumed;
                    if let Some(message) = step.message {
                        self.handle_message(message, now);
                    }
                }
                Err(denial) => self.link.deny(denial),
            }
        }
        self.set_assembly_deadline(decoder.pending_since_ms());
        // The memory of a message that was assembled is freed.
        decoder.release();
        self.input.decoder = decoder;
        consumed
    }

    fn handle_message(&mut self, message: Message<'_>, now: Now) {
        match self.reader(now).message(message) {
            Ok(packet) => self.handle(packet, now),
            Err(denial) => self.link.deny(denial),
        }
    }

    /// The reader of this connection's packets.
    pub(crate) fn reader(&self, now: Now) -> InboundReader<'_> {
        let options = &self.link.shard.server.options;
        InboundReader {
            form: self.link.connection.form,
            session: &self.link.connection.session,
            session_options: options.session(),
            message_max_bytes: options.message_max_bytes as usize,
            now_ms: now.monotonic_ms,
            awaits_attachments: self.input.partial.is_some(),
        }
    }

    /// The largest message in frames: in base64, three bytes take four.
    fn frame_max_bytes(&self) -> u32 {
        let message_max_bytes = self.link.shard.server.options.message_max_bytes;
        match self.link.connection.format.binary.get() {
            BinaryForm::Native => message_max_bytes,
            BinaryForm::Base64 => (message_max_bytes / 3 + 1).saturating_mul(4).saturating_add(1),
        }
    }

    /// Writes when many frames are queued. Returns whether the peer takes none.
    fn is_write_blocked(&self, now: Now) -> bool {
        let connection = &self.link.connection;
        if connection.is_slow_consumer() && !connection.is_stalled() {
            self.link.shard.flush(connection, now);
        }
        connection.is_stalled()
    }

    /// Sets the deadline of an incomplete message.
    fn set_assembly_deadline(&self, pending_since_ms: Option<u64>) {
        let since_ms = pending_since_ms.map_or(0, |since_ms| since_ms.max(1));
        let connection = &self.link.connection;
        connection.timers.assembly_since_ms.set(since_ms);
        if since_ms != 0 {
            let at_ms = since_ms + self.link.shard.server.options.assembly_timeout_ms;
            self.link.shard.deadlines.set(connection, at_ms);
        }
    }
}
