//! Heads and bodies read from a socket, bounded and timed.
//! Never: more memory than bytes that arrived.

use std::future::poll_fn;

use portcullis_model::{Denial, limits};
use portcullis_wire::http1::head_end;

use crate::http::connection::HttpConnection;
use crate::listen::receive_rate::{ReceiveRate, ReceiveTimeout, in_time};

/// How reading went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadFault {
    /// The peer is gone, or never started: nothing to answer.
    Gone,
    /// Something to refuse.
    Refused(Denial),
}

impl HttpConnection {
    /// Reads until the buffer holds a whole head.
    pub(crate) async fn read_head(&mut self) -> Result<(), ReadFault> {
        let mut pace = self.shard.rate_from_first_byte();
        let mut searched = 0;
        loop {
            if head_end(&self.buffer, searched).is_some() {
                return Ok(());
            }
            if self.buffer.len() > limits::HEAD_MAX_BYTES {
                return Err(ReadFault::Refused(oversized(&self.buffer)));
            }
            searched = self.buffer.len();
            match self.read_in_time(&mut pace).await? {
                None => {}
                Some(_) if self.buffer.is_empty() => return Err(ReadFault::Gone),
                Some(ReceiveTimeout::Slow) => return Err(ReadFault::Refused(Denial::HeadSlow)),
                Some(ReceiveTimeout::Deadline) => {
                    return Err(ReadFault::Refused(Denial::HeadTimeout));
                }
            }
        }
    }

    /// Reads until the buffer holds `length` bytes.
    pub(crate) async fn read_until(&mut self, length: usize) -> Result<(), ReadFault> {
        let mut pace = ReceiveRate::from_now(&self.shard.server.options, self.shard.now());
        while self.buffer.len() < length {
            match self.read_in_time(&mut pace).await? {
                None => {}
                Some(ReceiveTimeout::Slow) => return Err(ReadFault::Refused(Denial::BodySlow)),
                Some(ReceiveTimeout::Deadline) => {
                    return Err(ReadFault::Refused(Denial::BodyTimeout));
                }
            }
        }
        Ok(())
    }

    /// Reads some more; or says why the peer is waited for no longer.
    async fn read_in_time(
        &mut self,
        pace: &mut ReceiveRate,
    ) -> Result<Option<ReceiveTimeout>, ReadFault> {
        let (wait, late) = pace.wait(self.buffer.len(), self.shard.now());
        match in_time(wait, self.read_more()).await {
            Some(outcome) => outcome.map(|()| None),
            None => Ok(Some(late)),
        }
    }

    pub(crate) async fn read_more(&mut self) -> Result<(), ReadFault> {
        let shard = self.shard.clone();
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        let count = poll_fn(|context| {
            let mut scratch = shard.buffers.read.borrow_mut();
            // A head's worth at once: a peer that sends more waits in its own memory.
            let window = scratch.get_mut(..limits::HEAD_MAX_BYTES).unwrap_or_default();
            stream.poll_read(context, window).map_ok(|count| {
                buffer.extend_from_slice(window.get(..count).unwrap_or_default());
                count
            })
        })
        .await;
        match count {
            Ok(count) if count > 0 => Ok(()),
            Ok(_) | Err(_) => Err(ReadFault::Gone),
        }
    }
}

/// A head that does not end in time for its size: the request line or the rest is at fault.
pub(crate) fn oversized(buffer: &[u8]) -> Denial {
    let line = buffer.iter().take(limits::TARGET_MAX_BYTES + 32).any(|byte| *byte == b'\n');
    if line { Denial::HeadTooLarge } else { Denial::TargetTooLong }
}
