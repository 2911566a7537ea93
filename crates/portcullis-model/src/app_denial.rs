//! A rejection of the application's own: a code and a text that the client reads.
//! Never: a code of the protocol, a text that fools its reader, or a violation.

use crate::answer::Answer;
use crate::denial::Denial;

/// Longest code, in bytes.
pub const APP_CODE_MAX_BYTES: usize = 64;
/// Longest text for the client, in characters.
pub const APP_MESSAGE_MAX_CHARS: usize = 200;

/// A code and a text of the application, checked. [`Denial::app`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppDenial {
    code: &'static str,
    message: Box<str>,
}

impl AppDenial {
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

impl Denial {
    /// Rejects a request for a reason of the application's own.
    ///
    /// The client reads `code` and `message` in the same shape as for every other rejection. It is
    /// an answer, not a violation: the connection goes on. It is recorded as `app_rejected` with
    /// severity info. All codes share one series of the metric `refusals` (`rule="app"`).
    ///
    /// `code` is 1 to 64 of `a-z 0-9 _` or of `A-Z 0-9 _`, begins with a letter, and is not a code
    /// of the protocol in either case. No code of the protocol ever begins with `app_`.
    ///
    /// `message` is plain text of one line. Control, bidirectional and invisible characters are
    /// written as `\u{…}`, and it is cut at 200 characters. Clients show it as text, not as HTML.
    ///
    /// A code outside this grammar is a fault of the application. The result is then
    /// [`Denial::Internal`]: the client reads `INTERNAL`, and the record names the fault as
    /// `app_code_malformed` or `app_code_reserved`.
    ///
    /// ```
    /// use portcullis_model::Denial;
    ///
    /// let sold_out = Denial::app("sold_out", "There are no tickets left");
    /// assert_eq!(sold_out.client_code(), "sold_out");
    /// assert_eq!(Denial::app("forbidden", "No"), Denial::Internal("app_code_reserved"));
    /// ```
    #[must_use]
    pub fn app(code: &'static str, message: impl AsRef<str>) -> Self {
        if !is_well_formed(code) {
            return Self::Internal("app_code_malformed");
        }
        if is_reserved(code) {
            return Self::Internal("app_code_reserved");
        }
        Self::App(AppDenial { code, message: plain(message.as_ref()) })
    }

    /// The code that a client reads.
    #[must_use]
    pub fn client_code(&self) -> &'static str {
        self.as_app().map_or_else(|| self.answer().code, AppDenial::code)
    }

    /// The application's own rejection, when it is one.
    #[must_use]
    pub fn as_app(&self) -> Option<&AppDenial> {
        match self {
            Self::App(app) => Some(app),
            _ => None,
        }
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

/// Whether the protocol has the code; a client that folds case must not confuse them either.
fn is_reserved(code: &str) -> bool {
    let mut rows = (0..=u8::MAX).filter_map(Answer::of_number);
    rows.any(|row| row.code.eq_ignore_ascii_case(code))
}

/// One line of visible text within the limit.
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

/// Characters that no reader sees, or that change what the reader sees of others; not the joiners
/// of Persian, Indic scripts and emoji.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// First and last of each range.
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
    use crate::answer::{ClosedBy, Severity, Violation};

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
    fn message_is_one_bounded_line_of_visible_text() {
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
    fn rejection_of_the_application_is_an_answer_and_no_violation() {
        let answer = Denial::app("sold_out", "text").answer();
        assert_eq!((answer.closed_by, answer.violation), (ClosedBy::Nothing, Violation::No));
        assert_eq!((answer.severity, answer.rule), (Severity::Info, "app"));
    }
}
