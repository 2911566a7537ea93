//! The thread that writes lines: numbers them, appends them to the file, hands them to stdout.
//! Never: gives up, skips a number, or waits for anything but the file.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use portcullis_model::{Code, Now};

use crate::files::disk::is_full;
use crate::files::log_file::LogFile;
use crate::files::reserve::Reserve;
use crate::files::segment::Naming;
use crate::files::sequence::SequenceFile;
use crate::files::sync::Syncer;
use crate::output::Output;
use crate::queue::{Entry, Queue};
use crate::record::encode::encode;
use crate::record::fields::{Outcome, Record};
use crate::record::group::Lane;
use crate::record::service::Service;
use crate::writer::monitor::Watch;

/// Lines are handed over in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
/// Room that is made for a line; most are shorter.
const LINE_BYTES: usize = 1024;
/// Without a reserve, so much has to be free before a full disk is tried again.
const FREE_BYTES: u64 = 1024 * 1024;

/// How the log's file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogState {
    /// Lines are written.
    #[default]
    Ok,
    /// A write or sync lasts longer than five seconds.
    Slow,
    /// The disk is full: records wait in memory, operations go to the reserve.
    Full,
    /// The file takes nothing, for another reason: records wait in memory.
    Failing,
}

impl LogState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Slow, Self::Full, Self::Failing];

    /// The word used in metrics and by the private listener.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Slow => "slow",
            Self::Full => "full",
            Self::Failing => "failing",
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Slow,
            2 => Self::Full,
            3 => Self::Failing,
            _ => Self::Ok,
        }
    }
}

/// What the writer says about itself.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(crate) lines: AtomicU64,
    /// Records that were still held when the log was closed.
    pub(crate) unwritten: AtomicU64,
    pub(crate) reserve_bytes: AtomicU64,
    state: AtomicU8,
    /// When the write under way began, plus one; 0 when there is none.
    writing_since_ms: AtomicU64,
}

/// A write or sync of so many milliseconds is slow.
pub(crate) const SLOW_MS: u64 = 5_000;

impl Status {
    pub(crate) fn state(&self, now: Now) -> LogState {
        let state = LogState::from_number(self.state.load(Ordering::Relaxed));
        let since_ms = self.writing_since_ms.load(Ordering::Relaxed);
        let lasts_ms = (now.monotonic_ms + 1).saturating_sub(since_ms);
        if state == LogState::Ok && since_ms > 0 && lasts_ms >= SLOW_MS {
            return LogState::Slow;
        }
        state
    }

    pub(crate) fn set_state(&self, state: LogState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

/// Where lines go, and the number of the last.
pub(crate) struct Writer {
    pub(crate) file: Option<LogFile>,
    pub(crate) naming: Option<Naming>,
    pub(crate) output: Option<Output>,
    pub(crate) reserve: Option<Reserve>,
    pub(crate) numbers: Option<SequenceFile>,
    pub(crate) syncer: Option<Syncer>,
    pub(crate) segment_bytes: u64,
    pub(crate) service: Service,
    pub(crate) status: Arc<Status>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) sequence: u64,
    pub(crate) fault: Option<LogState>,
    pub(crate) watch: Watch,
    pub(crate) now: Now,
}

/// Encoded lines, and where each ends.
struct Piece {
    text: String,
    ends: Vec<usize>,
    reserved: bool,
}

/// Whether standard output already has the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Printed {
    No,
    Yes,
}

impl Writer {
    /// Writes what comes until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        loop {
            let mut woken = self.queue.wait();
            self.now = woken.now;
            let own = self.look_after(&woken);
            let mut entries = std::mem::take(&mut woken.entries);
            own.into_iter().rev().for_each(|entry| entries.push_front(entry));
            if self.fault.is_some() {
                self.write_in_fault(entries, Printed::No);
                if woken.idle || woken.last {
                    self.try_to_return();
                }
            } else {
                self.write(entries, Printed::No);
            }
            if self.fault.is_none() {
                let lost = self.queue.take_lost();
                self.write(lost, Printed::No);
            }
            if woken.last {
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
        self.finish_numbers();
        if let Some(syncer) = &self.syncer {
            if let Some(file) = &self.file {
                syncer.sync(file.handle());
            }
            syncer.stop();
        }
    }

    /// A record of the log about itself.
    pub(crate) fn entry(&self, record: Record) -> Entry {
        Entry { record, now: self.now, lane: Lane::Reserved }
    }

    /// Writes to the file, and hands to standard output what the file took.
    fn write(&mut self, mut rest: VecDeque<Entry>, printed: Printed) {
        while !rest.is_empty() {
            self.rotate_if_due(&mut rest);
            let piece = self.encode(&rest);
            match self.append(&piece) {
                Ok(()) => self.take_over(&piece, piece.ends.len(), &mut rest, printed),
                Err(failure) => {
                    let lines = piece.ends.iter().filter(|end| **end <= failure.whole).count();
                    self.take_over(&piece, lines, &mut rest, printed);
                    rest.push_front(self.begin_fault(&failure.error));
                    break;
                }
            }
        }
        if rest.is_empty() {
            self.queue.settle([]);
        } else {
            self.write_in_fault(rest, printed);
        }
    }

    /// As many lines as fit in one piece.
    fn encode(&self, entries: &VecDeque<Entry>) -> Piece {
        let most = PIECE_BYTES.min(usize::try_from(self.segment_bytes / 4).unwrap_or(PIECE_BYTES));
        let text = String::with_capacity(most.min(entries.len() * LINE_BYTES));
        let mut piece = Piece { text, ends: Vec::new(), reserved: false };
        for entry in entries {
            let number = self.sequence + 1 + piece.ends.len() as u64;
            encode(&mut piece.text, &entry.record, entry.now, Some(number), &self.service);
            piece.ends.push(piece.text.len());
            piece.reserved |= entry.lane == Lane::Reserved;
            if piece.text.len() >= most {
                break;
            }
        }
        piece
    }

    fn append(&mut self, piece: &Piece) -> Result<(), crate::files::log_file::AppendError> {
        self.cover(piece.ends.len());
        let Some(file) = &mut self.file else { return Ok(()) };
        let since_ms = self.now.monotonic_ms + 1;
        self.status.writing_since_ms.store(since_ms, Ordering::Relaxed);
        let result = file.append(&piece.text, self.sequence + 1, self.now.unix_ms);
        self.status.writing_since_ms.store(0, Ordering::Relaxed);
        self.watch.dirty = true;
        let appended = result.as_ref().map_or_else(|failure| failure.whole > 0, |()| true);
        if piece.reserved
            && appended
            && let Some(syncer) = &self.syncer
        {
            syncer.sync(file.handle());
            self.watch.synced(self.now);
        }
        result
    }

    /// Counts the first `lines` of a piece as written, and prints them.
    fn take_over(
        &mut self,
        piece: &Piece,
        lines: usize,
        rest: &mut VecDeque<Entry>,
        printed: Printed,
    ) {
        rest.drain(..lines);
        let Some(last) = lines.checked_sub(1).and_then(|last| piece.ends.get(last)) else { return };
        let mut taken = true;
        if printed == Printed::No
            && let Some(output) = &self.output
        {
            taken = output.push(piece.text.get(..*last).unwrap_or_default(), lines as u64);
        }
        // Where the file has no line, standard output is the log: it has no gap either.
        if self.file.is_some() || taken {
            self.sequence += lines as u64;
            self.status.lines.fetch_add(lines as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn rotate_if_due(&mut self, rest: &mut VecDeque<Entry>) {
        let (Some(file), Some(naming)) = (&mut self.file, &self.naming) else { return };
        let Some(reason) = file.is_due(self.segment_bytes, self.now.unix_ms) else { return };
        if !self.watch.may_rotate(self.now) {
            return;
        }
        let first = file.first();
        match file.rotate(naming, self.now.unix_ms) {
            Ok((path, old)) => {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let mut record = Record::new(Code::LogRotated);
                record.outcome = Outcome::Success;
                record.reason = reason;
                let (name, last) = (name.unwrap_or_default(), self.sequence);
                record.detail = Some(format!("{name} holds lines {first} to {last}"));
                rest.push_front(self.entry(record));
                if let Some(syncer) = &self.syncer {
                    syncer.sync_closed(old);
                    syncer.tidy(self.now);
                }
            }
            Err(error) => {
                self.watch.rotation_failed(self.now);
                tracing::warn!(%error, "the security log cannot be rotated; it goes on as it is");
            }
        }
    }

    /// The file takes nothing: from now on records wait.
    pub(crate) fn begin_fault(&mut self, error: &std::io::Error) -> Entry {
        let state = if is_full(error) { LogState::Full } else { LogState::Failing };
        tracing::error!(%error, state = state.name(), "the security log's file takes no lines");
        self.fault = Some(state);
        self.status.set_state(state);
        let mut record = Record::new(Code::SysMonitorDisabled);
        record.outcome = Outcome::Failure;
        record.rule = "security_log";
        record.reason = state.name();
        record.detail = Some(format!("the file takes no lines: {error}"));
        self.entry(record)
    }

    /// Operations go to the reserve while there is one; all else is printed, and waits.
    fn write_in_fault(&mut self, mut entries: VecDeque<Entry>, printed: Printed) {
        let mut held = VecDeque::new();
        if self.fault == Some(LogState::Full) && self.reserve.is_some() {
            let (reserved, others): (VecDeque<_>, VecDeque<_>) =
                entries.into_iter().partition(|entry| entry.lane == Lane::Reserved);
            held = self.write_to_reserve(reserved, printed);
            entries = others;
        }
        held.extend(entries);
        if printed == Printed::No
            && let Some(output) = &self.output
        {
            let mut line = String::new();
            for entry in &held {
                line.clear();
                encode(&mut line, &entry.record, entry.now, None, &self.service);
                output.push(&line, 1);
            }
        }
        self.queue.settle(held);
    }

    /// Writes while the reserve gives room; gives back what is left.
    fn write_to_reserve(&mut self, mut rest: VecDeque<Entry>, printed: Printed) -> VecDeque<Entry> {
        while !rest.is_empty() {
            let piece = self.encode(&rest);
            let lines = match self.append(&piece) {
                Ok(()) => piece.ends.len(),
                Err(failure) => {
                    let more = piece.text.len().saturating_sub(failure.whole) as u64;
                    let gives = is_full(&failure.error)
                        && self.reserve.as_mut().is_some_and(|reserve| reserve.give(more));
                    self.show_reserve();
                    let lines = piece.ends.iter().filter(|end| **end <= failure.whole).count();
                    if !gives {
                        self.take_over(&piece, lines, &mut rest, printed);
                        break;
                    }
                    lines
                }
            };
            self.take_over(&piece, lines, &mut rest, printed);
        }
        rest
    }

    /// Tries whether the file takes lines again, and writes what waits.
    fn try_to_return(&mut self) {
        if !self.may_return() {
            return;
        }
        let Some(state) = self.fault else { return };
        let mut record = Record::new(Code::SysMonitorEnabled);
        record.outcome = Outcome::Success;
        record.rule = "security_log";
        record.reason = state.name();
        record.detail = Some(String::from("the file takes lines again; those that waited follow"));
        let mut probe = VecDeque::from([self.entry(record)]);
        let piece = self.encode(&probe);
        if self.append(&piece).is_err() {
            return;
        }
        self.take_over(&piece, 1, &mut probe, Printed::No);
        tracing::warn!("the security log's file takes lines again");
        self.fault = None;
        self.status.set_state(LogState::Ok);
        let held = self.queue.take_held();
        self.write(held, Printed::Yes);
    }

    fn may_return(&mut self) -> bool {
        let has_room = match (&mut self.reserve, self.fault) {
            (_, None | Some(LogState::Ok | LogState::Slow)) => false,
            (Some(reserve), Some(LogState::Full)) => reserve.fill(),
            (None, Some(LogState::Full)) => self.has_free_space(),
            (_, Some(LogState::Failing)) => match &mut self.file {
                Some(file) => file.reopen().is_ok(),
                None => true,
            },
        };
        self.show_reserve();
        has_room
    }

    fn has_free_space(&self) -> bool {
        let Some(file) = &self.file else { return true };
        file.free_bytes().is_ok_and(|free| free >= FREE_BYTES)
    }

    pub(crate) fn show_reserve(&self) {
        let bytes = self.reserve.as_ref().map_or(0, Reserve::bytes);
        self.status.reserve_bytes.store(bytes, Ordering::Relaxed);
    }
}
