//! Bytes that were read and not handled, with their times of arrival.
//! Never: more than a bounded number of bytes for one connection.

use std::collections::VecDeque;

/// With this many bytes, no further ones are read ahead.
const AHEAD_MAX_BYTES: usize = 16 * 1024;
/// With this many chunks, no further bytes are read ahead: a slow sender's chunks have one byte.
const CHUNKS_MAX: usize = 64;
/// Bytes that are read within this time after a chunk are added to it and get its time.
const JOIN_MS: u64 = 50;

/// Bytes that wait for the end of a job or of a pause.
#[derive(Default)]
pub(crate) struct Backlog {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

/// The bytes of one read.
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    from: usize,
    /// The time at which it was read.
    pub(crate) read_ms: u64,
}

impl Chunk {
    pub(crate) fn rest(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.from..).unwrap_or_default()
    }
}

impl Backlog {
    /// Adds bytes at the end.
    pub(crate) fn push(&mut self, bytes: &[u8], read_ms: u64) {
        self.bytes += bytes.len();
        match self.chunks.back_mut() {
            Some(last) if read_ms.saturating_sub(last.read_ms) < JOIN_MS => {
                last.bytes.extend_from_slice(bytes);
            }
            Some(_) | None => {
                self.chunks.push_back(Chunk { bytes: bytes.to_vec(), from: 0, read_ms });
            }
        }
    }

    /// The oldest bytes.
    pub(crate) fn pop(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.bytes = self.bytes.saturating_sub(chunk.bytes.len() - chunk.from);
        Some(chunk)
    }

    /// Puts back the rest of the oldest bytes.
    pub(crate) fn put_back(&mut self, chunk: Chunk, consumed: usize) {
        let from = chunk.from.saturating_add(consumed);
        if from < chunk.bytes.len() {
            self.bytes += chunk.bytes.len() - from;
            self.chunks.push_front(Chunk { from, ..chunk });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether more may be read while a job runs.
    pub(crate) fn has_space(&self) -> bool {
        self.bytes < AHEAD_MAX_BYTES && self.chunks.len() < CHUNKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_order_and_their_time() {
        let mut backlog = Backlog::default();
        backlog.push(b"abc", 1);
        backlog.push(b"de", 51);
        let mut first = backlog.pop().unwrap();
        assert_eq!((first.rest().to_vec(), first.read_ms), (b"abc".to_vec(), 1));
        backlog.put_back(first, 2);
        let mut left = backlog.pop().unwrap();
        assert_eq!((left.rest().to_vec(), left.read_ms), (b"c".to_vec(), 1));
        backlog.put_back(left, 1);
        let mut second = backlog.pop().unwrap();
        assert_eq!((second.rest().to_vec(), second.read_ms), (b"de".to_vec(), 51));
        backlog.put_back(second, 2);
        assert!(backlog.is_empty() && backlog.bytes == 0);
    }

    #[test]
    fn reading_ahead_is_bounded() {
        let mut backlog = Backlog::default();
        let mut reads = 0;
        while backlog.has_space() {
            backlog.push(&[0; 4096], reads);
            reads += 1;
        }
        assert_eq!(reads, 4);
    }

    #[test]
    fn single_bytes_are_added_to_a_chunk_and_chunks_are_bounded() {
        let mut backlog = Backlog::default();
        (0..50).for_each(|read_ms| backlog.push(b"x", read_ms));
        assert_eq!(backlog.chunks.len(), 1);
        let mut reads = 50;
        while backlog.has_space() {
            backlog.push(b"x", reads);
            reads += JOIN_MS;
        }
        assert_eq!((backlog.chunks.len(), backlog.bytes), (CHUNKS_MAX, 113));
    }
}
