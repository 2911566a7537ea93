//! The name of an undeclared member of a payload, escaped for answers and logs.
//! Never: longer than a line, or with invisible or bidirectional control characters.

use std::fmt;

/// Longest name kept, in characters.
const CHARS_MAX: usize = 64;

/// The name of an undeclared member: cut at 64 characters, with every character except letters,
/// digits and ASCII signs as `\u{…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberName(Box<str>);

impl MemberName {
    /// Escapes a name of any length and content.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        let mut name = String::new();
        for character in raw.chars().take(CHARS_MAX) {
            if is_shown(character) {
                name.push(character);
            } else {
                name.extend(character.escape_unicode());
            }
        }
        if raw.chars().nth(CHARS_MAX).is_some() {
            name.push_str("...");
        }
        Self(name.into())
    }

    /// The escaped name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Letters, digits and visible ASCII, but not Hangul fillers, which are invisible letters.
fn is_shown(character: char) -> bool {
    let filler = matches!(character, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    matches!(character, ' '..='~') || (character.is_alphanumeric() && !filler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_name_is_cut_and_escaped() {
        let cases = [
            ("admin", "admin"),
            ("", ""),
            ("a b.c$d", "a b.c$d"),
            ("gr\u{f6}\u{df}e", "gr\u{f6}\u{df}e"),
            ("a\nb\0\u{1b}[31m", "a\\u{a}b\\u{0}\\u{1b}[31m"),
            ("a\u{202e}b\u{200b}\u{301}", "a\\u{202e}b\\u{200b}\\u{301}"),
            ("\u{3164}", "\\u{3164}"),
            ("<b>\"x\"", "<b>\"x\""),
        ];
        for (raw, expect) in cases {
            assert_eq!(MemberName::new(raw).as_str(), expect, "{raw:?}");
        }
        let cut = "x".repeat(64) + "...";
        assert_eq!(MemberName::new(&"x".repeat(65)).as_str(), cut);
        assert_eq!(MemberName::new(&"x".repeat(64)).as_str().len(), 64);
        assert!(MemberName::new(&"\u{10ffff}".repeat(10_000)).as_str().len() <= 64 * 10 + 3);
    }
}
