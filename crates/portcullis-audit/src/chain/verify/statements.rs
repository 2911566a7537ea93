//! Statements of the chain: notes, certificates, removed and erased lines.
//! Never: belief in a statement that no trusted key signed.

use std::ops::RangeInclusive;

use super::super::epoch::EpochCertificate;
use super::super::hash::ChainHash;
use super::super::key::PublicKey;
use super::super::note::SignedNote;
use super::keys::{CertificateOutcome, LogKeys};
use super::members::{ChainRecord, label};

/// The fault of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatementFault {
    /// The record does not hold what such a record holds.
    Form,
    /// It states another number or hash than the line before has.
    OtherHead,
    /// No trusted key signed it.
    NotSigned,
}

impl StatementFault {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Form => "the record of the chain has another form than the server writes",
            Self::OtherHead => {
                "the signed statement names another hash: hashes before it were computed anew"
            }
            Self::NotSigned => "the signature is not of a key of this log",
        }
    }
}

/// The statements of one log.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) keys: LogKeys,
    /// The epoch in force, once it is known.
    epoch: Option<u64>,
    /// The newest note whose signature holds.
    pub(super) newest: Option<SignedNote>,
    /// Notes of epochs whose key is not known.
    pub(super) unknown: u64,
    /// Whether lines are missing, which may have certified keys.
    has_gap: bool,
}

/// Lines that a record says were removed or erased.
#[derive(Debug, Default)]
pub(super) struct AbsentLines {
    pub(super) removed: Vec<RangeInclusive<u64>>,
    pub(super) erased: Vec<RangeInclusive<u64>>,
    /// Lines that all erasures together changed.
    pub(super) erased_count: u64,
}

impl Statements {
    pub(super) fn new(name: &str, anchor: Option<PublicKey>) -> Self {
        Self {
            keys: LogKeys::new(name, anchor),
            epoch: None,
            newest: None,
            unknown: 0,
            has_gap: false,
        }
    }

    /// Reads the certificates that are kept beside the log.
    pub(super) fn add_certificates(&mut self, text: &str) {
        let mut is_own = false;
        for line in text.lines() {
            match line.strip_prefix("log ") {
                Some(name) => is_own = name == self.keys.name(),
                None if is_own => {
                    // One that does not hold adds no key; the records of the log tell the rest.
                    if let Some(certificate) = EpochCertificate::parse(line) {
                        let _added = self.keys.add(&certificate);
                    }
                }
                None => {}
            }
        }
    }

    /// Lines are missing before the next one.
    pub(super) fn skip_lines(&mut self) {
        self.epoch = None;
        self.has_gap = true;
    }

    /// Reads a note in a record. `last` is the number of the line before, `hashes` its possible
    /// hashes; none when that line is missing.
    pub(super) fn take_note(
        &mut self,
        public: &[u8],
        last: u64,
        hashes: Option<&[ChainHash]>,
    ) -> Result<(), StatementFault> {
        let note = label(public, "note").ok_or(StatementFault::Form)?;
        let signed: SignedNote = note.parse().map_err(|_| StatementFault::Form)?;
        let note = &signed.note;
        if note.name != self.keys.name() || self.epoch.is_some_and(|epoch| epoch != note.epoch) {
            return Err(StatementFault::NotSigned);
        }
        match self.keys.key(note.epoch) {
            None if self.may_be_unknown(note.epoch) => self.unknown += 1,
            None => return Err(StatementFault::NotSigned),
            Some(key) if !signed.is_signed_by(key) => return Err(StatementFault::NotSigned),
            Some(_) if note.sequence != last || !is_one_of(&note.head, hashes) => {
                return Err(StatementFault::OtherHead);
            }
            Some(_) => {
                self.epoch = Some(note.epoch);
                self.newest = Some(signed);
            }
        }
        Ok(())
    }

    /// Reads the certificate of the next epoch's key in a record.
    pub(super) fn take_certificate(
        &mut self,
        public: &[u8],
        last: u64,
        hashes: Option<&[ChainHash]>,
    ) -> Result<(), StatementFault> {
        let text = label(public, "certificate").ok_or(StatementFault::Form)?;
        let certificate = EpochCertificate::parse(&text).ok_or(StatementFault::Form)?;
        if self.epoch.is_some_and(|epoch| certificate.epoch != epoch + 1) {
            return Err(StatementFault::NotSigned);
        }
        match self.keys.add(&certificate) {
            CertificateOutcome::Trusted => {}
            CertificateOutcome::Unknown => {
                self.unknown += 1;
                return Ok(());
            }
            CertificateOutcome::Invalid
                if self.has_gap && self.keys.key(certificate.epoch).is_none() =>
            {
                self.unknown += 1;
                return Ok(());
            }
            CertificateOutcome::Invalid => return Err(StatementFault::NotSigned),
        }
        if certificate.sequence != last || !is_one_of(&certificate.head, hashes) {
            return Err(StatementFault::OtherHead);
        }
        self.epoch = Some(certificate.epoch);
        Ok(())
    }

    /// Whether the key of an epoch can be unknown though nothing was changed.
    fn may_be_unknown(&self, epoch: u64) -> bool {
        self.keys.is_empty() || self.keys.is_before(epoch) || self.has_gap
    }
}

fn is_one_of(head: &ChainHash, hashes: Option<&[ChainHash]>) -> bool {
    hashes.is_none_or(|hashes| hashes.contains(head))
}

impl AbsentLines {
    /// Reads the numbers in a record of removed or erased lines.
    pub(super) fn take(&mut self, record: ChainRecord, public: &[u8]) {
        let number = |name| label(public, name).and_then(|text| text.parse::<u64>().ok());
        let (Some(first), Some(last)) = (number("first"), number("last")) else { return };
        match record {
            ChainRecord::Removed => self.removed.push(first..=last),
            ChainRecord::Erased => {
                self.erased.push(first..=last);
                self.erased_count += number("count").unwrap_or_default();
            }
            ChainRecord::Checkpoint | ChainRecord::Epoch => {}
        }
    }

    /// Whether records say that all these lines were removed.
    pub(super) fn has_removed(&self, lines: &RangeInclusive<u64>) -> bool {
        let mut next = *lines.start();
        let mut removed: Vec<_> = self.removed.iter().collect();
        removed.sort_by_key(|range| *range.start());
        for range in removed {
            if *range.start() <= next {
                next = next.max(range.end().saturating_add(1));
            }
        }
        next > *lines.end()
    }

    /// Whether a record says that this line, the last before those at hand, was removed.
    pub(super) fn ends_at(&self, line: u64) -> bool {
        self.removed.iter().any(|range| range.contains(&line))
    }
}
