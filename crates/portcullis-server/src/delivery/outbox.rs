//! Frames waiting to be written to one connection, bounded in bytes and number.
//! Never: grows past its limit; the connection ends instead.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};

use crate::listen::stream::Stream;

/// More than this is not copied together: the frame is written as it is.
const COALESCE_MAX_BYTES: usize = 16 * 1024;

/// Space for so many frames is kept between two bursts.
const KEPT_FRAMES: usize = 64;
/// With so many frames waiting a peer is behind.
const BEHIND_FRAMES: usize = 16;

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// How a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing waits any more.
    Empty,
    /// The socket takes nothing now; its waker is armed. `progress` tells whether it took some.
    Blocked { progress: bool },
    /// The socket is broken.
    Failed,
}

/// The queue. Worst case in memory: `bytes_max` plus 32 bytes a frame. The first frame stands
/// apart, so that a peer that keeps up costs no allocation; what a burst took goes at the next
/// ping.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    first: Option<Bytes>,
    rest: VecDeque<Bytes>,
    bytes: u32,
    /// Frames that may wait beyond the limit, until they are written.
    allowed: u32,
}

impl Outbox {
    /// Bytes that wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.bytes as usize
    }

    pub(crate) fn push(
        &mut self,
        frame: Bytes,
        bytes_max: usize,
        frames_max: usize,
    ) -> Result<(), Full> {
        let bytes = u32::try_from(frame.len()).map_err(|_| Full)?.saturating_add(self.bytes);
        let frames_max = frames_max.saturating_add(self.allowed as usize);
        if self.len() >= frames_max || bytes as usize > bytes_max {
            return Err(Full);
        }
        self.bytes = bytes;
        if self.first.is_none() {
            self.first = Some(frame);
        } else {
            self.rest.push_back(frame);
        }
        Ok(())
    }

    /// Lets so many more frames wait than the limit says.
    pub(crate) fn allow(&mut self, frames: usize) {
        self.allowed = self.allowed.saturating_add(u32::try_from(frames).unwrap_or(u32::MAX));
    }

    /// Takes the oldest frame.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let frame = self.first.take()?;
        self.forget_bytes(frame.len());
        self.advance_queue();
        Some(frame)
    }

    /// Replaces every frame that waits; they may get longer than the limit that they passed.
    pub(crate) fn encode_again(&mut self, encode: impl Fn(Bytes) -> Bytes) {
        self.first = self.first.take().map(&encode);
        for frame in &mut self.rest {
            *frame = encode(std::mem::take(frame));
        }
        let bytes: usize = self.first.iter().chain(&self.rest).map(Bytes::len).sum();
        self.bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// How many bytes the oldest frame has.
    pub(crate) fn front_bytes(&self) -> Option<usize> {
        self.first.as_ref().map(Bytes::len)
    }

    /// Whether few enough frames wait that the peer may be called up to date.
    pub(crate) fn is_short(&self) -> bool {
        self.len() < BEHIND_FRAMES
    }

    fn forget_bytes(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// Moves the next frame to the front; a long queue's memory goes when the last one has.
    fn advance_queue(&mut self) {
        self.first = self.rest.pop_front();
        self.allowed = self.allowed.saturating_sub(1);
        if self.rest.is_empty() && self.rest.capacity() > KEPT_FRAMES {
            self.rest = VecDeque::new();
        }
    }

    /// Gives back the queue's memory; for a connection that has been quiet.
    pub(crate) fn shrink(&mut self) {
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
    }

    /// Writes as much as the socket takes; small frames go together in one call.
    pub(crate) fn flush(
        &mut self,
        stream: &mut Stream,
        scratch: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> Flushed {
        let mut progress = false;
        while self.first.is_some() {
            match self.write_some(stream, scratch, context) {
                Poll::Ready(Ok(0) | Err(_)) => return Flushed::Failed,
                Poll::Ready(Ok(written)) => {
                    progress = true;
                    self.consume(written);
                }
                Poll::Pending => return Flushed::Blocked { progress },
            }
        }
        match stream.poll_flush(context) {
            Poll::Ready(Ok(())) => Flushed::Empty,
            Poll::Ready(Err(_)) => Flushed::Failed,
            Poll::Pending => Flushed::Blocked { progress },
        }
    }

    fn write_some(
        &self,
        stream: &mut Stream,
        scratch: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        let Some(first) = &self.first else {
            return Poll::Ready(Ok(0));
        };
        if self.rest.is_empty() || first.len() >= COALESCE_MAX_BYTES {
            return stream.poll_write(context, first);
        }
        scratch.clear();
        for frame in std::iter::once(first).chain(&self.rest) {
            if scratch.len() + frame.len() > COALESCE_MAX_BYTES {
                break;
            }
            scratch.extend_from_slice(frame);
        }
        stream.poll_write(context, scratch)
    }

    fn consume(&mut self, mut written: usize) {
        self.forget_bytes(written);
        while let Some(first) = &mut self.first {
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.advance_queue();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold() {
        let mut outbox = Outbox::default();
        let frame = Bytes::from_static(b"12345");
        assert_eq!(outbox.push(frame.clone(), 10, 3), Ok(()));
        assert_eq!(outbox.push(frame.clone(), 10, 3), Ok(()));
        assert_eq!(outbox.push(frame.clone(), 10, 3), Err(Full));
        assert_eq!(outbox.push(frame, 100, 2), Err(Full));
    }

    #[test]
    fn frames_that_are_encoded_again_keep_order_and_count() {
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c"] {
            outbox.push(Bytes::from_static(text.as_bytes()), 100, 10).unwrap();
        }
        outbox.encode_again(|frame| [&frame[..], b"!"].concat().into());
        assert_eq!(outbox.waiting_bytes(), 6);
        let all: Vec<u8> = std::iter::from_fn(|| outbox.pop()).flatten().collect();
        assert_eq!((all.as_slice(), outbox.waiting_bytes()), (b"a!b!c!".as_slice(), 0));
    }

    #[test]
    fn partial_writes_keep_the_rest() {
        let mut outbox = Outbox::default();
        for text in ["abc", "def", "ghi"] {
            outbox.push(Bytes::from_static(text.as_bytes()), 100, 10).unwrap();
        }
        outbox.consume(4);
        assert_eq!((outbox.front_bytes(), outbox.bytes), (Some(2), 5));
        let left: Vec<u8> = std::iter::from_fn(|| outbox.pop()).flatten().collect();
        assert_eq!(left, b"efghi");
        assert_eq!((outbox.front_bytes(), outbox.bytes), (None, 0));
        outbox.shrink();
        assert_eq!(outbox.rest.capacity(), 0);
    }
}
