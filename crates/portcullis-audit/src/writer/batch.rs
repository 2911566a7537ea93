//! Encodes queued records as numbered lines that are written together.
//! Never: a part of a line.

use std::collections::VecDeque;

use portcullis_model::Now;

use crate::chain::hash::ChainHash;
use crate::chain::runtime::ChainCursor;
use crate::queue::Entry;
use crate::record::encode::{encode, encode_sealed};
use crate::record::fields::Record;
use crate::record::group::RecordGroup;
use crate::record::service::Service;

/// Approximate size of a batch, in bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// Capacity that is allocated per line; most lines are shorter.
const LINE_BYTES: usize = 1024;

/// Encoded lines, and the end of each line in the text.
pub(crate) struct Batch {
    text: String,
    ends: Vec<usize>,
    /// The hash of each line; empty without a chain.
    hashes: Vec<ChainHash>,
    has_reserved: bool,
}

impl Batch {
    /// Encodes as many records as fit; the first line gets the number `first`.
    ///
    /// A batch is at most a quarter of a segment, so that files do not exceed their size by much.
    pub(crate) fn encode(
        entries: &VecDeque<Entry>,
        first: u64,
        segment_bytes: u64,
        service: &Service,
        mut chain: Option<ChainCursor<'_>>,
    ) -> Self {
        let max_bytes = usize::try_from(segment_bytes / 4).unwrap_or(BATCH_BYTES).min(BATCH_BYTES);
        let text = String::with_capacity(max_bytes.min(entries.len() * LINE_BYTES));
        let (ends, hashes) = (Vec::new(), Vec::new());
        let mut batch = Self { text, ends, hashes, has_reserved: false };
        for entry in entries {
            let number = first + batch.ends.len() as u64;
            batch.push(&entry.record, (entry.now, number), service, chain.as_mut());
            batch.has_reserved |= entry.group == RecordGroup::Reserved;
            if batch.text.len() >= max_bytes {
                break;
            }
        }
        batch
    }

    /// Encodes one statement of the chain about the line before it.
    pub(crate) fn statement(
        record: &Record,
        at: (Now, u64),
        service: &Service,
        mut chain: ChainCursor<'_>,
    ) -> Self {
        let text = String::with_capacity(LINE_BYTES);
        let (ends, hashes) = (Vec::new(), Vec::new());
        let mut batch = Self { text, ends, hashes, has_reserved: true };
        batch.push(record, at, service, Some(&mut chain));
        batch
    }

    fn push(
        &mut self,
        record: &Record,
        (now, number): (Now, u64),
        service: &Service,
        chain: Option<&mut ChainCursor<'_>>,
    ) {
        match chain {
            Some(chain) => {
                let (salt, before) = (chain.salts.next(), chain.head);
                let opens = chain.opens.take();
                let at = (now, number);
                let out = &mut self.text;
                chain.head = encode_sealed(out, record, at, service, (&salt, &before), opens);
                self.hashes.push(chain.head);
            }
            None => encode(&mut self.text, record, now, Some(number), service),
        }
        self.ends.push(self.text.len());
    }

    /// All lines.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The number of lines.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The hash of the last of the first `lines`; `None` without lines, or without a chain.
    pub(crate) fn head(&self, lines: usize) -> Option<ChainHash> {
        lines.checked_sub(1).and_then(|last| self.hashes.get(last)).copied()
    }

    /// Whether the batch has a record of the reserved group, which is synced at once.
    pub(crate) fn has_reserved(&self) -> bool {
        self.has_reserved
    }

    /// The number of lines in the first `bytes` of the text.
    pub(crate) fn lines_in(&self, bytes: usize) -> usize {
        self.ends.iter().filter(|end| **end <= bytes).count()
    }

    /// The text of the first `lines`.
    pub(crate) fn first_lines(&self, lines: usize) -> &str {
        let last = lines.checked_sub(1).and_then(|last| self.ends.get(last));
        last.and_then(|end| self.text.get(..*end)).unwrap_or_default()
    }
}
