//! A rejection by the application: a code and a text that the client reads.
//! Never: a code of the protocol, invisible control characters in the text, or a violation.

use super::answer::Answer;

/// Longest code, in bytes.
pub const APP_CODE_MAX_BYTES: usize = 64;
/// Longest text for the client, in characters.
pub const APP_MESSAGE_MAX_CHARS: usize = 200;

/// A code and a text of the application, checked. [`Denial::app`](crate::Denial::app) makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppDenial {
    code: &'static str,
    message: Box<str>,
}

impl AppDenial {
    /// Checks a code and escapes a text. The error is the fault for the record.
    pub(super) fn new(code: &'static str, message: &str) -> Result<Self, &'static str> {
        if !is_well_formed(code) {
            return Err("app_code_malformed");
        }
        if is_reserved(code) {
            return Err("app_code_reserved");
        }
        Ok(Self { code, message: plain(message) })
    }

    /// The code that the client reads.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The text that the client reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn is_well_formed(code: &str) -> bool {
    let of_case = |is_letter: fn(&u8) -> bool| {
        let is_part = |byte: u8| is_letter(&byte) || byte.is_ascii_digit() || byte == b'_';
        code.bytes().next().is_some_and(|first| is_letter(&first)) && code.bytes().all(is_part)
    };
    let has_case = of_case(u8::is_ascii_lowercase) || of_case(u8::is_ascii_uppercase);
    code.len() <= APP_CODE_MAX_BYTES && has_case
}

/// Whether the code belongs to the protocol, compared without case, because some clients fold case.
fn is_reserved(code: &str) -> bool {
    let mut rows = (0..=u8::MAX).filter_map(Answer::of_number);
    rows.any(|row| row.code.eq_ignore_ascii_case(code))
}

/// Makes one line of visible text within the limit.
fn plain(message: &str) -> Box<str> {
    let mut text = String::new();
    for character in message.chars().take(APP_MESSAGE_MAX_CHARS) {
        match character {
            '\n' | '\r' | '\t' => text.push(' '),
            _ if is_hidden(character) => text.extend(character.escape_unicode()),
            _ => text.push(character),
        }
    }
    if message.chars().nth(APP_MESSAGE_MAX_CHARS).is_some() {
        text.push_str("...");
    }
    text.into()
}

/// Invisible characters and characters that change the display of others, except the joiners of
/// Persian, Indic scripts and emoji.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// First and last character of each range.
const HIDDEN: [(char, char); 18] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200b}'),
    ('\u{200e}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{10ffff}'),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Severity;
    use crate::rejection::answer::{ClosedBy, Violation};
    use crate::rejection::denial::Denial;

    #[test]
    fn code_outside_the_grammar_is_an_internal_fault() {
        let long = "a".repeat(APP_CODE_MAX_BYTES).leak();
        for code in ["sold_out", "SOLD_OUT", "a", "E1", "app_forbidden", long] {
            let denial = Denial::app(code, "text");
            assert_eq!((denial.client_code(), denial.reason()), (code, code));
        }
        let longer = "a".repeat(APP_CODE_MAX_BYTES + 1).leak();
        let malformed = [
            "", "_a", "1a", "Sold_out", "sold-out", "sold out", "sold.out", "a\n", "\u{e9}", longer,
        ];
        for code in malformed {
            let denial = Denial::app(code, "text");
            assert_eq!(denial, Denial::Internal("app_code_malformed"), "{code:?}");
        }
    }

    #[test]
    fn code_of_the_protocol_is_reserved_in_either_case() {
        let codes = (0..=u8::MAX).filter_map(Answer::of_number).map(|row| row.code);
        for code in codes {
            assert!(!code.starts_with("app_"), "{code}");
            for spelled in [code.to_ascii_lowercase(), code.to_ascii_uppercase()] {
                let denial = Denial::app(spelled.leak(), "text");
                assert_eq!(denial, Denial::Internal("app_code_reserved"), "{code}");
            }
        }
    }

    #[test]
    fn message_becomes_one_short_line_of_visible_text() {
        let text = |message: &str| {
            let denial = Denial::app("sold_out", message);
            String::from(denial.as_app().unwrap().message())
        };
        assert_eq!(text("Sold out: 3 < 4 \u{1f389} \u{e9}"), "Sold out: 3 < 4 \u{1f389} \u{e9}");
        let joined = "\u{6cc}\u{200c}\u{6cc} \u{2764}\u{fe0f}";
        assert_eq!(text(joined), joined);
        assert_eq!(text("a\r\nb\tc"), "a  b c");
        assert_eq!(text("a\u{202e}b\u{0}\u{200b}\u{85}"), "a\\u{202e}b\\u{0}\\u{200b}\\u{85}");
        assert_eq!(text(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(text(&"x".repeat(201)), "x".repeat(200) + "...");
        assert!(text(&"\u{e0001}".repeat(100_000)).len() <= 200 * 10 + 3);
        assert_eq!(text(""), "");
    }

    #[test]
    fn rejection_by_the_application_is_not_a_violation() {
        let answer = Denial::app("sold_out", "text").answer();
        assert_eq!((answer.closed_by, answer.violation), (ClosedBy::Nothing, Violation::No));
        assert_eq!((answer.severity, answer.rule), (Severity::Info, "app"));
    }
}
