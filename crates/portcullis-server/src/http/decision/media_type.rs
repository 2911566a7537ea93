//! The media type of a body, and its charset.
//! Never: a charset that is converted; bodies are UTF-8.

/// Whether a `Content-Type` names this media type, and no charset but UTF-8.
///
/// The server reads every body as UTF-8. With another charset, a proxy that reads the same request
/// could understand other text.
pub(crate) fn is_utf8_of(content_type: &[u8], media_type: &[u8]) -> bool {
    let mut parts = content_type.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let named = parts.next().is_some_and(|first| first.eq_ignore_ascii_case(media_type));
    named && parts.all(is_utf8_or_no_charset)
}

fn is_utf8_or_no_charset(parameter: &[u8]) -> bool {
    let mut halves = parameter.splitn(2, |byte| *byte == b'=');
    let name = halves.next().unwrap_or_default().trim_ascii();
    if !name.eq_ignore_ascii_case(b"charset") {
        return true;
    }
    let value = halves.next().unwrap_or_default().trim_ascii();
    let quoted = value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\""));
    quoted.unwrap_or(value).eq_ignore_ascii_case(b"utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charset_other_than_utf_8_is_rejected_however_it_is_written() {
        let cases = [
            ("text/plain", true),
            ("TEXT/PLAIN; charset=utf-8", true),
            ("text/plain;charset=UTF-8", true),
            ("text/plain; charset=\"utf-8\"", true),
            ("text/plain; format=flowed; charset=utf-8", true),
            ("text/plain; charset=utf-16", false),
            ("text/plain;charset=UTF-7", false),
            ("text/plain; charset=iso-8859-1", false),
            ("text/plain; charset=\"utf-16\"", false),
            ("text/plain; CHARSET = utf-16", false),
            ("text/plain; charset=utf-8; charset=utf-16", false),
            ("text/plain; format=flowed;charset=us-ascii", false),
            ("text/plain; charset", false),
            ("text/plain; charset=", false),
            ("text/html", false),
            ("", false),
        ];
        for (value, expect) in cases {
            assert_eq!(is_utf8_of(value.as_bytes(), b"text/plain"), expect, "{value}");
        }
    }
}
