//! The chain of a running log: its head, its keys, and its statements.
//! Never: a wait for the disk; another thread stores keys and notes.

use std::sync::{Arc, Mutex, PoisonError};

use portcullis_model::{Code, Now};

use super::epoch::EpochCertificate;
use super::files::ChainUpdate;
use super::hash::ChainHash;
use super::key::SigningKey;
use super::note::{Note, SignedNote};
use super::salts::Salts;
use super::state::{ChainState, EpochKeys};
use crate::record::fields::{Outcome, Record};
use crate::record::timestamp::utc;

/// A note at least this often while lines are written, and after so many lines.
const NOTE_MS: u64 = 60_000;
const NOTE_LINES: u64 = 1_000;
/// A heartbeat is written this often.
const HEARTBEAT_MS: u64 = 60_000;
/// After a critical record a note follows, at most ten times a second.
const CRITICAL_MS: u64 = 100;
/// The key changes after this time or so many lines.
const EPOCH_MS: u64 = 15 * 60_000;
const EPOCH_LINES: u64 = 10_000;

/// The newest note, for alerts and the private listener.
pub(crate) type NewestNote = Arc<Mutex<Option<String>>>;

/// The data with which a batch continues the chain.
pub(crate) struct ChainCursor<'a> {
    /// The hash before the next line.
    pub(crate) head: ChainHash,
    pub(crate) salts: &'a mut Salts,
    /// The name of the log, if the next line is the first of a file.
    pub(crate) opens: Option<&'a str>,
}

/// The chain of a running log.
pub(crate) struct Chain {
    state: ChainState,
    head: ChainHash,
    salts: Salts,
    /// Whether the log has no line yet.
    is_new: bool,
    since_note: Progress,
    since_epoch: Progress,
    has_critical: bool,
    heartbeat_ms: u64,
    newest: NewestNote,
}

/// Lines and time since a statement.
#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    lines: u64,
    from_ms: u64,
}

/// A record of the chain that is due, and what it changes when it is written.
pub(crate) struct Statement {
    pub(crate) record: Record,
    change: Change,
}

enum Change {
    /// The first line of the log: its first key.
    Root,
    /// The next key signs from now on; the one after it is new.
    Epoch(EpochCertificate, Box<SigningKey>),
    Note(SignedNote),
}

impl Chain {
    /// Continues a log whose last line has this hash. `is_new`: the log has no line yet.
    pub(crate) fn new(
        state: ChainState,
        head: ChainHash,
        salts: Salts,
        is_new: bool,
        newest: NewestNote,
    ) -> Self {
        let since = Progress::default();
        let chain = Self {
            state,
            head,
            salts,
            is_new,
            since_note: since,
            since_epoch: since,
            // The tail of the last process gets a note at once.
            has_critical: true,
            heartbeat_ms: 0,
            newest,
        };
        chain.show_note();
        chain
    }

    /// Whether the log has no line yet; its first line states its first key.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The cursor of the next batch. `opens`: its first line is the first of a file.
    pub(crate) fn cursor(&mut self, opens: bool) -> ChainCursor<'_> {
        let name = (opens || self.is_new).then_some(self.state.name.as_str());
        ChainCursor { head: self.head, salts: &mut self.salts, opens: name }
    }

    /// Lines were written, the last one with this hash.
    pub(crate) fn advance(&mut self, head: ChainHash, lines: u64, has_critical: bool) {
        self.head = head;
        self.is_new = false;
        self.since_note.lines += lines;
        self.since_epoch.lines += lines;
        self.has_critical |= has_critical;
    }

    /// The record that is due after line `sequence`; `can_change_key`: the last keys are stored.
    pub(crate) fn due(
        &self,
        sequence: u64,
        now: Now,
        log_state: &'static str,
        can_change_key: bool,
    ) -> Option<Statement> {
        let at = (sequence, self.head);
        if self.is_new {
            let keys = &self.state.keys;
            let key = (0, keys.current.public());
            let certificate = EpochCertificate::sign(&self.state.name, key, at, &keys.current);
            let record = epoch_record(&certificate);
            return Some(Statement { record, change: Change::Root });
        }
        let epoch = self.since_epoch;
        if can_change_key && epoch.lines > 0 && epoch.is_over(EPOCH_LINES, EPOCH_MS, now) {
            let keys = &self.state.keys;
            let key = (keys.epoch + 1, keys.next.public());
            let certificate = EpochCertificate::sign(&self.state.name, key, at, &keys.current);
            let record = epoch_record(&certificate);
            // Without random bytes the key stays in use; the next statement tries again.
            let after = Box::new(SigningKey::generate().ok()?);
            return Some(Statement { record, change: Change::Epoch(certificate, after) });
        }
        let note = self.since_note;
        let critical_ms = note.from_ms.saturating_add(CRITICAL_MS);
        // The first line is signed at once, so that its removal is found.
        let is_first = self.state.note.is_none();
        let after_critical = self.has_critical && (is_first || now.monotonic_ms >= critical_ms);
        let is_due = note.lines > 0 && note.is_over(NOTE_LINES, NOTE_MS, now);
        (is_due || after_critical).then(|| self.note(sequence, now, log_state))
    }

    /// A note about line `sequence`, due or not: before a rotation and at the end.
    pub(crate) fn note(&self, sequence: u64, now: Now, log_state: &'static str) -> Statement {
        let note = Note {
            name: self.state.name.clone(),
            sequence,
            head: self.head,
            epoch: self.state.keys.epoch,
            time: utc(now.unix_ms),
            state: String::from(log_state),
        };
        let signed = note.sign(&self.state.keys.current);
        let mut record = Record::new(Code::LogCheckpoint);
        record.outcome = Outcome::Success;
        record.labels.push(("note", signed.to_string()));
        Statement { record, change: Change::Note(signed) }
    }

    /// Whether a heartbeat is due; then the next one is due a minute later.
    pub(crate) fn take_heartbeat(&mut self, now: Now) -> bool {
        let is_due = now.monotonic_ms >= self.heartbeat_ms.saturating_add(HEARTBEAT_MS);
        if is_due {
            self.heartbeat_ms = now.monotonic_ms;
        }
        is_due
    }

    /// Whether lines were written since the last note.
    pub(crate) fn has_unsigned_lines(&self) -> bool {
        self.since_note.lines > 0 && !self.is_new
    }

    /// The line of a statement was written, with this hash; returns what is to be stored.
    pub(crate) fn commit(
        &mut self,
        statement: Statement,
        head: ChainHash,
        now: Now,
    ) -> Option<ChainUpdate> {
        self.advance(head, 1, false);
        let from = Progress { lines: 0, from_ms: now.monotonic_ms };
        let certificates = match statement.change {
            Change::Note(note) => {
                self.since_note = from;
                self.has_critical = false;
                self.state.note = Some(note);
                self.show_note();
                String::new()
            }
            // Its certificate was stored before its first line.
            Change::Root => {
                self.since_epoch = from;
                return None;
            }
            Change::Epoch(certificate, after) => {
                self.since_epoch = from;
                let keys = &mut self.state.keys;
                keys.epoch += 1;
                keys.current = std::mem::replace(&mut keys.next, *after);
                format!("{}\n", certificate.to_text())
            }
        };
        Some(self.update(certificates))
    }

    /// The state as it is to be stored.
    pub(crate) fn update(&self, certificates: String) -> ChainUpdate {
        let state = self.state.to_text();
        ChainUpdate { epoch: self.state.keys.epoch, state, certificates }
    }

    /// The text of the newest note.
    pub(crate) fn newest_note(&self) -> Option<String> {
        self.state.note.as_ref().map(ToString::to_string)
    }

    /// The epoch in force.
    pub(crate) fn epoch(&self) -> u64 {
        let EpochKeys { epoch, .. } = &self.state.keys;
        *epoch
    }

    fn show_note(&self) {
        let text = self.newest_note();
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

impl Progress {
    fn is_over(&self, lines: u64, duration_ms: u64, now: Now) -> bool {
        self.lines >= lines || now.monotonic_ms >= self.from_ms.saturating_add(duration_ms)
    }
}

fn epoch_record(certificate: &EpochCertificate) -> Record {
    let mut record = Record::new(Code::LogEpoch);
    record.outcome = Outcome::Success;
    record.labels.push(("certificate", certificate.to_text()));
    record
}
