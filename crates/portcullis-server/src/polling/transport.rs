//! The state of a long-polling session: the pending poll, the posted body, and the upgrade.
//! Never: two polls or two posts at the same time.

use std::task::Waker;

use portcullis_guard::SessionBinding;
use portcullis_model::{Denial, Now};
use portcullis_wire::engineio::{BinaryForm, split_polled};

use crate::connection::end::EndReason;
use crate::listen::stream::Stream;
use crate::websocket::compression::Compression;

/// The progress of a WebSocket that takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeState {
    /// No WebSocket is connected.
    None,
    /// It is connected and has sent no probe.
    Silent,
    /// Its probe is answered: polls are answered at once, so that the client can switch.
    Answered,
}

/// A WebSocket that takes over, with the bytes that its client sent after the switch.
pub(crate) struct Handover {
    pub(crate) stream: Stream,
    pub(crate) rest: Vec<u8>,
    pub(crate) compression: Compression,
    pub(crate) binary: BinaryForm,
}

/// The last packet of a session, which its last poll gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseNotice {
    /// The session continues.
    None,
    /// The packet was not sent yet: `1`, or `6` when the client closed the session.
    Pending(u8),
    /// The packet was sent.
    Sent,
}

/// A long-polling session. Memory: at most one posted body of 64 KiB, until it is handled.
pub(crate) struct Polling {
    pub(crate) binding: SessionBinding,
    pub(crate) probe: ProbeState,
    pub(crate) handover: Option<Handover>,
    pub(crate) close_notice: CloseNotice,
    /// Whether a poll is pending, and its waker.
    is_polled: bool,
    poller: Option<Waker>,
    body: String,
    body_at: usize,
    /// When the body was posted.
    posted_ms: u64,
    is_posting: bool,
    poster: Option<Waker>,
}

impl Polling {
    pub(crate) fn new(binding: SessionBinding) -> Self {
        Self {
            binding,
            probe: ProbeState::None,
            handover: None,
            close_notice: CloseNotice::None,
            is_polled: false,
            poller: None,
            body: String::new(),
            body_at: 0,
            posted_ms: 0,
            is_posting: false,
            poster: None,
        }
    }

    /// Starts a poll.
    ///
    /// # Errors
    /// [`Denial::Polling`] while another poll is pending.
    pub(crate) fn begin_poll(&mut self) -> Result<(), Denial> {
        if std::mem::replace(&mut self.is_polled, true) {
            return Err(Denial::Polling("poll_overlap"));
        }
        Ok(())
    }

    pub(crate) fn end_poll(&mut self) {
        self.is_polled = false;
        self.poller = None;
    }

    pub(crate) fn set_poller(&mut self, waker: &Waker) {
        self.poller = Some(waker.clone());
    }

    /// Wakes the pending poll.
    pub(crate) fn wake_poller(&mut self) {
        if let Some(waker) = self.poller.take() {
            waker.wake();
        }
    }

    /// Sets the packet of the last poll: the pending one, or the next one of the client.
    pub(crate) fn set_close_notice(&mut self, reason: &EndReason) {
        let packet = if *reason == EndReason::ClientClosed { b'6' } else { b'1' };
        self.close_notice = if self.is_polled || reason.waits_for_poll() {
            CloseNotice::Pending(packet)
        } else {
            CloseNotice::Sent
        };
        self.wake_poller();
        self.wake_poster();
    }

    /// Takes a posted body; its packets are handled one after the other.
    ///
    /// # Errors
    /// [`Denial::Polling`] while another body is being handled.
    pub(crate) fn begin_post(&mut self, body: String, now: Now) -> Result<(), Denial> {
        if std::mem::replace(&mut self.is_posting, true) {
            return Err(Denial::Polling("post_overlap"));
        }
        self.body = body;
        self.body_at = 0;
        self.posted_ms = now.monotonic_ms;
        Ok(())
    }

    pub(crate) fn end_post(&mut self) {
        self.is_posting = false;
        self.poster = None;
        self.body = String::new();
    }

    /// Whether all packets of the body were handled; otherwise the waker is kept.
    pub(crate) fn is_body_handled(&mut self, waker: &Waker) -> bool {
        if self.body.is_empty() {
            return true;
        }
        self.poster = Some(waker.clone());
        false
    }

    pub(crate) fn wake_poster(&mut self) {
        if let Some(waker) = self.poster.take() {
            waker.wake();
        }
    }

    pub(crate) fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// Takes the body while one of its packets is handled.
    pub(crate) fn take_body(&mut self) -> PostedBody {
        let text = std::mem::take(&mut self.body);
        PostedBody { text, at: self.body_at, posted_ms: self.posted_ms }
    }

    /// Puts back the rest of the body; without a rest, wakes the request that posted it.
    pub(crate) fn put_back(&mut self, body: PostedBody, rest: Remainder) {
        match rest {
            Remainder::From(at) => {
                self.body = body.text;
                self.body_at = at;
            }
            Remainder::Nothing => self.wake_poster(),
        }
    }
}

/// A posted body and the position up to which it was read.
pub(crate) struct PostedBody {
    text: String,
    at: usize,
    pub(crate) posted_ms: u64,
}

/// The rest of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remainder {
    /// It starts at this byte.
    From(usize),
    Nothing,
}

impl PostedBody {
    /// The next packet, and the rest behind it.
    pub(crate) fn next(&self) -> (&str, Remainder) {
        let unread = self.text.get(self.at..).unwrap_or_default();
        let (packet, after) = split_polled(unread);
        let left = after
            .map_or(Remainder::Nothing, |after| Remainder::From(self.text.len() - after.len()));
        (packet, left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_read_packet_by_packet() {
        let mut body = PostedBody { text: String::from("4a\u{1e}4bc\u{1e}1"), at: 0, posted_ms: 0 };
        let mut seen = Vec::new();
        loop {
            let (packet, left) = body.next();
            seen.push(packet.to_owned());
            match left {
                Remainder::From(at) => body.at = at,
                Remainder::Nothing => break,
            }
        }
        assert_eq!(seen, ["4a", "4bc", "1"]);
    }
}
