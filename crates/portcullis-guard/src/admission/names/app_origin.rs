//! Origins of apps: schemes of web views and browser extensions, and the local names they use.
//! Never: `null`, `file:`, or a scheme that pages of any site can have.

use crate::admission::names::host::is_host;

/// Longest scheme, in bytes.
const SCHEME_MAX_BYTES: usize = 32;
/// Longest name after the scheme, in bytes.
const NAME_MAX_BYTES: usize = 253;

/// Schemes that do not identify an app: pages of any site, local files, the browser itself.
const FOREIGN_SCHEMES: [&str; 22] = [
    "about",
    "blob",
    "brave",
    "chrome",
    "chrome-error",
    "chrome-untrusted",
    "content",
    "data",
    "devtools",
    "edge",
    "filesystem",
    "ftp",
    "intent",
    "javascript",
    "mailto",
    "null",
    "opera",
    "resource",
    "urn",
    "view-source",
    "ws",
    "wss",
];

/// Whether an origin is one that apps have, and no page on the web: of another scheme than `http`
/// and `https`, or of `localhost` or a name below it without a port.
///
/// Such an origin says nothing about where this server is.
#[must_use]
pub fn is_app_origin(origin: &str) -> bool {
    match origin.split_once("://") {
        Some(("http" | "https", host)) => is_local_app(host),
        Some(_) => true,
        None => false,
    }
}

/// The hosts of Capacitor (`localhost`) and Tauri (`tauri.localhost`); a port is a development
/// server.
fn is_local_app(host: &str) -> bool {
    is_host(host) && !host.contains(':') && (host == "localhost" || host.ends_with(".localhost"))
}

/// Checks that a scheme and the name after it are the exact origin of an app.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_app(scheme: &str, name: &str) -> Result<(), &'static str> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte);
    let begins = scheme.starts_with(|first: char| first.is_ascii_lowercase());
    if !begins || scheme.len() > SCHEME_MAX_BYTES || !scheme.bytes().all(plain) {
        return Err("does not begin with https://, http:// or the lower-case scheme of an app");
    }
    if scheme == "file" {
        return Err("is every local file: give the app a scheme of its own, such as app://");
    }
    if FOREIGN_SCHEMES.contains(&scheme) {
        return Err("has a scheme that does not identify an app");
    }
    match scheme {
        "chrome-extension" if !is_chrome_id(name) => {
            Err("does not identify an extension: an id has 32 letters from a to p")
        }
        "moz-extension" | "safari-web-extension" if !is_uuid(name) => {
            Err("does not identify an extension: an id is a UUID")
        }
        _ if is_name(name) => Ok(()),
        _ => Err("has more than a name behind its scheme, or no name"),
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(plain)
}

fn is_chrome_id(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| (b'a'..=b'p').contains(&byte))
}

/// Firefox writes it in lower case, Safari in upper case.
fn is_uuid(name: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = name.splitn(6, '-').collect();
    let hexadecimal = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let one_case = name == name.to_ascii_lowercase() || name == name.to_ascii_uppercase();
    one_case && parts.iter().all(hexadecimal) && parts.iter().map(|part| part.len()).eq(lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_origins_are_exact_and_those_of_any_page_are_rejected() {
        let apps = [
            ("capacitor", "localhost"),
            ("ionic", "localhost"),
            ("tauri", "localhost"),
            ("app", "."),
            ("app", "-"),
            ("app", "bundle"),
            ("com.example.chat", "main"),
            ("vscode-webview", "0abc_1"),
            ("chrome-extension", "abcdefghijklmnopabcdefghijklmnop"),
            ("moz-extension", "0e9d8c7b-0000-4000-8000-000000000000"),
            ("safari-web-extension", "0E9D8C7B-0000-4000-8000-000000000000"),
        ];
        for (scheme, name) in apps {
            assert_eq!(check_app(scheme, name), Ok(()), "{scheme} {name}");
            assert!(is_app_origin(&format!("{scheme}://{name}")));
        }
        let others = [
            ("file", ""),
            ("file", "localhost"),
            ("data", "x"),
            ("blob", "https"),
            ("wss", "myapp.com"),
            ("chrome", "settings"),
            ("Capacitor", "localhost"),
            ("", "localhost"),
            ("1app", "x"),
            ("app*", "x"),
            ("app", ""),
            ("app", "*"),
            ("app", "a/b"),
            ("app", "a b"),
            ("app", "user@x"),
            ("app", "x:80"),
            ("app", "x?y"),
            ("app", "\u{e4}"),
            ("chrome-extension", "x"),
            ("chrome-extension", "abcdefghijklmnopabcdefghijklmnoq"),
            ("moz-extension", "*"),
            ("moz-extension", "0e9d8c7b-0000-4000-8000-00000000000"),
            ("moz-extension", "0e9d8c7b-0000-4000-8000-00000000000g"),
        ];
        for (scheme, name) in others {
            assert!(check_app(scheme, name).is_err(), "{scheme} {name}");
        }
        for (origin, expect) in [
            ("http://localhost", true),
            ("https://localhost", true),
            ("http://tauri.localhost", true),
            ("https://localhost:3000", false),
            ("https://myapp.com", false),
            ("https://localhost.myapp.com", false),
            ("https://127.0.0.1", false),
            ("localhost", false),
        ] {
            assert_eq!(is_app_origin(origin), expect, "{origin}");
        }
    }
}
