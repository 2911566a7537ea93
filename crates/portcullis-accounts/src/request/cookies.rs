//! The two cookies of the account routes: the refresh token and the device name.
//! Never: readable by scripts, sent to another host, or sent over plain text.

use std::fmt::Write;

/// The refresh token. `__Host-` binds it to this host and requires the path `/` (RFC 6265bis
/// section 4.1.3.2).
pub(crate) const REFRESH: &str = "__Host-rt";
/// The name of a known device.
pub(crate) const DEVICE: &str = "__Host-device";

/// Reads a cookie from a `Cookie` header; a name that occurs twice has no value.
pub(crate) fn read<'h>(header: Option<&'h str>, name: &str) -> Option<&'h str> {
    let pairs = header.unwrap_or_default().split(';');
    let mut values = pairs.filter_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    });
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// A `Set-Cookie` value with a lifetime.
pub(crate) fn set(name: &str, value: &str, life_s: i64) -> String {
    let mut text = format!("{name}={value}");
    let _infallible = write!(text, "; Max-Age={life_s}; Path=/; Secure; HttpOnly; SameSite=Strict");
    text
}

/// A `Set-Cookie` value that removes a cookie.
pub(crate) fn clear(name: &str) -> String {
    set(name, "", 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_is_read_unless_its_name_occurs_twice() {
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
    fn cookies_are_http_only_same_site_strict_and_secure() {
        let text = set(REFRESH, "v", 60);
        for part in ["__Host-rt=v", "Max-Age=60", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"]
        {
            assert!(text.split("; ").any(|found| found == part), "{part} in {text}");
        }
        assert!(!text.contains("Domain"));
        assert!(clear(DEVICE).starts_with("__Host-device=; Max-Age=0;"));
    }
}
