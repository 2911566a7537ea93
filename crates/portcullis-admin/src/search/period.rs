//! A period, compared with the times of lines and with the names of files.
//! Never: the time zone of the machine.

use portcullis_audit::{LogFile, line_time, parse_utc, utc};

/// A file that began so long after the end of the period has no record of it. Records can wait
/// in memory while a disk is full, so a file can have older ones.
const LATE_MS: i64 = 24 * 3_600_000;
/// A clock that is set back can give a file a name that is too early.
const EARLY_MS: i64 = 60_000;

/// A period: from its first moment to the first moment after it, both optional.
#[derive(Debug, Clone, Default)]
pub struct Period {
    since: Option<Bound>,
    until: Option<Bound>,
}

/// A moment, as a number and as the log writes it.
#[derive(Debug, Clone)]
struct Bound {
    unix_ms: i64,
    text: String,
}

impl Bound {
    fn new(unix_ms: i64) -> Self {
        Self { unix_ms, text: utc(unix_ms) }
    }
}

impl Period {
    /// A period, in milliseconds since 1970.
    #[must_use]
    pub fn new(since_unix_ms: Option<i64>, until_unix_ms: Option<i64>) -> Self {
        Self { since: since_unix_ms.map(Bound::new), until: until_unix_ms.map(Bound::new) }
    }

    /// Whether a file can have records of the period.
    ///
    /// `before` is when the file before it was closed, as its name has it.
    #[must_use]
    pub fn can_have(&self, file: &LogFile, before: &str) -> bool {
        let end = closed_ms(&file.closed).map(|end| end.saturating_add(EARLY_MS));
        let since = self.since.as_ref().map(|since| since.unix_ms);
        let start = closed_ms(before).map(|start| start.saturating_sub(LATE_MS));
        let until = self.until.as_ref().map(|until| until.unix_ms);
        !matches!((end, since), (Some(end), Some(since)) if end < since)
            && !matches!((start, until), (Some(start), Some(until)) if start > until)
    }

    /// Whether a line is of the period. Times sort as their texts do.
    #[must_use]
    pub fn has(&self, line: &[u8]) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        line_time(line).is_some_and(|time| {
            self.since.as_ref().is_none_or(|since| time >= since.text.as_str())
                && self.until.as_ref().is_none_or(|until| time < until.text.as_str())
        })
    }
}

/// The time in the name of a closed file.
fn closed_ms(closed: &str) -> Option<i64> {
    let part = |range: std::ops::Range<usize>| closed.get(range);
    let text = format!(
        "{}-{}-{}T{}:{}:{}",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?
    );
    parse_utc(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_a_file_name_is_read() {
        assert_eq!(closed_ms("20270115T080000Z"), Some(1_800_000_000_000));
        assert_eq!(closed_ms(""), None);
    }

    #[test]
    fn second_of_a_bound_is_divided_by_its_milliseconds() {
        let line = br#"{"@timestamp":"2027-01-15T08:00:00.500Z","#;
        let at = 1_800_000_000_000;
        for (since, until, expect) in [
            (None, None, true),
            (Some(at), None, true),
            (Some(at + 500), None, true),
            (Some(at + 501), None, false),
            (None, Some(at + 501), true),
            (None, Some(at + 500), false),
            (None, Some(at), false),
        ] {
            assert_eq!(Period::new(since, until).has(line), expect, "{since:?} {until:?}");
        }
    }
}
