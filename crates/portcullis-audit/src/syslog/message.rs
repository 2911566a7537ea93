//! One line of the log as a syslog message (RFC 5424) with its length (RFC 5425).
//! Never: a change of the line; it is the message's text.

use memchr::memmem;

use crate::read::line_text::line_time;

/// `log audit` (RFC 5424, section 6.2.1).
const FACILITY: u8 = 13;
/// Longest HOSTNAME and MSGID (RFC 5424, section 6).
const HOST_MAX: usize = 255;
const NAME_MAX: usize = 32;
/// Highest `sequenceId` (RFC 5424, section 7.3.1); then it starts at 1 again.
const SEQUENCE_MAX: u64 = 2_147_483_647;

/// The parts of a message that are the same for all lines.
#[derive(Debug, Clone)]
pub(crate) struct MessageHeader {
    host: String,
    process: u32,
}

impl MessageHeader {
    pub(crate) fn new(host: &str, process: u32) -> Self {
        Self { host: printable(host, HOST_MAX), process }
    }

    /// Appends `LENGTH SP MESSAGE` (RFC 5425, section 4.3).
    pub(crate) fn append(&self, out: &mut Vec<u8>, sequence: u64, line: &[u8]) {
        let priority = FACILITY * 8 + severity(line);
        let name = member(line, b"\"code\":\"").unwrap_or_default();
        let name = printable(name, NAME_MAX);
        let time = line_time(line).unwrap_or("-");
        let id = sequence.saturating_sub(1) % SEQUENCE_MAX + 1;
        let Self { host, process } = self;
        let header = format!(
            "<{priority}>1 {time} {host} portcullis {process} {name} [meta sequenceId=\"{id}\"] "
        );
        out.extend_from_slice(format!("{} {header}", header.len() + line.len()).as_bytes());
        out.extend_from_slice(line);
    }
}

/// 6 informational, 4 warning, 2 critical (RFC 5424, section 6.2.1).
fn severity(line: &[u8]) -> u8 {
    match member(line, b"\"log\":{\"level\":\"") {
        Some("critical") => 2,
        Some("warning") => 4,
        Some(_) | None => 6,
    }
}

/// The value of the first member that begins so. Quotes in texts of clients are escaped.
fn member<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a str> {
    let rest = line.get(memmem::find(line, start)? + start.len()..)?;
    std::str::from_utf8(rest.get(..memchr::memchr(b'"', rest)?)?).ok()
}

/// Printable ASCII without spaces; `-` for an empty text (NILVALUE).
fn printable(text: &str, max: usize) -> String {
    let text: String = text.chars().filter(char::is_ascii_graphic).take(max).collect();
    if text.is_empty() { String::from("-") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(host: &str, sequence: u64, line: &str) -> String {
        let mut out = Vec::new();
        MessageHeader::new(host, 42).append(&mut out, sequence, line.as_bytes());
        String::from_utf8(out).unwrap()
    }

    // RFC 5424, section 6; RFC 5425, section 4.3. T-378
    #[test]
    fn t378_line_is_a_counted_message_of_the_audit_facility() {
        let line = concat!(
            r#"{"@timestamp":"2026-11-28T22:25:11.482Z","log":{"level":"critical"},"#,
            r#""event":{"code":"log_replaced"},"message":"é \"code\":\"x\""}"#
        );
        let sent = message("node-a", 7, line);
        let (length, text) = sent.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), text.len(), "octets, not characters");
        assert_eq!(
            text,
            format!(
                "<106>1 2026-11-28T22:25:11.482Z node-a portcullis 42 log_replaced \
                 [meta sequenceId=\"7\"] {line}"
            )
        );
    }

    #[test]
    fn header_has_no_separator_from_outside() {
        let long = "n".repeat(99);
        let sent = message("a b\nc\u{e9}", 2_147_483_648, &format!("{{\"code\":\"{long} x\"}}"));
        let expect =
            format!("<110>1 - abc portcullis 42 {} [meta sequenceId=\"1\"] {{", &long[..32]);
        assert!(sent.contains(&expect), "{sent}");
        assert!(message("", 1, "{}").contains("<110>1 - - portcullis 42 - [meta"));
    }
}
