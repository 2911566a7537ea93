//! Writes one JSON object as a line, and escapes texts.
//! Never: a control character or a change of text direction in the output.

use std::fmt::Write;

/// A JSON object that is being written; sets commas and quotes.
pub(crate) struct JsonLine(pub(crate) String);

impl JsonLine {
    pub(crate) fn comma(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with('{') {
            self.0.push(',');
        }
    }

    /// Names are constants of this crate and need no escaping.
    pub(crate) fn key(&mut self, name: &'static str) {
        self.comma();
        let _ = write!(self.0, "\"{name}\":");
    }

    pub(crate) fn open(&mut self, name: &'static str) {
        self.key(name);
        self.0.push('{');
    }

    pub(crate) fn close(&mut self) {
        self.0.push('}');
    }

    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.key(name);
        self.0.push('"');
        escape(&mut self.0, value);
        self.0.push('"');
    }

    pub(crate) fn list(&mut self, name: &'static str, value: &'static str) {
        self.key(name);
        let _ = write!(self.0, "[\"{value}\"]");
    }

    pub(crate) fn number(&mut self, name: &'static str, value: u64) {
        self.key(name);
        let _ = write!(self.0, "{value}");
    }
}

/// Escapes the characters that JSON requires (RFC 8259 section 7) and those that can mislead a
/// reader of the log.
pub(crate) fn escape(out: &mut String, text: &str) {
    let mut plain_from = 0;
    for (at, character) in text.char_indices() {
        if !is_special(character) {
            continue;
        }
        out.push_str(text.get(plain_from..at).unwrap_or_default());
        plain_from = at + character.len_utf8();
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
        }
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
}

fn is_special(character: char) -> bool {
    match character {
        '"' | '\\' => true,
        ' '..='~' => false,
        // C0, DEL, C1; line and paragraph separators; marks, embeddings, overrides and isolates
        // that change the direction of the text; the byte order mark.
        '\0'..='\u{9f}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => true,
        _ => false,
    }
}
