//! The result of a verification: the findings, and the gaps of the proof.
//! Never: "sound" when a part of the proof is missing.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::super::note::SignedNote;
use super::finding::{Finding, FindingKind};

/// Most findings that are kept; all are counted.
const FINDINGS_MAX: usize = 100;

/// The first hundred findings, and the number of all findings.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    count: u64,
}

/// The reason why a verification cannot decide whether the log is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofGap {
    /// No line is of a chain.
    NoChain,
    /// No key was given.
    NoKey,
    /// The given keys are of other logs than this one.
    OtherKey(String),
    /// No note is signed by a known key.
    NoNote,
    /// These lines are not in the files, and no record says that retention removed them.
    FileMissing(RangeInclusive<u64>, Option<PathBuf>),
    /// The newest note is too old for a server that runs; it is of this time.
    OldNote(String),
    /// The note that was given is not signed by a key of this log.
    ForeignNote,
    /// The line that the given note states is not in the files at hand.
    NoteNotReached(u64),
}

/// Whether a log is as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every line is as it was written.
    Sound,
    /// The log was changed.
    Tampered,
    /// It cannot be said.
    Undecided,
}

/// The result of a verification.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    pub(super) findings: Findings,
    /// The gaps of the proof, beside the findings.
    pub undecided: Vec<ProofGap>,
    /// Lines read.
    pub lines: u64,
    /// Lines before the first one of a chain, written by an earlier version.
    pub unsealed_before: u64,
    /// The numbers of the first and the last line of the chain.
    pub range: Option<(u64, u64)>,
    /// The name of the log, the newest if there are several.
    pub log: Option<String>,
    /// Notes and certificates that are older than all known keys.
    pub unknown_notes: u64,
    /// The newest note whose signature holds.
    pub newest_note: Option<SignedNote>,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(finding);
        }
    }

    /// Takes back the last finding of a kind that concerns a line: a later line explains it.
    pub(super) fn retract(&mut self, kind: FindingKind, sequence: u64) {
        let concerns = |finding: &Finding| {
            finding.kind == kind
                && (finding.sequence..finding.sequence + finding.lines).contains(&sequence)
        };
        if let Some(at) = self.kept.iter().rposition(concerns) {
            let finding = self.kept.remove(at);
            self.count -= 1;
            // A gap of several lines is still there when one of them is found elsewhere.
            if finding.lines > 1 {
                let (sequence, lines) = if finding.sequence == sequence {
                    (sequence + 1, finding.lines - 1)
                } else {
                    (finding.sequence, finding.lines - 1)
                };
                self.add(Finding { sequence, lines, ..finding });
            }
        }
    }
}

impl VerifyReport {
    /// Whether the log is as it was written.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.findings.count > 0 {
            Verdict::Tampered
        } else if self.undecided.is_empty() {
            Verdict::Sound
        } else {
            Verdict::Undecided
        }
    }

    /// The first findings, in the order of the log.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings.kept
    }

    /// The number of findings.
    #[must_use]
    pub fn findings_count(&self) -> u64 {
        self.findings.count
    }
}

impl fmt::Display for ProofGap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChain => formatter.write_str("no line of the files is part of a hash chain"),
            Self::NoKey => formatter.write_str(
                "no key was given: the files are consistent, but any program can write such files; \
                 give the key that `portcullis audit key` printed, from where you keep it",
            ),
            Self::OtherKey(name) => {
                write!(formatter, "the files are of the log {name}, and no given key is of it")
            }
            Self::NoNote => formatter.write_str("no signed note is in the files at hand"),
            Self::FileMissing(lines, path) => {
                let (first, last) = (lines.start(), lines.end());
                write!(formatter, "lines {first} to {last} are not in the files at hand")?;
                if let Some(path) = path {
                    write!(formatter, " (before {})", path.display())?;
                }
                formatter.write_str(", and no record says that retention removed them")
            }
            Self::OldNote(time) => write!(
                formatter,
                "the newest signed note is of {time}: newer lines are missing, or the server \
                 does not run or cannot write"
            ),
            Self::ForeignNote => {
                formatter.write_str("the given note is not signed by a key of this log")
            }
            Self::NoteNotReached(sequence) => {
                write!(formatter, "line {sequence}, which the given note states, is not at hand")
            }
        }
    }
}
