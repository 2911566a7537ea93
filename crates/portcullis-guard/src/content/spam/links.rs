//! Finds the links and hosts in a text.
//! Never: a request to a link.

use std::net::Ipv4Addr;

use crate::content::text::is_invisible;

/// Different hosts that are counted.
const HOSTS_MAX: usize = 3;

/// Endings that make a bare `name.tld` a host; file names and abbreviations use others.
const ENDINGS: [&str; 37] = [
    "app", "bid", "biz", "buzz", "cc", "cfd", "click", "club", "co", "com", "cyou", "dev", "gg",
    "icu", "info", "io", "link", "live", "loan", "ly", "me", "net", "online", "org", "ru", "sbs",
    "shop", "site", "store", "tk", "top", "tv", "vip", "win", "work", "xxx", "xyz",
];

/// Names that files have by convention: `main.cc` and `index.com` without a path are not hosts.
const FILE_NAMES: [&str; 20] = [
    "app", "client", "common", "config", "core", "demo", "example", "file", "index", "init", "lib",
    "main", "mod", "read", "readme", "server", "setup", "test", "tests", "util",
];

/// The links and hosts in a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Links<'a> {
    /// Addresses with a scheme or `www.`.
    pub(crate) links: usize,
    /// Different hosts, also named without a scheme; three at most.
    hosts: [&'a str; HOSTS_MAX],
    /// Whether a scheme directly follows another one.
    pub(crate) nested: bool,
}

impl<'a> Links<'a> {
    /// Reads a text in lower case and compatibility form.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut links = Self::default();
        for piece in text.split_inclusive(is_separator) {
            links.add_word(piece.trim_end_matches(is_separator), piece.ends_with('('));
        }
        links
    }

    /// The number of different hosts; 3 means three or more.
    pub(crate) fn hosts(&self) -> usize {
        self.hosts.iter().filter(|host| !host.is_empty()).count()
    }

    /// Adds a word; `is_called` when an opening parenthesis follows it: `button.click()`.
    fn add_word(&mut self, word: &'a str, is_called: bool) {
        if word.contains("://") {
            self.add_links(word);
        } else if word.starts_with("www.") {
            self.links += 1;
            self.add_host(word);
        } else if names_host(word, is_called) {
            self.add_host(word);
        }
    }

    /// Every `http://` and `https://` in a word, at any depth of nesting.
    fn add_links(&mut self, word: &'a str) {
        let mut scheme_end = usize::MAX;
        for (at, mark) in word.match_indices("://") {
            let (before, rest) = word.split_at_checked(at).unwrap_or((word, ""));
            let scheme = ["https", "http"].into_iter().find(|scheme| before.ends_with(scheme));
            let Some(scheme) = scheme else { continue };
            self.nested |= at - scheme.len() == scheme_end;
            scheme_end = at + mark.len();
            self.links += 1;
            self.add_host(rest.trim_start_matches(mark));
        }
    }

    fn add_host(&mut self, address: &'a str) {
        let host = host_of(address);
        if host.is_empty() || self.hosts.contains(&host) {
            return;
        }
        if let Some(free) = self.hosts.iter_mut().find(|host| host.is_empty()) {
            *free = host;
        }
    }
}

fn is_separator(character: char) -> bool {
    matches!(character, '(' | ')' | '<' | '>' | '[' | ']' | '{' | '}' | '"' | '\'' | '`')
        || matches!(character, ',' | ';' | '|' | '\u{3001}' | '\u{3002}')
        || character.is_whitespace()
}

/// The host an address begins with: no user name, port, path, `www.` or full stop.
fn host_of(address: &str) -> &str {
    let authority = address.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    host.trim_start_matches("www.").trim_end_matches(['.', '!'])
}

/// Whether a word without a scheme is a host, or an address that begins with one.
fn names_host(word: &str, is_called: bool) -> bool {
    if word.contains('@') {
        return false;
    }
    let host = host_of(word);
    let has_path = word.contains('/');
    is_bare_host(host) && (has_path || !(is_called || is_file_name(host)))
        || is_public_ip_address(word)
}

fn is_bare_host(host: &str) -> bool {
    let Some((name, ending)) = host.rsplit_once('.') else { return false };
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
    ENDINGS.contains(&ending)
        && name.starts_with(char::is_alphanumeric)
        && name.chars().all(in_name)
}

fn is_file_name(host: &str) -> bool {
    host.split_once('.').is_some_and(|(name, _)| FILE_NAMES.contains(&name))
}

/// `192.0.2.1/x` or `192.0.2.1:80`: with a path or a port, not a network such as `192.0.2.0/24`.
fn is_public_ip_address(word: &str) -> bool {
    let Some(end) = word.find(['/', ':']) else { return false };
    let (host, rest) = word.split_at_checked(end).unwrap_or((word, ""));
    let Ok(ip) = host.parse::<Ipv4Addr>() else { return false };
    let after = rest.get(1..).unwrap_or_default();
    let is_number = !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit());
    let is_network = rest.starts_with('/') && is_number && after.len() <= 2;
    let is_address = rest.starts_with('/') || after.starts_with(|c: char| c.is_ascii_digit());
    is_address && !is_network && !ip.is_private() && !ip.is_loopback() && !ip.is_unspecified()
}

/// Where the links and hosts of a text begin and end, in order; read as [`Links::of`] reads it.
pub(crate) fn spans(text: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let (mut at, mut done) = (0, 0);
    for piece in text.split_inclusive(is_separator) {
        let word = piece.trim_end_matches(is_separator);
        let start = at;
        at += piece.len();
        if start < done {
            continue;
        }
        if let Some(inner) = address_start(word, piece.ends_with('(')) {
            let start = start + inner;
            done = start + address_length(text.get(start..).unwrap_or_default());
            spans.push((start, done));
        }
    }
    spans
}

fn address_start(word: &str, is_called: bool) -> Option<usize> {
    let scheme = ["https://", "http://"].into_iter().filter_map(|scheme| word.find(scheme)).min();
    let is_bare = || word.starts_with("www.") || names_host(word, is_called);
    scheme.or_else(|| (!word.contains("://") && is_bare()).then_some(0))
}

/// How long the address is that a text begins with. A path may hold commas, quotes, and brackets
/// in pairs; a host may not.
fn address_length(text: &str) -> usize {
    let scheme = text.find("://").filter(|at| *at <= "https".len()).map_or(0, |at| at + 3);
    let mut in_path = false;
    let mut depth = 0_usize;
    let ends = |character: char| match character {
        '/' | '?' | '#' => {
            in_path = true;
            false
        }
        ',' | ';' | '\'' => !in_path,
        '(' | '[' | '{' => {
            depth += 1;
            !in_path
        }
        ')' | ']' | '}' => {
            let is_single = depth == 0;
            depth = depth.saturating_sub(1);
            is_single || !in_path
        }
        other => is_separator(other),
    };
    let after = text.get(scheme..).unwrap_or_default();
    after.find(ends).map_or(text.len(), |end| scheme + end)
}

/// Whether the text is one link, three times or more, and nothing else.
pub(crate) fn is_one_link(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let Some(first) = words.next().filter(|word| Links::of(word).links > 0) else { return false };
    let mut count = 1;
    words.all(|word| {
        count += 1;
        word == first
    }) && count > 2
}

/// Whether the text may point anywhere: a quick look, which is never wrong when it says no.
pub(crate) fn may_point_anywhere(text: &str) -> bool {
    if !text.is_ascii() {
        return may_point_in_disguise(text);
    }
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b':', b'.', bytes).any(|at| {
        let after = bytes.get(at + 1..).unwrap_or_default();
        if bytes.get(at) == Some(&b':') {
            return after.starts_with(b"//");
        }
        is_www(bytes.get(..at).unwrap_or_default()) || has_ending(after) || is_octet(after)
    })
}

/// Whether a number in front ends as the host of an address may: `3/` or `3:`.
fn is_octet(after: &[u8]) -> bool {
    let length = after.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(0);
    (1..=3).contains(&length) && matches!(after.get(length), Some(b'/' | b':'))
}

fn is_www(before: &[u8]) -> bool {
    let start = before.len().saturating_sub(3);
    before.get(start..).is_some_and(|word| word.eq_ignore_ascii_case(b"www"))
}

/// Whether a text begins with the ending of a domain.
fn has_ending(after: &[u8]) -> bool {
    let length = after.iter().position(|byte| !byte.is_ascii_alphabetic());
    let word = after.get(..length.unwrap_or(after.len())).unwrap_or_default();
    ENDINGS.iter().any(|ending| word.eq_ignore_ascii_case(ending.as_bytes()))
}

/// The same of text beyond ASCII, whose characters can be read as others.
fn may_point_in_disguise(text: &str) -> bool {
    // The last bytes as they read, the newest lowest: enough for `://` and every ending.
    let mut last = 0_u64;
    for character in text.chars() {
        let byte = match LoadSample::of(character) {
            LoadSample::Nothing => continue,
            LoadSample::Byte(byte) => byte,
            LoadSample::Foreign => 0,
            LoadSample::Several => return true,
        };
        if !byte.is_ascii_alphabetic() && ends_in_host(last) {
            return true;
        }
        if matches!(byte, b'/' | b':') && ends_in_octet(last) {
            return true;
        }
        last = last << 8 | u64::from(byte);
        if last & 0xff_ffff == u64::from(b':') << 16 | 0x2f2f || last as u32 == 0x7777_772e {
            return true;
        }
    }
    ends_in_host(last)
}

/// Whether a full stop and a known ending were read last.
fn ends_in_host(last: u64) -> bool {
    let bytes = last.to_be_bytes();
    let dot = memchr::memrchr(b'.', &bytes);
    dot.is_some_and(|at| has_ending(bytes.get(at + 1..).unwrap_or_default()))
}

/// Whether a full stop and up to three digits were read last.
fn ends_in_octet(last: u64) -> bool {
    let bytes = last.to_be_bytes();
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits) && bytes.iter().rev().nth(digits) == Some(&b'.')
}

/// The reading of a character in an address.
enum LoadSample {
    /// It cannot be seen.
    Nothing,
    /// ASCII, in lower case.
    Byte(u8),
    /// No part of a scheme or an ending.
    Foreign,
    /// A character that only its compatibility form identifies.
    Several,
}

impl LoadSample {
    fn of(character: char) -> Self {
        match character {
            '\0'..='\x7f' => Self::Byte(u8::try_from(character).unwrap_or(0).to_ascii_lowercase()),
            // Full-width forms.
            '\u{ff01}'..='\u{ff5e}' => {
                let plain = u32::from(character) - 0xfee0;
                Self::Byte(u8::try_from(plain).unwrap_or(0).to_ascii_lowercase())
            }
            // Signs that mean letters: superscripts, enclosed and mathematical letters, ligatures.
            '\u{aa}'
            | '\u{b2}'
            | '\u{b3}'
            | '\u{b9}'
            | '\u{ba}'
            | '\u{17f}'
            | '\u{2b0}'..='\u{2b8}'
            | '\u{1d2c}'..='\u{1d6a}'
            | '\u{2024}'
            | '\u{2070}'..='\u{209c}'
            | '\u{2100}'..='\u{218b}'
            | '\u{2460}'..='\u{24ff}'
            | '\u{3200}'..='\u{33ff}'
            | '\u{fb00}'..='\u{fb06}'
            | '\u{fe10}'..='\u{fe19}'
            | '\u{fe50}'..='\u{fe6b}'
            | '\u{1d400}'..='\u{1d7ff}'
            | '\u{1f100}'..='\u{1f1e5}' => Self::Several,
            _ if is_invisible(character) => Self::Nothing,
            _ => Self::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_135_links_and_hosts_are_counted() {
        let cases = [
            ("see https://a.example/x?y=1", 1, 1, false),
            ("https://a.example/1 https://a.example/2 https://b.example", 3, 2, false),
            ("(http://a.example),http://a.example", 2, 1, false),
            ("http://http://x", 2, 2, true),
            ("see https://http://x now", 2, 2, true),
            ("https://archive.example/web/https://a.example/", 2, 2, false),
            ("http://a/?to=http://b", 2, 2, false),
            ("www.a.example www.a.example/2", 2, 1, false),
            ("a.com, b.com/x and c.net or d.org", 0, 3, false),
            ("mail ann@a.com or see main.rs, node.js, e.g. v1.2.3", 0, 0, false),
            ("ftp://a.example git+ssh://b.example", 0, 0, false),
            ("main.cc, index.com, lib.app and button.click()", 0, 0, false),
            ("main.cc/x and a.icu, b.sbs", 0, 3, false),
            ("192.0.2.1/x or 198.51.100.1:80", 0, 2, false),
            ("192.0.2.0/24, 10.0.0.1:80, 127.0.0.1/x, 192.0.2.1, 1.2.3/4", 0, 0, false),
        ];
        for (text, links, hosts, nested) in cases {
            let seen = Links::of(text);
            assert_eq!((seen.links, seen.hosts(), seen.nested), (links, hosts, nested), "{text}");
            assert!(seen.links + seen.hosts() == 0 || may_point_anywhere(text), "{text}");
        }
    }

    #[test]
    fn repeated_link_is_found() {
        for (text, expect) in [
            ("https://a.example https://a.example https://a.example", true),
            ("https://a.example https://a.example", false),
            ("https://a.example https://a.example https://a.example/2", false),
            ("see https://a.example https://a.example https://a.example", false),
            ("no no no no", false),
            ("", false),
        ] {
            assert_eq!(is_one_link(text), expect, "{text}");
        }
    }

    #[test]
    fn quick_check_never_misses_code() {
        for text in [
            "\u{ff48}ttp\u{ff1a}\u{ff0f}/a",
            "http\u{200b}:\u{200d}//a",
            "\u{e9} HTTP://A",
            "\u{e9} WWW.A",
            "\u{e9} a.COM",
            "\u{e9} a\u{ff0e}com, yes",
            "a\u{2024}com",
            "\u{1d421}ttp",
            "A.ONLINE",
            "WwW.x",
            "x://y",
            "192.0.2.1/x",
            "\u{e9} 192.0.2.1:80",
            "\u{ff11}\u{ff19}2.0.2.1/x",
        ] {
            assert!(may_point_anywhere(text), "{text:?}");
        }
        for text in [
            "no link at all. Really: none",
            "main.rs and 3.14, e.g. this",
            "caf\u{e9}. Und so weiter: ja",
            "\u{4f60}\u{597d}\u{ff0c}\u{4eca}\u{5929}\u{ff1a}\u{597d}\u{3002}",
            "\u{1f468}\u{200d}\u{1f469} ok.",
        ] {
            assert!(!may_point_anywhere(text), "{text:?}");
        }
    }
}
