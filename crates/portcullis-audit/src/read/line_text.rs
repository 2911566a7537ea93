//! The time and the number of a line, found without a JSON parser.
//! Never: a member of a text that a client sent; the log escapes quotes in texts.

use memchr::memmem;

const TIME_START: &[u8] = b"{\"@timestamp\":\"";
/// Length of a time: `2026-11-28T22:25:11.482Z`.
const TIME_CHARS: usize = 24;
const SEQUENCE: &[u8] = b"\"sequence\":";
/// The highest number of a line that is read. A log with a million lines a second reaches it after
/// 285 years: a higher one is damage, and the numbers after it would overflow.
pub(crate) const SEQUENCE_MAX: u64 = 1 << 53;

/// The time of a line, as text. Times sort as their texts do.
#[must_use]
pub fn line_time(line: &[u8]) -> Option<&str> {
    let time = line.strip_prefix(TIME_START)?.get(..TIME_CHARS)?;
    std::str::from_utf8(time).ok().filter(|time| time.ends_with('Z'))
}

/// The number of a line (`event.sequence`).
#[must_use]
pub fn line_sequence(line: &[u8]) -> Option<u64> {
    let start = memmem::find(line, SEQUENCE)? + SEQUENCE.len();
    let digits = line.get(start..)?;
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = std::str::from_utf8(digits.get(..count)?).ok()?.parse().ok();
    number.filter(|number| *number <= SEQUENCE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_number_are_read_from_the_members_of_the_log() {
        let line = concat!(
            r#"{"@timestamp":"2026-11-28T22:25:11.482Z","event":{"code":"x","sequence":42},"#,
            r#""message":"\"sequence\":7"}"#
        );
        let line = line.as_bytes();
        assert_eq!(line_time(line), Some("2026-11-28T22:25:11.482Z"));
        assert_eq!(line_sequence(line), Some(42));
        assert_eq!(line_sequence(b"\"sequence\":9007199254740992}"), Some(SEQUENCE_MAX));
        assert_eq!(line_sequence(b"\"sequence\":9007199254740993}"), None);
        for line in
            [&b""[..], b"{}", b"{\"@timestamp\":\"2026", b"\"sequence\":", b"\"sequence\":x"]
        {
            assert_eq!((line_time(line), line_sequence(line)), (None, None));
        }
    }
}
