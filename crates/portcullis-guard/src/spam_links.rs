//! Which links and hosts a text points at.
//! Never: a look at where they lead.

use crate::text::is_invisible;

/// Different hosts that are told apart.
const HOSTS_MAX: usize = 3;

/// Endings that make a bare `name.tld` a host; file names and abbreviations use others.
const ENDINGS: [&str; 32] = [
    "app", "bid", "biz", "cc", "click", "club", "co", "com", "dev", "gg", "info", "io", "link",
    "live", "loan", "ly", "me", "net", "online", "org", "ru", "shop", "site", "store", "tk", "top",
    "tv", "vip", "win", "work", "xxx", "xyz",
];

/// What a text points at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Links<'a> {
    /// Addresses with a scheme or `www.`.
    pub(crate) links: usize,
    /// Different hosts, also named without a scheme; three at most.
    hosts: [&'a str; HOSTS_MAX],
    /// A scheme right behind another one.
    pub(crate) nested: bool,
}

impl<'a> Links<'a> {
    /// Reads a text in lower case and compatibility form.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut links = Self::default();
        text.split(is_separator).for_each(|word| links.add_word(word));
        links
    }

    /// How many different hosts there are; 3 stands for any more.
    pub(crate) fn hosts(&self) -> usize {
        self.hosts.iter().filter(|host| !host.is_empty()).count()
    }

    fn add_word(&mut self, word: &'a str) {
        if word.contains("://") {
            self.add_links(word);
        } else if word.starts_with("www.") {
            self.links += 1;
            self.add_host(word);
        } else if !word.contains('@') && is_bare_host(host_of(word)) {
            self.add_host(word);
        }
    }

    /// Every `http://` and `https://` in a word, however many stand inside one another.
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

fn is_bare_host(host: &str) -> bool {
    let Some((name, ending)) = host.rsplit_once('.') else { return false };
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
    ENDINGS.contains(&ending)
        && name.starts_with(char::is_alphanumeric)
        && name.chars().all(in_name)
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
        let behind = bytes.get(at + 1..).unwrap_or_default();
        if bytes.get(at) == Some(&b':') {
            return behind.starts_with(b"//");
        }
        is_www(bytes.get(..at).unwrap_or_default()) || has_ending(behind)
    })
}

fn is_www(before: &[u8]) -> bool {
    let start = before.len().saturating_sub(3);
    before.get(start..).is_some_and(|word| word.eq_ignore_ascii_case(b"www"))
}

/// Whether the letters in front stand for a domain.
fn has_ending(behind: &[u8]) -> bool {
    let length = behind.iter().position(|byte| !byte.is_ascii_alphabetic());
    let word = behind.get(..length.unwrap_or(behind.len())).unwrap_or_default();
    ENDINGS.iter().any(|ending| word.eq_ignore_ascii_case(ending.as_bytes()))
}

/// The same of text beyond ASCII, whose characters may stand for others.
fn may_point_in_disguise(text: &str) -> bool {
    // The last bytes as they read, the newest lowest: enough for `://` and every ending.
    let mut last = 0_u64;
    for character in text.chars() {
        let byte = match Look::of(character) {
            Look::Nothing => continue,
            Look::Byte(byte) => byte,
            Look::Foreign => 0,
            Look::Several => return true,
        };
        if !byte.is_ascii_alphabetic() && ends_in_host(last) {
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

/// What a character reads as, in an address.
enum Look {
    /// It cannot be seen.
    Nothing,
    /// ASCII, in lower case.
    Byte(u8),
    /// No part of a scheme or an ending.
    Foreign,
    /// Something only its compatibility form tells.
    Several,
}

impl Look {
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
        ];
        for (text, links, hosts, nested) in cases {
            let seen = Links::of(text);
            assert_eq!((seen.links, seen.hosts(), seen.nested), (links, hosts, nested), "{text}");
            assert!(seen.links + seen.hosts() == 0 || may_point_anywhere(text), "{text}");
        }
    }

    #[test]
    fn one_link_again_and_again_is_found() {
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
    fn the_quick_look_is_never_wrong_when_it_says_no() {
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
