//! Frames waiting to be written to one connection, bounded in bytes and number.
//! Never: more than its limit; the connection ends instead.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};

use crate::listen::stream::Stream;

/// Frames are copied together up to this size; a larger one is written by itself.
const COALESCE_MAX_BYTES: usize = 16 * 1024;

/// Capacity that is kept between two bursts.
const KEPT_FRAMES: usize = 64;
/// From this queue length on, a peer is a slow consumer.
const SLOW_FRAMES: usize = 16;

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutboxFull;

/// The result of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushOutcome {
    /// The queue is empty.
    Empty,
    /// The socket takes no more bytes now; its waker is registered.
    Blocked {
        /// Whether it took some bytes before.
        progress: bool,
    },
    /// The socket has failed.
    Failed,
}

/// The queue. Worst case in memory: `bytes_max`, and 32 bytes for each frame.
///
/// The first frame has its own field, so that a fast peer costs no allocation. The capacity that a
/// burst took is freed at the next ping.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    first: Option<Bytes>,
    rest: VecDeque<Bytes>,
    bytes: u32,
    /// Frames that may be queued beyond the limit, until they are written.
    extra_frames: u32,
}

impl Outbox {
    /// Bytes in the queue.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.bytes as usize
    }

    pub(crate) fn push(
        &mut self,
        frame: Bytes,
        bytes_max: usize,
        frames_max: usize,
    ) -> Result<(), OutboxFull> {
        let bytes = u32::try_from(frame.len()).map_err(|_| OutboxFull)?.saturating_add(self.bytes);
        let frames_max = frames_max.saturating_add(self.extra_frames as usize);
        if self.len() >= frames_max || bytes as usize > bytes_max {
            return Err(OutboxFull);
        }
        self.bytes = bytes;
        if self.first.is_none() {
            self.first = Some(frame);
        } else {
            self.rest.push_back(frame);
        }
        Ok(())
    }

    /// Permits this many frames beyond the limit.
    pub(crate) fn allow_extra(&mut self, frames: usize) {
        self.extra_frames =
            self.extra_frames.saturating_add(u32::try_from(frames).unwrap_or(u32::MAX));
    }

    /// Takes the oldest frame.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let frame = self.first.take()?;
        self.subtract_bytes(frame.len());
        self.advance_queue();
        Some(frame)
    }

    /// Replaces every queued frame; the new ones may exceed the limit.
    pub(crate) fn reencode(&mut self, encode: impl Fn(Bytes) -> Bytes) {
        self.first = self.first.take().map(&encode);
        for frame in &mut self.rest {
            *frame = encode(std::mem::take(frame));
        }
        let bytes: usize = self.first.iter().chain(&self.rest).map(Bytes::len).sum();
        self.bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// The size of the oldest frame.
    pub(crate) fn front_bytes(&self) -> Option<usize> {
        self.first.as_ref().map(Bytes::len)
    }

    /// Whether the queue is so short that the peer is not a slow consumer.
    pub(crate) fn is_short(&self) -> bool {
        self.len() < SLOW_FRAMES
    }

    fn subtract_bytes(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// Moves the next frame to the front; an empty queue frees the memory of a burst.
    fn advance_queue(&mut self) {
        self.first = self.rest.pop_front();
        self.extra_frames = self.extra_frames.saturating_sub(1);
        if self.rest.is_empty() && self.rest.capacity() > KEPT_FRAMES {
            self.rest = VecDeque::new();
        }
    }

    /// Frees the queue's memory, for an idle connection.
    pub(crate) fn shrink(&mut self) {
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
    }

    /// Writes as much as the socket takes; small frames are written in one call.
    pub(crate) fn flush(
        &mut self,
        stream: &mut Stream,
        scratch: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> FlushOutcome {
        let mut progress = false;
        while self.first.is_some() {
            match self.write_some(stream, scratch, context) {
                Poll::Ready(Ok(0) | Err(_)) => return FlushOutcome::Failed,
                Poll::Ready(Ok(written)) => {
                    progress = true;
                    self.consume(written);
                }
                Poll::Pending => return FlushOutcome::Blocked { progress },
            }
        }
        match stream.poll_flush(context) {
            Poll::Ready(Ok(())) => FlushOutcome::Empty,
            Poll::Ready(Err(_)) => FlushOutcome::Failed,
            Poll::Pending => FlushOutcome::Blocked { progress },
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
        self.subtract_bytes(written);
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
    fn full_outbox_rejects_frames_by_bytes_and_by_count() {
        let mut outbox = Outbox::default();
        let frame = Bytes::from_static(b"12345");
        assert_eq!(outbox.push(frame.clone(), 10, 3), Ok(()));
        assert_eq!(outbox.push(frame.clone(), 10, 3), Ok(()));
        assert_eq!(outbox.push(frame.clone(), 10, 3), Err(OutboxFull));
        assert_eq!(outbox.push(frame, 100, 2), Err(OutboxFull));
    }

    #[test]
    fn reencoded_frames_keep_their_order_and_are_counted() {
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c"] {
            outbox.push(Bytes::from_static(text.as_bytes()), 100, 10).unwrap();
        }
        outbox.reencode(|frame| [&frame[..], b"!"].concat().into());
        assert_eq!(outbox.queued_bytes(), 6);
        let all: Vec<u8> = std::iter::from_fn(|| outbox.pop()).flatten().collect();
        assert_eq!((all.as_slice(), outbox.queued_bytes()), (b"a!b!c!".as_slice(), 0));
    }

    #[test]
    fn partial_write_keeps_the_unwritten_bytes() {
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
