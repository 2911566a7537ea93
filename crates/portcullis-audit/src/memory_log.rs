//! The log of a test: encodes each record at once and keeps the lines in memory.
//! Never: sampling, a queue, or a limit.

use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::Now;

use crate::options::AuditOptions;
use crate::record::encode::encode;
use crate::record::fields::Record;
use crate::record::service::Service;

/// Lines in memory.
#[derive(Debug)]
pub(crate) struct MemoryLog {
    lines: Arc<Mutex<Vec<String>>>,
    service: Service,
}

impl MemoryLog {
    /// An empty log, and its lines for the test.
    pub(crate) fn new() -> (Self, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::default();
        let service = Service::new(&AuditOptions::default());
        (Self { lines: Arc::clone(&lines), service }, lines)
    }

    pub(crate) fn record(&self, mut record: Record, now: Now) {
        record.sanitize();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = lines.len() as u64 + 1;
        let mut line = String::new();
        encode(&mut line, &record, now, Some(sequence), &self.service);
        lines.push(line.trim_end().to_owned());
    }
}
