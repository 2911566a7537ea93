//! Encodes queued records as numbered lines that are written together.
//! Never: a part of a line.

use std::collections::VecDeque;

use crate::queue::Entry;
use crate::record::encode::encode;
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
    ) -> Self {
        let max_bytes = usize::try_from(segment_bytes / 4).unwrap_or(BATCH_BYTES).min(BATCH_BYTES);
        let text = String::with_capacity(max_bytes.min(entries.len() * LINE_BYTES));
        let mut batch = Self { text, ends: Vec::new(), has_reserved: false };
        for entry in entries {
            let number = first + batch.ends.len() as u64;
            encode(&mut batch.text, &entry.record, entry.now, Some(number), service);
            batch.ends.push(batch.text.len());
            batch.has_reserved |= entry.group == RecordGroup::Reserved;
            if batch.text.len() >= max_bytes {
                break;
            }
        }
        batch
    }

    /// All lines.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The number of lines.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
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
