//! One thing that is wrong with a log, and where.
//! Never: text of a record, which can hold personal data.

use std::fmt;
use std::path::PathBuf;

/// The kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// A line was changed.
    Edited,
    /// Lines are missing between others.
    Missing,
    /// A line has the number of an earlier one, or stands in another place.
    Reordered,
    /// A line was added.
    Inserted,
    /// The newest lines are missing.
    Truncated,
    /// The files are of another log.
    Replaced,
    /// The hashes are consistent, but no key of the log signed them.
    Resealed,
    /// A line has no members of the chain.
    Unsealed,
    /// A personal part was removed and no record says so.
    RedactedWithoutRecord,
}

impl FindingKind {
    /// The word that `portcullis audit verify` prints.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Reordered => "reordered",
            Self::Inserted => "inserted",
            Self::Truncated => "truncated",
            Self::Replaced => "replaced",
            Self::Resealed => "resealed",
            Self::Unsealed => "unsealed",
            Self::RedactedWithoutRecord => "redacted_without_record",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The kind of the finding.
    pub kind: FindingKind,
    /// The number of the line, or of the first line concerned.
    pub sequence: u64,
    /// The number of lines concerned, as far as it is known.
    pub lines: u64,
    /// The file, and the offset of the line in its uncompressed content.
    pub place: Option<(PathBuf, u64)>,
    /// The observation, in a sentence.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: line {}", self.kind.name(), self.sequence)?;
        if self.lines > 1 {
            write!(formatter, " and {} more", self.lines - 1)?;
        }
        if let Some((path, offset)) = &self.place {
            write!(formatter, ", {} at byte {offset}", path.display())?;
        }
        write!(formatter, ": {}", self.detail)
    }
}
