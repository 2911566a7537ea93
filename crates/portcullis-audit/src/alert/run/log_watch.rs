//! Faults of the log that no record reports: a note that is late, lines that standard output lost.
//! Never: a fault of the file; records report it.

/// A signed note is written each minute; after this time without one the chain does not go on.
const NOTE_LATE_MS: u64 = 180_000;

/// Facts about the log that the engine knows beside its records.
#[derive(Debug, Default)]
pub(crate) struct LogWatch {
    note: Option<String>,
    /// The time of the newest note, or since when one is expected; none without a chain.
    note_ms: Option<u64>,
    stdout_lost: u64,
    stdout_reported: u64,
}

impl LogWatch {
    /// The log has a chain, so a note is due.
    pub(crate) fn expect_notes(&mut self, at_ms: u64) {
        self.note_ms = Some(at_ms);
    }

    /// The newest note of the log, which can be the same as before.
    pub(crate) fn set_note(&mut self, note: String, at_ms: u64) {
        if self.note.as_ref() != Some(&note) {
            self.note = Some(note);
            self.note_ms = Some(at_ms);
        }
    }

    pub(crate) fn note(&self) -> Option<String> {
        self.note.clone()
    }

    pub(crate) fn is_note_late(&self, at_ms: u64) -> bool {
        self.note_ms.is_some_and(|note_ms| at_ms.saturating_sub(note_ms) >= NOTE_LATE_MS)
    }

    /// All lines that standard output lost until now.
    pub(crate) fn set_stdout_lost(&mut self, lines: u64) {
        self.stdout_lost = lines;
    }

    /// Whether standard output lost lines since the last call.
    pub(crate) fn take_stdout_loss(&mut self) -> bool {
        let lost = self.stdout_lost > self.stdout_reported;
        self.stdout_reported = self.stdout_lost;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_is_late_after_three_minutes_without_a_new_one() {
        let mut watch = LogWatch::default();
        assert!(!watch.is_note_late(1_000_000), "a log without a chain has no notes");
        watch.expect_notes(1_000);
        assert!(!watch.is_note_late(180_999) && watch.is_note_late(181_000));
        watch.set_note(String::from("first"), 100_000);
        watch.set_note(String::from("first"), 250_000);
        assert!(!watch.is_note_late(279_999) && watch.is_note_late(280_000));
        watch.set_note(String::from("second"), 290_000);
        assert!(!watch.is_note_late(290_000));
    }

    #[test]
    fn loss_of_standard_output_is_taken_once() {
        let mut watch = LogWatch::default();
        assert!(!watch.take_stdout_loss());
        watch.set_stdout_lost(3);
        assert!(watch.take_stdout_loss() && !watch.take_stdout_loss());
        watch.set_stdout_lost(4);
        assert!(watch.take_stdout_loss());
    }
}
