//! The writer thread: numbers lines, writes them to the file, passes them to standard output.
//! Never: ends on an error, skips a number, or waits for anything except the file.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_model::{Now, Severity};

use crate::alert::input::subject::Subject;
use crate::alert::run::alerts::Alerts;
use crate::files::disk::is_full;
use crate::output::Output;
use crate::queue::{Entry, Queue, WriterWork};
use crate::record::encode::encode;
use crate::record::fields::Record;
use crate::record::group::RecordGroup;
use crate::record::log_events;
use crate::record::service::Service;
use crate::writer::batch::Batch;
use crate::writer::file_monitor::FileMonitor;
use crate::writer::status::{LogState, WriterStatus};
use crate::writer::storage::{OpenedStorage, Storage};

/// The state of the writer thread.
pub(crate) struct Writer {
    pub(super) storage: Storage,
    pub(super) output: Option<Output>,
    pub(super) service: Service,
    pub(super) status: Arc<WriterStatus>,
    pub(super) queue: Arc<Queue>,
    pub(super) alerts: Option<Alerts>,
    pub(super) monitor: FileMonitor,
    /// The number of the last line.
    pub(super) sequence: u64,
    /// The fault of the file; `None` while the file can be written.
    pub(super) fault: Option<LogState>,
    /// Records about the files at the start; written as soon as a time is known.
    pub(super) start_records: Vec<Record>,
    pub(super) now: Now,
}

/// Whether records were already printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrintStatus {
    Pending,
    Done,
}

/// The file did not take all lines of a batch.
pub(super) struct WriteError {
    pub(super) error: io::Error,
    /// Bytes of the batch that are not in the file.
    missing_bytes: u64,
}

impl Writer {
    /// A writer that continues after the last line of the opened files.
    pub(crate) fn new(
        opened: OpenedStorage,
        output: Option<Output>,
        service: Service,
        status: Arc<WriterStatus>,
        queue: Arc<Queue>,
        alerts: Option<Alerts>,
    ) -> Self {
        let writer = Self {
            storage: opened.storage,
            output,
            service,
            status,
            queue,
            alerts,
            monitor: FileMonitor::default(),
            sequence: opened.last,
            fault: None,
            start_records: opened.records,
            now: Now::default(),
        };
        writer.report_reserve();
        writer
    }

    /// Writes the queued records until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            let mut work = self.queue.wait();
            self.now = work.now;
            let own_records = self.check(&work);
            let mut entries = std::mem::take(&mut work.entries);
            for record in own_records.into_iter().rev() {
                entries.push_front(self.entry(record));
            }
            if self.fault.is_some() {
                self.write_in_fault(entries, PrintStatus::Pending);
                if work.check || work.last {
                    self.try_to_recover();
                }
            } else {
                self.write(entries, PrintStatus::Pending);
            }
            if self.fault.is_none() {
                let lost = self.queue.take_lost();
                lost.iter().for_each(|entry| self.note(&entry.record));
                self.write(lost, PrintStatus::Pending);
                self.write_due_statements();
            }
            if work.last {
                break;
            }
        }
        self.finish();
    }

    fn finish(&mut self) {
        let held = self.queue.take_held().len() as u64;
        if held > 0 {
            self.status.unwritten.fetch_add(held, Ordering::Relaxed);
            tracing::error!(records = held, "the security log was closed without these records");
        }
        let note = self.storage.final_note(self.sequence, self.now, self.log_state());
        if let Some(note) = note.filter(|_| self.fault.is_none()) {
            self.write_statement(note);
        }
        self.storage.close(self.sequence);
    }

    /// Checks the file, the disk and standard output; returns the records about them.
    fn check(&mut self, work: &WriterWork) -> VecDeque<Record> {
        let mut records = VecDeque::new();
        if self.now.unix_ms > 0 {
            records.extend(self.start_records.drain(..));
        }
        if work.check || work.reopen || work.last {
            let checked = self.monitor.check_file(&mut self.storage, work, &mut records);
            if let Err(error) = checked
                && self.fault.is_none()
            {
                records.push_back(self.start_fault(&error));
            }
            let state = self.monitor.check_sync(&self.storage, self.now, &mut records);
            if self.fault.is_none() {
                self.status.set_state(state);
            }
            self.report_output_losses();
            self.storage.take_rotation_request();
            // The file of the day before is closed, even without records.
            if self.fault.is_none() {
                self.write_closing_note();
            }
            if self.fault.is_none() {
                let rotation = self.storage.rotate_if_due(self.sequence, self.now);
                rotation.into_iter().for_each(|record| records.push_front(record));
            }
        }
        if self.fault.is_none()
            && let Some(chain) = &mut self.storage.chain
            && chain.take_heartbeat(self.now)
        {
            records.push_back(log_events::heartbeat());
        }
        self.storage.maintain(self.now);
        records
    }

    /// Queues a record of the log about itself.
    pub(super) fn entry(&self, record: Record) -> Entry {
        self.note(&record);
        Entry { record, now: self.now, group: RecordGroup::Reserved }
    }

    /// Shows a record of the log about itself to the alert rules.
    fn note(&self, record: &Record) {
        if let Some(alerts) = &self.alerts {
            alerts.note(record, &Subject::of(record), RecordGroup::Reserved, self.now);
        }
    }

    /// Writes records to the file, and prints the lines that are in the file.
    fn write(&mut self, mut rest: VecDeque<Entry>, print: PrintStatus) {
        while !rest.is_empty() && self.fault.is_none() {
            self.write_closing_note();
            self.write_due_statements();
            if self.fault.is_some() {
                break;
            }
            if let Some(record) = self.storage.rotate_if_due(self.sequence, self.now) {
                rest.push_front(self.entry(record));
            }
            if let Err(failure) = self.write_batch(&mut rest, print) {
                let record = self.start_fault(&failure.error);
                rest.push_front(self.entry(record));
                break;
            }
        }
        if rest.is_empty() {
            self.queue.finish_writing([]);
        } else {
            self.write_in_fault(rest, print);
        }
    }

    /// Writes one batch, and removes the written records from `rest`.
    fn write_batch(
        &mut self,
        rest: &mut VecDeque<Entry>,
        print: PrintStatus,
    ) -> Result<(), WriteError> {
        self.write_first_key()?;
        let segment_bytes = self.storage.segment_bytes();
        let first = self.sequence + 1;
        let is_file_empty = self.storage.is_file_empty();
        let cursor = self.storage.chain.as_mut().map(|chain| chain.cursor(is_file_empty));
        let batch = Batch::encode(rest, first, segment_bytes, &self.service, cursor);
        let (lines, result) = self.append(&batch, print);
        let mut has_critical = false;
        for (number, entry) in (first..).zip(rest.drain(..lines)) {
            has_critical |= entry.record.severity == Severity::Critical;
            if let Some(alerts) = &self.alerts {
                alerts.written(&entry.record, entry.now, number);
            }
        }
        if let (Some(chain), Some(head)) = (&mut self.storage.chain, batch.head(lines)) {
            chain.advance(head, lines as u64, has_critical);
        }
        result
    }

    /// Appends a batch, counts and prints its written lines; returns how many there are.
    pub(super) fn append(
        &mut self,
        batch: &Batch,
        print: PrintStatus,
    ) -> (usize, Result<(), WriteError>) {
        self.storage.reserve_numbers(self.sequence + batch.len() as u64);
        self.status.start_write(self.now);
        let result = self.storage.append(batch, self.sequence + 1, self.now);
        self.status.end_write();
        let length = batch.text().len();
        let whole = result.as_ref().map_or_else(|failure| failure.whole, |()| length);
        let lines = batch.lines_in(whole);
        self.count_and_print(batch, lines, print);
        let result = result.map_err(|failure| WriteError {
            error: failure.error,
            missing_bytes: length.saturating_sub(whole) as u64,
        });
        (lines, result)
    }

    /// Counts the first `lines` of a batch as written, and prints them.
    fn count_and_print(&mut self, batch: &Batch, lines: usize, print: PrintStatus) {
        if lines == 0 {
            return;
        }
        let lines_written = lines as u64;
        let mut is_printed = true;
        if print == PrintStatus::Pending
            && let Some(output) = &self.output
        {
            is_printed = output.push(batch.first_lines(lines), lines_written);
        }
        // Without a file, standard output is the log, and its numbers must not have a gap.
        if self.storage.file.is_some() || is_printed {
            self.sequence += lines_written;
            self.status.lines.fetch_add(lines_written, Ordering::Relaxed);
        }
    }

    /// The file cannot be written: records wait until [`Writer::try_to_recover`] succeeds.
    pub(super) fn start_fault(&mut self, error: &io::Error) -> Record {
        let state = if is_full(error) { LogState::Full } else { LogState::Failing };
        tracing::error!(%error, state = state.name(), "the security log cannot be written");
        self.fault = Some(state);
        self.status.set_state(state);
        log_events::file_failed(state.name(), error)
    }

    /// Writes operations with the space of the reserve; prints and holds all other records.
    pub(super) fn write_in_fault(&mut self, mut entries: VecDeque<Entry>, print: PrintStatus) {
        let mut held = VecDeque::new();
        if self.fault == Some(LogState::Full) && self.storage.has_reserve() {
            let (reserved, others): (VecDeque<_>, VecDeque<_>) =
                entries.into_iter().partition(|entry| entry.group == RecordGroup::Reserved);
            held = self.write_with_reserve(reserved, print);
            entries = others;
        }
        held.extend(entries);
        if print == PrintStatus::Pending
            && let Some(output) = &self.output
        {
            let mut line = String::new();
            for entry in &held {
                line.clear();
                encode(&mut line, &entry.record, entry.now, None, &self.service);
                output.push(&line, 1);
            }
        }
        self.queue.finish_writing(held);
    }

    /// Writes records while the reserve has space; returns the records that do not fit.
    fn write_with_reserve(
        &mut self,
        mut rest: VecDeque<Entry>,
        print: PrintStatus,
    ) -> VecDeque<Entry> {
        while !rest.is_empty() {
            let Err(failure) = self.write_batch(&mut rest, print) else { continue };
            let is_released =
                is_full(&failure.error) && self.storage.release_reserve(failure.missing_bytes);
            self.report_reserve();
            if !is_released {
                break;
            }
        }
        rest
    }

    /// Tests whether the file can be written again, and then writes the held records.
    fn try_to_recover(&mut self) {
        let Some(fault) = self.fault else { return };
        let can_retry = self.storage.try_to_recover(fault);
        self.report_reserve();
        if !can_retry {
            return;
        }
        let record = log_events::file_recovered(fault.name());
        let mut probe = VecDeque::from([self.entry(record)]);
        if self.write_batch(&mut probe, PrintStatus::Pending).is_err() {
            return;
        }
        tracing::warn!("the security log can be written again");
        self.fault = None;
        self.status.set_state(LogState::Ok);
        let held = self.queue.take_held();
        self.write(held, PrintStatus::Done);
    }

    fn report_reserve(&self) {
        self.status.reserve_bytes.store(self.storage.reserve_bytes(), Ordering::Relaxed);
    }

    /// Prints how many lines standard output lost, when its reader reads again.
    fn report_output_losses(&self) {
        let Some(output) = &self.output else { return };
        let lost = output.take_lost();
        if lost > 0 {
            let mut line = String::new();
            encode(&mut line, &log_events::stdout_lost(lost), self.now, None, &self.service);
            output.push(&line, 1);
        }
    }
}
