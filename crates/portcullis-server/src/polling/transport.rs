//! The state of a session that speaks long-polling: who waits, what was posted, what takes over.
//! Never: two polls or two posts at a time.

use std::task::Waker;

use portcullis_guard::SessionBinding;
use portcullis_model::{Denial, Now};
use portcullis_wire::engineio::{BinaryForm, split_polled};

use crate::connection::state::Compression;
use crate::listen::stream::Stream;

/// How far the WebSocket is that takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// There is none.
    None,
    /// It is there, and has not said anything.
    Silent,
    /// Its probe was answered: polls are let go, so that the client can switch.
    Answered,
}

/// A WebSocket that has taken over, with what its client sent behind the switch.
pub(crate) struct Handover {
    pub(crate) stream: Stream,
    pub(crate) rest: Vec<u8>,
    pub(crate) compression: Compression,
    pub(crate) binary: BinaryForm,
}

/// What the last poll of a session is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// The session goes on.
    None,
    /// The last packet: `1`, or `6` when the client closed by itself.
    Waiting(u8),
    /// The client has it.
    Taken,
}

/// A long-polling session. Memory: one posted body at most, 64 KiB, while it is worked off.
pub(crate) struct Polling {
    pub(crate) binding: SessionBinding,
    pub(crate) probe: Probe,
    pub(crate) handover: Option<Handover>,
    pub(crate) farewell: Farewell,
    /// Whether a poll is being answered, and who has to be woken for it.
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
            probe: Probe::None,
            handover: None,
            farewell: Farewell::None,
            is_polled: false,
            poller: None,
            body: String::new(),
            body_at: 0,
            posted_ms: 0,
            is_posting: false,
            poster: None,
        }
    }

    /// A poll begins.
    pub(crate) fn begin_poll(&mut self) -> Result<(), Denial> {
        if std::mem::replace(&mut self.is_polled, true) {
            return Err(Denial::Polling("poll_overlap"));
        }
        Ok(())
    }

    /// Whether a poll waits.
    pub(crate) fn is_polled(&self) -> bool {
        self.is_polled
    }

    pub(crate) fn end_poll(&mut self) {
        self.is_polled = false;
        self.poller = None;
    }

    pub(crate) fn remember_poller(&mut self, waker: &Waker) {
        self.poller = Some(waker.clone());
    }

    /// Wakes the poll that waits.
    pub(crate) fn wake_poller(&mut self) {
        if let Some(waker) = self.poller.take() {
            waker.wake();
        }
    }

    /// A body arrives; its packets are worked off one after the other.
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

    /// Whether every packet of the body was taken; otherwise the waker is kept.
    pub(crate) fn is_worked_off(&mut self, waker: &Waker) -> bool {
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

    /// Takes the body out while one of its packets is handled.
    pub(crate) fn take_body(&mut self) -> Body {
        let text = std::mem::take(&mut self.body);
        Body { text, at: self.body_at, posted_ms: self.posted_ms }
    }

    /// Puts back what is left of the body; wakes whoever posted it once nothing is.
    pub(crate) fn put_back(&mut self, body: Body, left: Left) {
        match left {
            Left::From(at) => {
                self.body = body.text;
                self.body_at = at;
            }
            Left::Nothing => self.wake_poster(),
        }
    }
}

/// A posted body and how far it was read.
pub(crate) struct Body {
    text: String,
    at: usize,
    pub(crate) posted_ms: u64,
}

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// From this byte on.
    From(usize),
    Nothing,
}

impl Body {
    /// The next packet, and what is left behind it.
    pub(crate) fn next(&self) -> (&str, Left) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let (packet, after) = split_polled(rest);
        let left = after.map_or(Left::Nothing, |after| Left::From(self.text.len() - after.len()));
        (packet, left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_packet_by_packet() {
        let mut body = Body { text: String::from("4a\u{1e}4bc\u{1e}1"), at: 0, posted_ms: 0 };
        let mut seen = Vec::new();
        loop {
            let (packet, left) = body.next();
            seen.push(packet.to_owned());
            match left {
                Left::From(at) => body.at = at,
                Left::Nothing => break,
            }
        }
        assert_eq!(seen, ["4a", "4bc", "1"]);
    }
}
