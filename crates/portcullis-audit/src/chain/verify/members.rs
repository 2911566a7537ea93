//! The members of a line that the verifier reads: number, code, chain, labels.
//! Never: text of a client for a member; quotes inside texts are escaped, so these are not.

use memchr::memmem;

/// Whether a line can be one of these records is found fast; only then it is parsed as a whole.
const CODES: [&[u8]; 4] = [
    b"\"code\":\"log_checkpoint\"",
    b"\"code\":\"log_epoch\"",
    b"\"code\":\"log_removed\"",
    b"\"code\":\"log_erased\"",
];

/// A record that says something about the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainRecord {
    Checkpoint,
    Epoch,
    Removed,
    Erased,
}

/// Finds members in the public part of lines.
#[derive(Debug)]
pub(crate) struct Members {
    code: memmem::Finder<'static>,
    chain: memmem::Finder<'static>,
}

impl Members {
    pub(crate) fn new() -> Self {
        Self {
            code: memmem::Finder::new("\"code\":\"log_"),
            chain: memmem::Finder::new("\"chain\":{\"log\":\""),
        }
    }

    /// The chain record of the line, if it is one.
    pub(crate) fn record(&self, public: &[u8]) -> Option<ChainRecord> {
        let at = self.code.find(public)?;
        let rest = public.get(at..)?;
        let kind = CODES.iter().position(|code| rest.starts_with(code))?;
        match kind {
            0 => Some(ChainRecord::Checkpoint),
            1 => Some(ChainRecord::Epoch),
            2 => Some(ChainRecord::Removed),
            _ => Some(ChainRecord::Erased),
        }
    }

    /// The log that the line begins or continues in a new file, and the hash before it.
    pub(crate) fn chain<'a>(&self, public: &'a [u8]) -> Option<(&'a str, &'a [u8])> {
        let at = self.chain.find(public)? + self.chain.needle().len();
        let rest = public.get(at..)?;
        let end = memchr::memchr(b'"', rest)?;
        let (log, rest) = rest.split_at_checked(end)?;
        let rest = rest.strip_prefix(b"\",\"previous\":\"")?;
        let end = memchr::memchr(b'"', rest)?;
        Some((std::str::from_utf8(log).ok()?, rest.get(..end)?))
    }
}

/// A text among the labels of a line; its JSON escapes are undone.
pub(crate) fn label(public: &[u8], name: &str) -> Option<String> {
    let key = format!("\"{name}\":\"");
    let labels = memmem::find(public, b"\"labels\":{")?;
    let rest = public.get(labels..)?;
    let at = memmem::find(rest, key.as_bytes())? + key.len();
    let rest = rest.get(at..)?;
    let mut end = 0;
    loop {
        match rest.get(end)? {
            b'"' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    unescape(std::str::from_utf8(rest.get(..end)?).ok()?)
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match rest.next()? {
            'n' => out.push('\n'),
            'u' => {
                let digits: String = rest.by_ref().take(4).collect();
                out.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
            }
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::line_text::line_sequence;

    const LINE: &[u8] = concat!(
        r#"{"log":{"level":"info"},"event":{"code":"log_checkpoint","#,
        r#""action":"\"sequence\":9","sequence":184467},"#,
        r#""labels":{"note":"a\n\u2014 b\"c"},"chain":{"log":"7q","previous":"abc"}"#,
    )
    .as_bytes();

    #[test]
    fn members_are_found_and_escaped_text_is_not_taken_for_one() {
        let members = Members::new();
        // The text of the action is escaped, so its quotes have backslashes.
        assert_eq!(line_sequence(LINE), Some(184_467));
        assert_eq!(members.record(LINE), Some(ChainRecord::Checkpoint));
        assert_eq!(members.chain(LINE), Some(("7q", &b"abc"[..])));
        assert_eq!(label(LINE, "note").as_deref(), Some("a\n\u{2014} b\"c"));
        assert_eq!(label(LINE, "other"), None);
        assert_eq!(members.record(b"{}"), None);
    }
}
