//! The numbers of the newest lines, so that alerts can name the lines of their records.
//! Never: more than 4,096 lines; older evidence has a reference only.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_model::{Code, Now};

use crate::record::fields::Record;

/// Lines that are remembered. Memory: about 120 bytes each, 480 KiB.
const LINES_MAX: usize = 4_096;

/// A record: records of one code in one millisecond differ by their reference.
type Written = (Code, u64, Option<String>);

#[derive(Debug, Default)]
struct Lines {
    order: VecDeque<Written>,
    numbers: HashMap<Written, u64>,
}

/// The numbers of lines that the writer wrote.
#[derive(Debug, Default)]
pub(crate) struct Sequences(Mutex<Lines>);

impl Sequences {
    /// A record was written.
    pub(crate) fn add(&self, record: &Record, now: Now, sequence: u64) {
        let reference = record.reference.as_ref().map(|reference| String::from(reference.as_str()));
        let written = (record.code, now.monotonic_ms, reference);
        let mut lines = self.lock();
        if lines.order.len() >= LINES_MAX
            && let Some(oldest) = lines.order.pop_front()
        {
            lines.numbers.remove(&oldest);
        }
        if lines.numbers.insert(written.clone(), sequence).is_none() {
            lines.order.push_back(written);
        }
    }

    /// The number of a record's line, if it was written lately.
    pub(crate) fn find(&self, code: Code, at_ms: u64, reference: Option<&str>) -> Option<u64> {
        let written = (code, at_ms, reference.map(String::from));
        self.lock().numbers.get(&written).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_lines_are_found_and_older_ones_leave() {
        let sequences = Sequences::default();
        let record = Record::new(Code::AuthzAdmin);
        for sequence in 0..5_000 {
            let now = Now { monotonic_ms: sequence, unix_ms: 0 };
            sequences.add(&record, now, sequence + 1);
        }
        assert_eq!(sequences.find(Code::AuthzAdmin, 4_999, None), Some(5_000));
        assert_eq!(sequences.find(Code::AuthzAdmin, 0, None), None);
        assert_eq!(sequences.find(Code::AuthzAdmin, 4_999, Some("k3v9x0abcdef")), None);
        assert!(sequences.lock().order.len() <= LINES_MAX);
    }
}
