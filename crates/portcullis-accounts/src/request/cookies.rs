//! The two cookies: the refresh token, and the name of a device.
//! Never: readable by a page's scripts, sent to another host, or over plain text.

use std::fmt::Write;

/// The refresh token. `__Host-` pins it to this host, and asks for the path `/` (RFC 6265bis
/// section 4.1.3.2).
pub(crate) const REFRESH: &str = "__Host-rt";
/// The name of a device somebody has logged in from.
pub(crate) const DEVICE: &str = "__Host-device";

/// The one value of a cookie in a `Cookie` header; two of one name have no value anybody agrees on.
pub(crate) fn read<'h>(header: Option<&'h str>, name: &str) -> Option<&'h str> {
    let pairs = header.unwrap_or_default().split(';');
    let mut values = pairs.filter_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    });
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// A `Set-Cookie` value that lasts so long.
pub(crate) fn set(name: &str, value: &str, life_s: i64) -> String {
    let mut text = format!("{name}={value}");
    let _infallible = write!(text, "; Max-Age={life_s}; Path=/; Secure; HttpOnly; SameSite=Strict");
    text
}

/// A `Set-Cookie` value that takes a cookie away.
pub(crate) fn clear(name: &str) -> String {
    set(name, "", 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_read_and_two_are_none() {
        let cases = [
            (None, None),
            (Some(""), None),
            (Some("__Host-rt=a"), Some("a")),
            (Some("x=1; __Host-rt=a=b; y=2"), Some("a=b")),
            (Some("__Host-rt=a; __Host-rt=b"), None),
            (Some("__host-rt=a"), None),
            (Some("x__Host-rt=a"), None),
            (Some("__Host-rt"), None),
            (Some("__Host-rt="), Some("")),
        ];
        for (header, expect) in cases {
            assert_eq!(read(header, REFRESH), expect, "{header:?}");
        }
    }

    #[test]
    fn cookies_are_kept_from_scripts_other_sites_and_plain_text() {
        let text = set(REFRESH, "v", 60);
        for part in ["__Host-rt=v", "Max-Age=60", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"]
        {
            assert!(text.split("; ").any(|found| found == part), "{part} in {text}");
        }
        assert!(!text.contains("Domain"));
        assert!(clear(DEVICE).starts_with("__Host-device=; Max-Age=0;"));
    }
}
