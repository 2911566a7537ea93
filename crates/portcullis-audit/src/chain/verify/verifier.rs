//! Verifies the lines of a log in their order: numbers, hashes, signatures.
//! Never: a stop at the first finding; what follows it is verified as far as it can be.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::super::hash::ChainHash;
use super::super::key::VerifierKey;
use super::super::line::{Personal, SealedLine};
use super::super::note::SignedNote;
use super::finding::{Finding, FindingKind};
use super::members::{ChainRecord, Members};
use super::order::{Order, Step};
use super::report::{Findings, ProofGap, VerifyReport};
use super::statements::{AbsentLines, Statements};
use crate::read::line_text::line_sequence;
use crate::record::timestamp::utc;

/// With `now_unix_ms`, the newest note may be so old.
const NOTE_AGE_MAX_MS: i64 = 180_000;

/// The keys, notes and times against which a log is verified.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// Keys that the operator keeps elsewhere, one for each log. Without one nothing is proved.
    pub keys: Vec<VerifierKey>,
    /// A note that was kept elsewhere: the log must have its line.
    pub note: Option<SignedNote>,
    /// The time, if the log is of a server that runs: then its newest note must be fresh.
    pub now_unix_ms: Option<i64>,
    /// The certificates of all epochs, as the server keeps them in `audit-chain.keys`.
    pub certificates: String,
}

/// Verifies a log: give it all files in their order, all lines of each, then finish.
#[derive(Debug)]
pub struct Verifier {
    options: VerifyOptions,
    members: Members,
    place: Place,
    order: Order,
    log: Option<Statements>,
    gone: AbsentLines,
    findings: Findings,
    /// Gaps at the border of two files, and where.
    between_files: Vec<(RangeInclusive<u64>, Place)>,
    erased: Vec<RangeInclusive<u64>>,
    progress: Progress,
}

/// A file and the offset of a line in it.
type Place = Option<(PathBuf, u64)>;

/// The progress of a verification.
#[derive(Debug)]
struct Progress {
    /// Whether the next line is the first of a file.
    is_first_of_file: bool,
    /// The number of the first line of a chain.
    first: Option<u64>,
    lines: u64,
    unsealed_before: u64,
    /// Whether the line of the operator's note was read.
    note_seen: bool,
}

impl Verifier {
    /// A verifier that has read nothing.
    #[must_use]
    pub fn new(options: VerifyOptions) -> Self {
        Self {
            options,
            members: Members::new(),
            place: None,
            order: Order::default(),
            log: None,
            gone: AbsentLines::default(),
            findings: Findings::default(),
            between_files: Vec::new(),
            erased: Vec::new(),
            progress: Progress {
                is_first_of_file: true,
                first: None,
                lines: 0,
                unsealed_before: 0,
                note_seen: false,
            },
        }
    }

    /// The next lines are of this file.
    pub fn begin_file(&mut self, path: &Path) {
        self.place = Some((path.to_owned(), 0));
        self.progress.is_first_of_file = true;
    }

    /// Verifies the next line, which has no line end; `offset` is where it starts in the file.
    pub fn line(&mut self, bytes: &[u8], offset: u64) {
        if let Some((_, at)) = &mut self.place {
            *at = offset;
        }
        self.progress.lines += 1;
        let line = SealedLine::parse(bytes);
        let sequence = line.as_ref().and_then(|line| line_sequence(line.public));
        match (line, sequence) {
            (Some(line), Some(sequence)) => self.sealed(sequence, &line),
            (_, _) if self.progress.first.is_none() => self.progress.unsealed_before += 1,
            (_, _) => {
                let next = self.order.last().unwrap_or_default() + 1;
                let detail = "the line has not the form of a line of the chain";
                self.add(FindingKind::Unsealed, next, 1, detail);
            }
        }
        self.progress.is_first_of_file = false;
    }

    /// The rest of the file cannot be read, because its compression is damaged.
    pub(crate) fn damaged(&mut self, error: &io::Error) {
        let next = self.order.last().unwrap_or_default() + 1;
        let detail = format!("the rest of the compressed file is damaged: {error}");
        self.add(FindingKind::Edited, next, 1, &detail);
    }

    fn sealed(&mut self, sequence: u64, line: &SealedLine<'_>) {
        let chain = self.members.chain(line.public);
        let previous = chain.and_then(|(_, hash)| ChainHash::parse(hash));
        if let Some((name, _)) = chain {
            self.enter_log(name, sequence, previous);
        }
        self.progress.first.get_or_insert(sequence);
        let (last, hashes) = (self.order.last(), self.order.hashes().to_vec());
        let step = self.order.take(sequence, line, previous);
        if let (Step::Gap(_) | Step::Start, Some(log)) = (&step, &mut self.log) {
            log.skip_lines();
        }
        let is_in_order = self.judge(sequence, last, &step);
        if let Personal::Erased(_) = line.personal {
            self.add_erased(sequence);
        }
        if let Some(note) = &self.options.note
            && note.note.sequence == sequence
            && is_in_order
        {
            self.progress.note_seen = true;
            if note.note.head != line.hash {
                let detail = "the note that was kept elsewhere states another hash for this line";
                self.add(FindingKind::Resealed, sequence, 1, detail);
            }
        }
        if let Some(record) = self.members.record(line.public).filter(|_| is_in_order) {
            let is_after_gap = matches!(step, Step::Gap(_) | Step::Start);
            let hashes = if hashes.is_empty() { previous.into_iter().collect() } else { hashes };
            let hashes = Some(&*hashes).filter(|_| !is_after_gap);
            self.take_record(record, sequence, line.public, hashes);
        }
    }

    /// The first line of a file, or of a log, names the log.
    fn enter_log(&mut self, name: &str, sequence: u64, previous: Option<ChainHash>) {
        if self.log.as_ref().is_some_and(|log| log.keys.name() == name) {
            return;
        }
        let key = self.options.keys.iter().find(|key| key.name() == name);
        let mut statements = Statements::new(name, key.map(|key| *key.key()));
        statements.add_certificates(&self.options.certificates);
        let start = ChainHash::start(name.as_bytes());
        if let Some(former) = self.log.replace(statements) {
            self.order.begin_log(start);
            let has_key = self.options.keys.iter().any(|key| key.name() == former.keys.name());
            if key.is_none() && has_key {
                let detail = format!(
                    "another log starts here, {name}, and no key of it was given; if the server \
                     recorded log_truncated here, verify with that log's key as well"
                );
                self.add(FindingKind::Replaced, sequence, 1, &detail);
            }
        } else if previous == Some(start) {
            self.order.begin_log(start);
        }
    }

    /// Adds what is wrong with the place of a line; `true` if its records are of use.
    fn judge(&mut self, sequence: u64, last: Option<u64>, step: &Step) -> bool {
        match step {
            Step::Follows => true,
            Step::Start => {
                let detail = "the first lines of this file are missing";
                self.add(FindingKind::Missing, sequence.saturating_sub(1), 1, detail);
                true
            }
            Step::Edited => {
                self.add(FindingKind::Edited, sequence, 1, "its hash does not follow");
                true
            }
            Step::Gap(lines) if self.progress.is_first_of_file => {
                self.between_files.push((lines.clone(), self.place.clone()));
                true
            }
            Step::Gap(lines) => {
                let count = lines.end() - lines.start() + 1;
                self.add(FindingKind::Missing, *lines.start(), count, "numbers are left out here");
                true
            }
            Step::Reordered => {
                self.findings.retract(FindingKind::Missing, sequence);
                self.add(FindingKind::Reordered, sequence, 1, "the line stands in another place");
                false
            }
            Step::BeforeInserted => {
                let last = last.unwrap_or_default();
                self.findings.retract(FindingKind::Edited, last);
                self.findings.retract(FindingKind::Missing, sequence);
                let detail = "the line before this one was added: this one follows without it";
                self.add(FindingKind::Inserted, last, 1, detail);
                true
            }
            Step::Inserted => {
                self.add(FindingKind::Inserted, sequence, 1, "its number was there before");
                false
            }
        }
    }

    fn take_record(
        &mut self,
        record: ChainRecord,
        sequence: u64,
        public: &[u8],
        hashes: Option<&[ChainHash]>,
    ) {
        let before = sequence.saturating_sub(1);
        let Some(log) = &mut self.log else { return };
        let taken = match record {
            ChainRecord::Checkpoint => log.take_note(public, before, hashes),
            ChainRecord::Epoch => log.take_certificate(public, before, hashes),
            ChainRecord::Removed | ChainRecord::Erased => {
                self.gone.take(record, public);
                Ok(())
            }
        };
        if let Err(fault) = taken {
            self.add(FindingKind::Resealed, sequence, 1, fault.sentence());
        }
    }

    fn add_erased(&mut self, sequence: u64) {
        match self.erased.last_mut() {
            Some(range) if range.end() + 1 == sequence => *range = *range.start()..=sequence,
            Some(_) | None => self.erased.push(sequence..=sequence),
        }
    }

    fn add(&mut self, kind: FindingKind, sequence: u64, lines: u64, detail: &str) {
        let (place, detail) = (self.place.clone(), String::from(detail));
        self.findings.add(Finding { kind, sequence, lines, place, detail });
    }

    /// The result, after all lines of all files.
    #[must_use]
    pub fn finish(mut self) -> VerifyReport {
        self.place = None;
        let mut undecided = Vec::new();
        self.finish_gaps(&mut undecided);
        self.finish_erased();
        self.finish_note(&mut undecided);
        let log = self.log.as_ref();
        let newest = log.and_then(|log| log.newest.clone());
        match log {
            None => undecided.push(ProofGap::NoChain),
            Some(_) if self.options.keys.is_empty() => undecided.push(ProofGap::NoKey),
            Some(log) if !log.keys.is_anchored() => {
                undecided.push(ProofGap::OtherKey(String::from(log.keys.name())));
            }
            Some(log) if log.newest.is_none() => undecided.push(ProofGap::NoNote),
            Some(_) => {}
        }
        if let (Some(now), Some(note)) = (self.options.now_unix_ms, &newest)
            && note.note.time < utc(now - NOTE_AGE_MAX_MS)
        {
            undecided.push(ProofGap::OldNote(note.note.time.clone()));
        }
        VerifyReport {
            findings: self.findings,
            undecided,
            lines: self.progress.lines,
            unsealed_before: self.progress.unsealed_before,
            range: self.progress.first.zip(self.order.last()),
            log: log.map(|log| String::from(log.keys.name())),
            unknown_notes: log.map_or(0, |log| log.unknown),
            newest_note: newest,
        }
    }

    fn finish_gaps(&mut self, undecided: &mut Vec<ProofGap>) {
        for (lines, place) in std::mem::take(&mut self.between_files) {
            if !self.gone.has_removed(&lines) {
                undecided.push(ProofGap::FileMissing(lines, place.map(|(path, _)| path)));
            }
        }
        if let Some(first) = self.progress.first.filter(|first| *first > 1)
            && self.progress.unsealed_before == 0
            && !self.gone.ends_at(first - 1)
        {
            undecided.push(ProofGap::FileMissing(1..=first - 1, None));
        }
    }

    fn finish_erased(&mut self) {
        let lines: u64 = self.erased.iter().map(|range| range.end() - range.start() + 1).sum();
        let uncovered = self.erased.iter().find(|lines| {
            let covers = |range: &RangeInclusive<u64>| {
                range.contains(lines.start()) && range.contains(lines.end())
            };
            !self.gone.erased.iter().any(covers)
        });
        let first = uncovered.map(|range| *range.start());
        let first = first.or_else(|| {
            let is_too_many = lines > self.gone.erased_count;
            self.erased.first().map(|range| *range.start()).filter(|_| is_too_many)
        });
        if let Some(first) = first {
            let detail = "personal parts are missing and no record log_erased covers them";
            self.add(FindingKind::RedactedWithoutRecord, first, lines, detail);
        }
    }

    /// The note that was kept elsewhere.
    fn finish_note(&mut self, undecided: &mut Vec<ProofGap>) {
        let (Some(note), Some(log)) = (self.options.note.clone(), &self.log) else { return };
        let is_signed = log.keys.key(note.note.epoch).is_some_and(|key| note.is_signed_by(key));
        if note.note.name != log.keys.name() || !is_signed {
            undecided.push(ProofGap::ForeignNote);
            return;
        }
        let last = self.order.last().unwrap_or_default();
        if note.note.sequence > last {
            let lines = note.note.sequence - last;
            let detail = "the note that was kept elsewhere states that there were more lines";
            self.add(FindingKind::Truncated, last + 1, lines, detail);
        } else if !self.progress.note_seen {
            undecided.push(ProofGap::NoteNotReached(note.note.sequence));
        }
    }
}
