//! The attributes of a tag, as a browser reads them (HTML Standard, section 13.2.5).
//! Never: a decoded value; values are kept as they were written.

use memchr::memchr;

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    /// Without its quotes; empty when there is none.
    pub(crate) value: &'a str,
    pub(crate) has_value: bool,
}

/// Reads the attributes after the name of a tag.
pub(crate) struct Attributes<'a> {
    source: &'a str,
    at: usize,
    end: Option<usize>,
}

impl<'a> Attributes<'a> {
    /// `from` is where the name of the tag ends.
    pub(crate) fn new(source: &'a str, from: usize) -> Self {
        Self { source, at: from, end: None }
    }

    /// The position after the `>` of the tag; `None` for a tag that does not end. Call it last.
    pub(crate) fn end(&self) -> Option<usize> {
        self.end
    }

    /// How far the text has been read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn skip_while(&mut self, skipped: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&skipped) {
            self.at += 1;
        }
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.source.get(from..to).unwrap_or_default()
    }

    fn value(&mut self) -> &'a str {
        self.skip_while(is_space);
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => {
                let from = self.at + 1;
                let rest = self.source.as_bytes().get(from..).unwrap_or_default();
                let length = memchr(quote, rest);
                let to = length.map_or(self.source.len(), |length| from + length);
                self.at = length.map_or(to, |_| to + 1);
                self.slice(from, to)
            }
            Some(_) | None => {
                let from = self.at;
                self.skip_while(|byte| !is_space(byte) && byte != b'>');
                self.slice(from, self.at)
            }
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        if self.end.is_some() {
            return None;
        }
        self.skip_while(|byte| is_space(byte) || byte == b'/');
        match self.peek() {
            None => return None,
            Some(b'>') => {
                self.at += 1;
                self.end = Some(self.at);
                return None;
            }
            Some(_) => {}
        }
        let from = self.at;
        // A name may begin with `=`.
        self.at += 1;
        self.skip_while(|byte| !is_space(byte) && !matches!(byte, b'/' | b'>' | b'='));
        let name = self.slice(from, self.at);
        self.skip_while(is_space);
        if self.peek() != Some(b'=') {
            return Some(Attribute { name, value: "", has_value: false });
        }
        self.at += 1;
        Some(Attribute { name, value: self.value(), has_value: true })
    }
}

/// Whether a byte separates attributes.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r')
}

/// Longest name of a tag that is read, in bytes.
const NAME_MAX_BYTES: usize = 128;

/// Reads the name of a tag: from a letter up to a byte that can follow a name.
pub(crate) fn tag_name(text: &str) -> Option<&str> {
    let start = text.bytes().take(NAME_MAX_BYTES + 1);
    let length = start.into_iter().position(|byte| is_space(byte) || matches!(byte, b'/' | b'>'));
    let name = match length {
        Some(length) => text.get(..length)?,
        None if text.len() > NAME_MAX_BYTES => return None,
        None => text,
    };
    name.starts_with(|letter: char| letter.is_ascii_alphabetic()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn read(source: &str) -> (Vec<(&str, &str)>, Option<usize>) {
        let mut attributes = Attributes::new(source, 0);
        let found = attributes.by_ref().map(|each| (each.name, each.value)).collect();
        (found, attributes.end())
    }

    #[test]
    fn attributes_are_read_as_a_browser_reads_them() {
        let cases: [(&str, Pairs<'_>, Option<usize>); 13] = [
            (">x", &[], Some(1)),
            ("", &[], None),
            (" / >", &[], Some(4)),
            (" a>", &[("a", "")], Some(3)),
            (" a=b c>", &[("a", "b"), ("c", "")], Some(7)),
            ("/a=b/c>", &[("a", "b/c")], Some(7)),
            (" a = 'x>y' b=\"'\">", &[("a", "x>y"), ("b", "'")], Some(17)),
            (" a=>", &[("a", "")], Some(4)),
            (" =\"\" b=1>", &[("=\"\"", ""), ("b", "1")], Some(9)),
            (" \"\"\">", &[("\"\"\"", "")], Some(5)),
            (" a=b", &[("a", "b")], None),
            (" a=\"b c>", &[("a", "b c>")], None),
            (" \u{e9}=\u{e9}>", &[("\u{e9}", "\u{e9}")], Some(7)),
        ];
        for (source, attributes, end) in cases {
            let (found, found_end) = read(source);
            assert_eq!((found.as_slice(), found_end), (attributes, end), "{source:?}");
        }
    }

    #[test]
    fn names_of_tags_begin_with_a_letter() {
        for (text, name) in [
            ("b>", Some("b")),
            ("B /x", Some("B")),
            ("h1", Some("h1")),
            ("3", None),
            ("", None),
            (" b", None),
            ("/b", None),
        ] {
            assert_eq!(tag_name(text), name, "{text:?}");
        }
    }
}
