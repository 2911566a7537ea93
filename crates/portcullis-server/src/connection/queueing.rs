//! Frames queued for a connection, in the form that its client reads.
//! Never: a write; the shard writes the outbox.

use bytes::Bytes;
use portcullis_model::Now;
use portcullis_wire::engineio::BinaryForm;
use portcullis_wire::websocket::in_base64;
use portcullis_wire::websocket::{Opcode, frame};

use crate::connection::state::Connection;
use crate::events::frame::Frame;
use crate::setup::options::Options;

/// The shortest time between two pings that check whether a client still answers.
const PROBE_EVERY_MS: u64 = 250;

impl Connection {
    /// Queues a frame. A full outbox ends the connection as a slow consumer.
    pub(crate) fn queue(&self, frame: Bytes, options: &Options) {
        if self.is_ending() {
            return;
        }
        let frame = match self.format.binary.get() {
            BinaryForm::Native => frame,
            BinaryForm::Base64 => in_base64(frame),
        };
        let pushed = self.output.outbox.borrow_mut().push(
            frame,
            options.outbox_max_bytes,
            options.outbox_max_messages,
        );
        if pushed.is_err() {
            self.end_slow_consumer();
        }
    }

    /// Sets how binary messages are encoded, also those that are queued.
    pub(crate) fn set_binary_form(&self, binary: BinaryForm) {
        self.format.binary.set(binary);
        if binary == BinaryForm::Base64 {
            self.output.outbox.borrow_mut().reencode(in_base64);
        }
    }

    /// Queues an event and its attachments.
    pub(crate) fn queue_event(&self, event: &Frame, options: &Options) {
        if let Some(first) = event.bytes(self.form) {
            self.queue(first, options);
            for attachment in event.attachments() {
                self.queue(attachment.clone(), options);
            }
        }
    }

    /// Queues a missed event: recovered sockets may have more events queued than the limit.
    pub(crate) fn queue_missed(&self, event: &Frame, options: &Options) {
        self.output.outbox.borrow_mut().allow_extra(1 + event.attachments().len());
        self.queue_event(event, options);
    }

    /// Queues a ping that checks whether the client still answers, unless one was sent recently.
    /// Returns whether it did.
    pub(crate) fn queue_probe(&self, now: Now) -> bool {
        let Some(caller) = self.caller() else { return false };
        if self.timers.paused_until_ms.get() != 0 || self.timers.job_since_ms.get() != 0 {
            // The server does not read from the client at the moment, so it would miss the answer.
            caller.principal.record_activity(now);
            return false;
        }
        let probed_ms = self.timers.probed_ms.get();
        if probed_ms != 0 && now.monotonic_ms < probed_ms + PROBE_EVERY_MS {
            return false;
        }
        self.timers.probed_ms.set(now.monotonic_ms.max(1));
        let ping =
            if self.is_polling() { frame(Opcode::Text, b"2") } else { frame(Opcode::Ping, b"") };
        // A client with queued frames is not silent, or the write timeout ends it.
        let mut outbox = self.output.outbox.borrow_mut();
        if outbox.front_bytes().is_none() {
            let _full = outbox.push(ping, usize::MAX, usize::MAX);
        }
        true
    }

    /// Queues one of the last frames of an ending connection.
    pub(crate) fn queue_last(&self, frame: Bytes, options: &Options) {
        let mut outbox = self.output.outbox.borrow_mut();
        let bytes_max = options.outbox_max_bytes + 1024;
        let _full = outbox.push(frame, bytes_max, options.outbox_max_messages + 2);
    }
}
