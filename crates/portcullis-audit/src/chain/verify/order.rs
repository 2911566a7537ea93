//! The order of lines: each follows from the one before by its number and its hash.
//! Never: a signature; hashes alone prove nothing, because an attacker can compute them anew.

use std::ops::RangeInclusive;

use super::super::hash::ChainHash;
use super::super::line::SealedLine;

/// Most possible hashes of one line that are tried.
const HASHES_MAX: usize = 3;

/// The position of a line in relation to the lines before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It follows from the line before.
    Follows,
    /// The first line seen; the hash before it is unknown.
    Start,
    /// Its number follows, its hash does not.
    Edited,
    /// These numbers are missing before it.
    Gap(RangeInclusive<u64>),
    /// It was missing before, and stands here. The finding of the gap becomes this.
    Reordered,
    /// The line before it was added between two that follow from each other.
    BeforeInserted,
    /// Its number was seen before.
    Inserted,
}

/// A line that may have been added, until the next one tells.
#[derive(Debug)]
struct Suspect {
    sequence: u64,
    public: Vec<u8>,
    commitment: ChainHash,
    hash: ChainHash,
    /// The number and the possible hashes before it.
    last: u64,
    before: Vec<ChainHash>,
}

/// The state after each line.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The number of the last line; none before the first.
    last: Option<u64>,
    /// The hash of the last line. After an edited line there are two: the one that it states and
    /// the one that it has.
    before: Vec<ChainHash>,
    suspect: Option<Suspect>,
    gaps: Vec<RangeInclusive<u64>>,
}

impl Order {
    /// The number of the last line.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// The possible hashes of the last line.
    pub(super) fn hashes(&self) -> &[ChainHash] {
        &self.before
    }

    /// A new log begins: its first line follows from `start`, its numbers go on.
    pub(super) fn begin_log(&mut self, start: ChainHash) {
        self.before = vec![start];
        self.suspect = None;
    }

    /// Takes the next line. `previous` is the hash before it that the first line of a file states.
    pub(super) fn take(
        &mut self,
        sequence: u64,
        line: &SealedLine<'_>,
        previous: Option<ChainHash>,
    ) -> Step {
        let Some(last) = self.last else {
            self.before = previous.into_iter().chain(self.before.first().copied()).collect();
            let is_known = !self.before.is_empty();
            let step = self.follow(sequence, line);
            return if is_known { step } else { Step::Start };
        };
        if sequence <= last {
            return self.take_earlier(sequence, line);
        }
        if sequence > last + 1 {
            let gap = last + 1..=sequence - 1;
            self.suspect = Some(self.suspect_of(sequence, line, last));
            self.gaps.push(gap.clone());
            self.last = Some(sequence);
            let is_edited = previous.is_some_and(|previous| line.expected(&previous) != line.hash);
            self.before = vec![line.hash];
            return if is_edited { Step::Edited } else { Step::Gap(gap) };
        }
        let is_joined = previous.is_none_or(|previous| self.before.contains(&previous));
        match self.follow(sequence, line) {
            Step::Follows if !is_joined => Step::Edited,
            step => step,
        }
    }

    /// A line with the next number, or the first.
    fn follow(&mut self, sequence: u64, line: &SealedLine<'_>) -> Step {
        let last = self.last.replace(sequence).unwrap_or_default();
        let commitment = line.commitment();
        let expected = |before: &ChainHash| before.next(line.public, &commitment);
        if self.before.iter().any(|before| expected(before) == line.hash) {
            self.before.clear();
            self.before.push(line.hash);
            self.suspect = None;
            return Step::Follows;
        }
        self.suspect = Some(self.suspect_of(sequence, line, last));
        let has = self.before.iter().map(expected);
        self.before = std::iter::once(line.hash).chain(has).take(HASHES_MAX).collect();
        Step::Edited
    }

    /// A line whose number is not above the last one.
    fn take_earlier(&mut self, sequence: u64, line: &SealedLine<'_>) -> Step {
        if let Some(suspect) = self.suspect.take() {
            let follows = sequence == suspect.last + 1
                && suspect.before.iter().any(|before| line.expected(before) == line.hash);
            if follows {
                let commitment = suspect.commitment;
                let is_swapped = suspect.sequence == sequence + 1
                    && line.hash.next(&suspect.public, &commitment) == suspect.hash;
                self.gaps.retain(|gap| !gap.contains(&sequence));
                if is_swapped {
                    self.before = vec![suspect.hash];
                    return Step::Reordered;
                }
                self.last = Some(sequence);
                self.before = vec![line.hash];
                return Step::BeforeInserted;
            }
        }
        match self.gaps.iter().position(|gap| gap.contains(&sequence)) {
            Some(at) => {
                let gap = self.gaps.swap_remove(at);
                let rest = [*gap.start()..=sequence.saturating_sub(1), sequence + 1..=*gap.end()];
                self.gaps.extend(rest.into_iter().filter(|rest| !rest.is_empty()));
                Step::Reordered
            }
            None => Step::Inserted,
        }
    }

    fn suspect_of(&self, sequence: u64, line: &SealedLine<'_>, last: u64) -> Suspect {
        Suspect {
            sequence,
            public: line.public.to_vec(),
            commitment: line.commitment(),
            hash: line.hash,
            last,
            before: self.before.clone(),
        }
    }
}
