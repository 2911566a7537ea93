//! Finds the last sequence number in the log's files.
//! Never: holds more than the end of a file in memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::GzDecoder;

use crate::files::path::with_suffix;
use crate::files::segment::{Naming, Segment};
use crate::read::line_reader::is_damage;
use crate::read::line_text::SEQUENCE_MAX;

/// Bytes that are read at the start or end of a file; a line is shorter.
pub(crate) const TAIL_BYTES: u64 = 64 * 1024;

/// The highest number in the newest closed file, or in a file that another program renamed.
pub(crate) fn last_in_older_files(log: &Path) -> io::Result<u64> {
    let mut last = 0;
    if let Some(newest) = Naming::of(log).list()?.pop() {
        last = match last_in_segment(&newest) {
            Ok(last) => last.unwrap_or(newest.first),
            // A damaged file does not keep the server from starting.
            Err(error) if is_damage(&error) => newest.first,
            Err(error) => return Err(error),
        };
    }
    // The name that `logrotate` gives the file.
    match File::open(with_suffix(log, ".1")) {
        Ok(file) => Ok(last.max(last_in_plain(file)?)),
        Err(_) => Ok(last),
    }
}

/// The number of the last line of a closed file; `None` if its end has no number.
///
/// A compressed file is read as a whole: about 0.2 s for 64 MiB.
pub(crate) fn last_in_segment(segment: &Segment) -> io::Result<Option<u64>> {
    let file = File::open(&segment.path)?;
    let last = if segment.compressed { last_in_compressed(file)? } else { last_in_plain(file)? };
    Ok(Some(last).filter(|last| *last >= segment.first))
}

/// The last valid number in a text. A client's text cannot contain it: its quotes are escaped.
pub(crate) fn last_in_text(text: &str) -> Option<u64> {
    text.rmatch_indices("\"sequence\":").find_map(|(at, member)| {
        let digits = text.get(at + member.len()..)?;
        let end = digits.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let number = digits.get(..end)?.parse().ok();
        number.filter(|number| *number <= SEQUENCE_MAX)
    })
}

/// Reads up to [`TAIL_BYTES`] as text.
pub(crate) fn read_text(file: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads the last [`TAIL_BYTES`] of a file of `length` bytes as text.
pub(crate) fn read_tail(mut file: &File, length: u64) -> io::Result<String> {
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    read_text(file)
}

fn last_in_plain(file: File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    Ok(last_in_text(&read_tail(&file, length)?).unwrap_or(0))
}

fn last_in_compressed(file: File) -> io::Result<u64> {
    let mut lines = GzDecoder::new(file);
    let (mut tail, mut next) = (Vec::new(), vec![0; TAIL_BYTES as usize]);
    loop {
        let count = lines.read(&mut next)?;
        if count == 0 {
            return Ok(last_in_text(&String::from_utf8_lossy(&tail)).unwrap_or(0));
        }
        let surplus = (tail.len() + count).saturating_sub(TAIL_BYTES as usize);
        tail.drain(..surplus.min(tail.len()));
        tail.extend_from_slice(next.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_that_no_log_reaches_is_skipped() {
        let line = |number: &str| format!("{{\"event\":{{\"sequence\":{number}}}}}\n");
        for (numbers, expect) in [
            (&["7", "8"][..], Some(8)),
            (&["7", "9007199254740992"], Some(SEQUENCE_MAX)),
            // The next number would overflow, or it does so already.
            (&["7", "18446744073709551615"], Some(7)),
            (&["7", "99999999999999999999"], Some(7)),
            (&["7", ""], Some(7)),
            (&["18446744073709551615"], None),
            (&[], None),
        ] {
            let text: String = numbers.iter().map(|number| line(number)).collect();
            assert_eq!(last_in_text(&text), expect, "{numbers:?}");
        }
        assert_eq!(last_in_text("42}\n"), None, "the member is cut off");
    }
}
