//! Masks possible credentials in texts that a client sent: paths, names, headers.
//! Never: keeps more of a masked word than its first four characters and its length.

use std::fmt::Write;

/// Minimum length of a masked word, in bytes. A word consists of letters, digits and `-._~%+=`.
const WORD_MIN_BYTES: usize = 16;
/// Minimum number of hexadecimal digits in a masked hexadecimal word, without hyphens.
const HEX_MIN_BYTES: usize = 24;
/// Minimum length of a run of letters and digits that can be random.
const RUN_MIN_BYTES: usize = 16;
/// Minimum length of a masked word of upper case, lower case and digits, with any separators.
const MIXED_MIN_BYTES: usize = 32;
/// Bytes of a masked word that are kept.
const KEPT_BYTES: usize = 4;
/// The start of a JSON Web Token's header: `{"` in Base64url.
const JWT_START: &str = "eyJ";

/// Replaces each possible credential by its first four characters and its length.
pub(crate) fn mask_credentials(text: &mut String) {
    if text.len() < WORD_MIN_BYTES {
        return;
    }
    let mut masked = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(|character| !is_in_word(character)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if is_credential(word) {
            masked.push_str(word.get(..KEPT_BYTES).unwrap_or_default());
            let _ = write!(masked, "[masked {}]", word.len());
        } else {
            masked.push_str(word);
        }
        let next = after.find(is_in_word).unwrap_or(after.len());
        let (separators, after) = after.split_at(next);
        masked.push_str(separators);
        rest = after;
    }
    *text = masked;
}

/// Reduces an origin to scheme, host and port; removes user information and path.
pub(crate) fn strip_origin(origin: &mut String) {
    let Some((scheme, rest)) = origin.split_once("://") else { return };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    *origin = format!("{scheme}://{host}");
}

fn is_in_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~%+=".contains(character)
}

/// Whether a word has the format of a token, a ticket, a key or a hash.
fn is_credential(word: &str) -> bool {
    if word.len() < WORD_MIN_BYTES {
        return false;
    }
    if word.contains(JWT_START) {
        return true;
    }
    let has = |class: fn(&u8) -> bool| word.as_bytes().iter().any(class);
    let has_digits = has(u8::is_ascii_digit);
    let hex = || word.bytes().filter(|byte| *byte != b'-');
    if has_digits && hex().all(|byte| byte.is_ascii_hexdigit()) && hex().count() >= HEX_MIN_BYTES {
        return true;
    }
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    if mixed && has_digits && word.len() >= MIXED_MIN_BYTES {
        return true;
    }
    let mut runs = word.split(|character: char| !character.is_ascii_alphanumeric());
    runs.any(|run| {
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let changes = run
            .bytes()
            .skip(1)
            .zip(run.bytes())
            .filter(|(next, byte)| next.is_ascii_uppercase() && byte.is_ascii_lowercase());
        let is_random = (digits > 0 && digits < run.len()) || changes.count() >= 3;
        run.len() >= RUN_MIN_BYTES && is_random
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let mut text = String::from(text);
        mask_credentials(&mut text);
        text
    }

    #[test]
    fn word_that_looks_like_a_credential_is_masked() {
        let jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
        let cases = [
            (format!("/x/{jwt}"), "/x/eyJh[masked 70]"),
            (format!("/auth/{jwt}/more"), "/auth/eyJh[masked 70]/more"),
            (format!("chat:{jwt}"), "chat:eyJh[masked 70]"),
            (format!("Agent/1.0 ({jwt})"), "Agent/1.0 (eyJh[masked 70])"),
            (jwt.replace('.', "%2E"), "eyJh[masked 74]"),
            (String::from("/r/pt_4x8Vn2LrQ0sTz7KcY1mBwP6u"), "/r/pt_4[masked 27]"),
            (String::from("/k/9f86d081884c7d659a2feaa0c55ad015"), "/k/9f86[masked 32]"),
            (String::from("/k/550e8400-e29b-41d4-a716-446655440000"), "/k/550e[masked 36]"),
            (String::from("/k/123456789012345678901234"), "/k/1234[masked 24]"),
            (String::from("/k/qkTbVnzWcRfYhJmLpXsD"), "/k/qkTb[masked 20]"),
            (String::from("/k/aB3-dE6_gH9-jK2_mN5-pQ8_sT1-vW4_yZ"), "/k/aB3-[masked 34]"),
        ];
        for (text, expect) in cases {
            assert_eq!(masked(&text), expect, "{text}");
        }
    }

    #[test]
    fn ordinary_client_text_is_not_masked() {
        let kept = [
            "",
            "/",
            "/wp-login.php",
            "/.git/config",
            "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
            "/my-very-long-file-name-of-2024-and-more.html",
            "/assets/index-BxYz12Ab.js",
            "/socket.io/",
            "room:create",
            "PROPFIND",
            "https://chat.example:8443",
            "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
            "caf\u{e9} \u{6f22}\u{5b57} /\u{443}\u{442}\u{440}\u{43e}",
        ];
        for text in kept {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn origin_keeps_scheme_host_and_port() {
        let cases = [
            ("https://a.example", "https://a.example"),
            ("https://a.example:8443/", "https://a.example:8443"),
            ("https://u:secret@a.example", "https://a.example"),
            ("https://u:se@cret@a.example/token?x#y", "https://a.example"),
            ("https://u:secret@", "https://"),
            ("null", "null"),
            ("", ""),
        ];
        for (text, expect) in cases {
            let mut origin = String::from(text);
            strip_origin(&mut origin);
            assert_eq!(origin, expect, "{text}");
        }
    }
}
