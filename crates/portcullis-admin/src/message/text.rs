//! Text that clients chose, made harmless for the programs that show alerts.
//! Never: a link, a mention, a control character, or more than 64 characters.

/// The longest text, in characters.
const TEXT_MAX_CHARS: usize = 64;

/// Escapes control and invisible characters, and shortens the text.
///
/// The result has at most 64 characters of the text. Characters other than printable ASCII, letters
/// and digits become `\u{…}`, because they can reorder or hide text. `://` and `www.` are broken
/// up, so that no program makes a link of them. The caller quotes the result.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::new();
    for (index, letter) in text.chars().enumerate() {
        if index == TEXT_MAX_CHARS {
            out.push_str("...");
            break;
        }
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            ' '..='~' => out.push(letter),
            _ if letter.is_alphanumeric() => out.push(letter),
            _ => out.extend(letter.escape_unicode()),
        }
    }
    out.replace("://", ": //").replace("www.", "www .").replace("WWW.", "WWW .")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_clients_cannot_become_a_link_or_another_line() {
        let long = "a".repeat(65);
        let cut = format!("{}...", "a".repeat(64));
        for (text, expect) in [
            ("ada", "ada"),
            ("bücher", "bücher"),
            ("a\"b\\c", "a\\\"b\\\\c"),
            ("https://evil.example/x", "https: //evil.example/x"),
            ("www.evil.example", "www .evil.example"),
            ("a\r\nBcc: b", "a\\u{d}\\u{a}Bcc: b"),
            ("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}"),
            (&long, &cut),
        ] {
            assert_eq!(harmless(text), expect);
        }
    }
}
