//! A socket with its buffer: heads and bodies read, responses written, all bounded and timed.
//! Never: more memory than bytes that arrived.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use portcullis_model::{Denial, limits};
use portcullis_wire::http1::head_end;
use tokio::time::timeout;

use crate::listen::receive_rate::{ReceiveRate, ReceiveTimeout, in_time};
use crate::listen::stream::Stream;
use crate::shard::state::Shard;

/// Bytes that are read and dropped after the last response.
const LINGER_MAX_BYTES: usize = 256 * 1024;

/// The reason why a read failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadFault {
    /// The peer closed the connection or sent nothing: no response is possible.
    Gone,
    /// The request is rejected.
    Denied(Denial),
}

/// A socket and the bytes that were read from it.
pub(crate) struct HttpStream {
    pub(crate) stream: Stream,
    pub(crate) buffer: Vec<u8>,
}

impl HttpStream {
    /// Reads until the buffer holds a complete head.
    pub(crate) async fn read_head(&mut self, shard: &Shard) -> Result<(), ReadFault> {
        let mut rate = shard.rate_from_first_byte();
        let mut searched = 0;
        loop {
            if head_end(&self.buffer, searched).is_some() {
                return Ok(());
            }
            if self.buffer.len() > limits::HEAD_MAX_BYTES {
                return Err(ReadFault::Denied(oversized(&self.buffer)));
            }
            searched = self.buffer.len();
            match self.read_in_time(shard, &mut rate).await? {
                None => {}
                Some(_) if self.buffer.is_empty() => return Err(ReadFault::Gone),
                Some(ReceiveTimeout::Slow) => return Err(ReadFault::Denied(Denial::HeadSlow)),
                Some(ReceiveTimeout::Deadline) => {
                    return Err(ReadFault::Denied(Denial::HeadTimeout));
                }
            }
        }
    }

    /// Reads until the buffer holds `length` bytes.
    pub(crate) async fn read_until(
        &mut self,
        shard: &Shard,
        length: usize,
    ) -> Result<(), ReadFault> {
        let mut rate = ReceiveRate::from_now(&shard.server.options, shard.now());
        while self.buffer.len() < length {
            match self.read_in_time(shard, &mut rate).await? {
                None => {}
                Some(ReceiveTimeout::Slow) => return Err(ReadFault::Denied(Denial::BodySlow)),
                Some(ReceiveTimeout::Deadline) => {
                    return Err(ReadFault::Denied(Denial::BodyTimeout));
                }
            }
        }
        Ok(())
    }

    /// Reads more bytes, or returns why the server stops waiting for the peer.
    async fn read_in_time(
        &mut self,
        shard: &Shard,
        rate: &mut ReceiveRate,
    ) -> Result<Option<ReceiveTimeout>, ReadFault> {
        let (wait, late) = rate.wait(self.buffer.len(), shard.now());
        match in_time(wait, self.read_more(shard)).await {
            Some(outcome) => outcome.map(|()| None),
            None => Ok(Some(late)),
        }
    }

    /// Reads the bytes that have arrived, or waits for some.
    pub(crate) async fn read_more(&mut self, shard: &Shard) -> Result<(), ReadFault> {
        let (stream, buffer) = (&mut self.stream, &mut self.buffer);
        let count = poll_fn(|context| {
            let mut scratch = shard.buffers.read.borrow_mut();
            // At most the size of a head at once: further bytes stay in the memory of the peer.
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

    /// Removes the first `length` bytes of the buffer.
    pub(crate) fn skip(&mut self, length: usize) {
        self.buffer.drain(..length.min(self.buffer.len()));
    }

    /// Takes the first `length` bytes of the buffer as a body.
    pub(crate) fn take_body(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Writes all bytes; false when the socket fails.
    pub(crate) async fn write_all(&mut self, mut bytes: Bytes) -> bool {
        let stream = &mut self.stream;
        while !bytes.is_empty() {
            match poll_fn(|context| stream.poll_write(context, &bytes)).await {
                Ok(count) if count > 0 => drop(bytes.split_to(count)),
                Ok(_) | Err(_) => return false,
            }
        }
        poll_fn(|context| stream.poll_flush(context)).await.is_ok()
    }

    /// Closes the sending direction and reads the rest for a moment, so that the response arrives.
    pub(crate) async fn finish(mut self, shard: &Shard) {
        let stream = &mut self.stream;
        let linger = async {
            if poll_fn(|context| stream.poll_shutdown(context)).await.is_err() {
                return;
            }
            let mut left = LINGER_MAX_BYTES;
            while left > 0 {
                let read = poll_fn(|context| {
                    stream.poll_read(context, &mut shard.buffers.read.borrow_mut())
                });
                match read.await {
                    Ok(count) if count > 0 => left = left.saturating_sub(count),
                    Ok(_) | Err(_) => return,
                }
            }
        };
        let deadline = Duration::from_millis(shard.server.options.close_timeout_ms);
        let _elapsed = timeout(deadline, linger).await;
    }
}

/// The denial of a head that exceeds its limit: the request line or the headers are too long.
pub(crate) fn oversized(buffer: &[u8]) -> Denial {
    let line = buffer.iter().take(limits::TARGET_MAX_BYTES + 32).any(|byte| *byte == b'\n');
    if line { Denial::HeadTooLarge } else { Denial::TargetTooLong }
}
