//! What is queued for a connection, in the form its client takes.
//! Never: a write; the shard flushes.

use bytes::Bytes;
use portcullis_model::Denial;
use portcullis_wire::engineio::BinaryForm;
use portcullis_wire::websocket::in_base64;

use crate::connection::state::{Connection, End};
use crate::events::frame::Frame;
use crate::setup::options::Options;

impl Connection {
    /// Queues a frame. Over a limit the connection ends as a slow consumer.
    pub(crate) fn queue(&self, frame: Bytes, options: &Options) {
        if self.is_ending() {
            return;
        }
        let frame = match self.binary.get() {
            BinaryForm::Native => frame,
            BinaryForm::Base64 => in_base64(frame),
        };
        let pushed = self.outbox.borrow_mut().push(
            frame,
            options.outbox_max_bytes,
            options.outbox_max_messages,
        );
        if pushed.is_err() {
            self.end(End::Refused(Denial::SlowConsumer));
        }
    }

    /// How binary messages travel from here on, those that wait among them.
    pub(crate) fn take_binary_form(&self, binary: BinaryForm) {
        self.binary.set(binary);
        if binary == BinaryForm::Base64 {
            self.outbox.borrow_mut().encode_again(in_base64);
        }
    }

    /// Queues an event and what follows it.
    pub(crate) fn queue_event(&self, event: &Frame, options: &Options) {
        if let Some(first) = event.bytes(self.form) {
            self.queue(first, options);
            for attachment in event.attachments() {
                self.queue(attachment.clone(), options);
            }
        }
    }

    /// Queues an event that was missed: those who come back may have more of them waiting than
    /// others of what is live.
    pub(crate) fn queue_missed(&self, event: &Frame, options: &Options) {
        self.outbox.borrow_mut().allow(1 + event.attachments().len());
        self.queue_event(event, options);
    }

    /// Queues a ping if nothing else waits: a client that is behind is there, or its stall ends it.
    pub(crate) fn queue_probe(&self, ping: Bytes) {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.front_bytes().is_none() {
            let _full = outbox.push(ping, usize::MAX, usize::MAX);
        }
    }

    /// Queues the last frames of an ending connection.
    pub(crate) fn queue_last(&self, frame: Bytes, options: &Options) {
        let mut outbox = self.outbox.borrow_mut();
        let bytes_max = options.outbox_max_bytes + 1024;
        let _full = outbox.push(frame, bytes_max, options.outbox_max_messages + 2);
    }
}
