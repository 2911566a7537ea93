//! Writes the statements of the chain: keys and notes, each as a line of its own.
//! Never: a statement that is held; when the file does not take it, it is made anew later.

use std::collections::VecDeque;

use crate::chain::runtime::{Chain, Statement};
use crate::writer::batch::Batch;
use crate::writer::status::LogState;
use crate::writer::thread::{PrintStatus, WriteError, Writer};

impl Writer {
    /// The state of the file, for notes.
    pub(super) fn log_state(&self) -> LogState {
        self.fault.unwrap_or_else(|| self.status.state(self.now))
    }

    /// Writes the statements of the chain that are due.
    pub(super) fn write_due_statements(&mut self) {
        // No time is known before the first record or tick.
        while self.fault.is_none() && self.now.unix_ms > 0 {
            let state = self.log_state();
            let Some(due) = self.storage.due_statement(self.sequence, self.now, state) else {
                return;
            };
            if !self.write_statement(due) {
                return;
            }
        }
    }

    /// Writes one statement; `false` when the file did not take it. Then it is made anew later.
    pub(super) fn write_statement(&mut self, statement: Statement) -> bool {
        let (lines, result) = self.append_statement(statement);
        if let Err(failure) = result {
            let record = self.start_fault(&failure.error);
            let entry = self.entry(record);
            self.write_in_fault(VecDeque::from([entry]), PrintStatus::Pending);
        }
        lines > 0
    }

    /// Appends one statement; returns how many lines were written.
    pub(super) fn append_statement(
        &mut self,
        statement: Statement,
    ) -> (usize, Result<(), WriteError>) {
        let is_file_empty = self.storage.is_file_empty();
        let Some(chain) = &mut self.storage.chain else { return (0, Ok(())) };
        let at = (self.now, self.sequence + 1);
        let cursor = chain.cursor(is_file_empty);
        let batch = Batch::statement(&statement.record, at, &self.service, cursor);
        let (lines, result) = self.append(&batch, PrintStatus::Pending);
        if let (1.., Some(head)) = (lines, batch.head(1)) {
            self.storage.commit_statement(statement, head, self.now);
            if let (Some(alerts), Some(chain)) = (&self.alerts, &self.storage.chain)
                && let Some(note) = chain.newest_note()
            {
                alerts.set_note(note);
            }
        }
        (lines, result)
    }

    /// The first line of a log states its first key, also when the reserve is in use.
    pub(super) fn write_first_key(&mut self) -> Result<(), WriteError> {
        let state = self.log_state();
        let is_new = self.storage.chain.as_ref().is_some_and(Chain::is_new);
        let due = is_new.then(|| self.storage.due_statement(self.sequence, self.now, state));
        due.flatten().map_or(Ok(()), |first| self.append_statement(first).1)
    }

    /// The last line of a file is a note.
    pub(super) fn write_closing_note(&mut self) {
        if !self.storage.is_rotation_due(self.now) {
            return;
        }
        if let Some(note) = self.storage.final_note(self.sequence, self.now, self.log_state()) {
            self.write_statement(note);
        }
    }
}
