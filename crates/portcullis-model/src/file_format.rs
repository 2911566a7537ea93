//! The first line of a file that the server keeps: what the file is, and the version of its format.
//! Never: the rest of the file.

use std::error::Error;
use std::fmt;

/// The first line of a kind of files, such as `portcullis-clock 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFormat {
    /// The name of the kind, and the character before the version.
    start: &'static str,
    /// The version that this build reads and writes.
    version: u32,
}

/// The content of the first line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatMatch {
    /// The file is of this kind and version.
    Known,
    /// The file is of this kind, and a later version of the program wrote it.
    Later(LaterFormat),
    /// The file is of another kind, or damaged.
    Foreign,
}

/// The format of a file that a later version of the program wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaterFormat {
    /// The version in the file.
    pub seen: u32,
    /// The latest version that this build reads.
    pub known: u32,
}

impl FileFormat {
    /// The format of files that begin with `start`, with its space or tab, and the version.
    #[must_use]
    pub const fn new(start: &'static str, version: u32) -> Self {
        Self { start, version }
    }

    /// Compares the first line of a file, without its line end.
    #[must_use]
    pub fn compare(&self, line: &str) -> FormatMatch {
        let Some(word) = line.strip_prefix(self.start) else { return FormatMatch::Foreign };
        match word.parse::<u32>() {
            // A version has one valid form.
            Ok(seen) if seen.to_string() != word => FormatMatch::Foreign,
            Ok(seen) if seen == self.version => FormatMatch::Known,
            Ok(seen) if seen > self.version => {
                FormatMatch::Later(LaterFormat { seen, known: self.version })
            }
            Ok(_) | Err(_) => FormatMatch::Foreign,
        }
    }
}

/// The first line, without its line end.
impl fmt::Display for FileFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.start, self.version)
    }
}

/// Continues a text that names the file: `FILE has …`.
impl fmt::Display for LaterFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seen, known } = self;
        write!(formatter, "format {seen}, this version reads {known}: install a later version")
    }
}

impl Error for LaterFormat {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_names_this_version_or_a_later_one() {
        let format = FileFormat::new("portcullis-clock ", 2);
        assert_eq!(format.to_string(), "portcullis-clock 2");
        let later = |seen| FormatMatch::Later(LaterFormat { seen, known: 2 });
        for (line, expect) in [
            ("portcullis-clock 2", FormatMatch::Known),
            ("portcullis-clock 3", later(3)),
            ("portcullis-clock 4294967295", later(u32::MAX)),
            ("portcullis-clock 1", FormatMatch::Foreign),
            ("portcullis-clock 0", FormatMatch::Foreign),
            ("portcullis-clock 4294967296", FormatMatch::Foreign),
            ("portcullis-clock 03", FormatMatch::Foreign),
            ("portcullis-clock +3", FormatMatch::Foreign),
            ("portcullis-clock 3 ", FormatMatch::Foreign),
            ("portcullis-clock", FormatMatch::Foreign),
            ("portcullis-clock\t2", FormatMatch::Foreign),
            ("portcullis-alerts 2", FormatMatch::Foreign),
            ("", FormatMatch::Foreign),
        ] {
            assert_eq!(format.compare(line), expect, "{line:?}");
        }
    }

    #[test]
    fn later_format_says_what_to_do() {
        let later = LaterFormat { seen: 3, known: 2 };
        let expect = "format 3, this version reads 2: install a later version";
        assert_eq!(later.to_string(), expect);
    }
}
