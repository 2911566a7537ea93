//! Rules for new passwords: not well known, and no words of the user or the site.
//! Never: the passwords of a blocklist file in memory, only their keyed hashes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, BufRead, Read};

use portcullis_model::WeakPassword;
use unicode_normalization::UnicodeNormalization;

use crate::passwords::password::{PASSWORD_MIN_CHARS, Password};

/// The name of the product, which administrators often use.
const PRODUCT: &str = "portcullis";
/// Most words of a site; each one makes a check slower.
const SITE_WORDS_MAX: usize = 256;
/// Longest line of a list, in bytes; no password is longer.
const LINE_MAX_BYTES: u64 = 1024;
/// Most passwords of a list, at 8 bytes each.
pub const LISTED_MAX: usize = 10_000_000;

/// The rules for new passwords.
#[derive(Debug, Clone, Default)]
pub struct PasswordPolicy {
    words: Vec<String>,
    listed: ListedPasswords,
}

impl PasswordPolicy {
    /// Creates rules from the words of a site (host names, the organisation) and a blocklist.
    #[must_use]
    pub fn new(site_words: impl IntoIterator<Item = String>, listed: ListedPasswords) -> Self {
        let mut words: Vec<String> = site_words.into_iter().collect();
        words.sort_unstable();
        words.dedup();
        words.truncate(SITE_WORDS_MAX);
        Self { words, listed }
    }

    /// Checks a new password of a user.
    ///
    /// # Errors
    /// The first rule that the password breaks.
    pub fn check(&self, password: &Password, username: &str) -> Result<(), WeakPassword> {
        let mut words = vec![username, PRODUCT];
        words.extend(self.words.iter().map(String::as_str));
        password.check_new(&words)?;
        if self.listed.contains(password.normalised()) {
            return Err(WeakPassword::Listed);
        }
        Ok(())
    }
}

/// The passwords of a blocklist file, as hashes.
///
/// The hashes have 64 bits and a key of this process. With ten million entries, a password that is
/// not on the list is rejected with a probability of about 10^-12.
#[derive(Debug, Clone, Default)]
pub struct ListedPasswords {
    key: RandomState,
    sorted: Box<[u64]>,
}

impl ListedPasswords {
    /// Reads one password a line. Skips lines that cannot be a password: shorter than 8 characters,
    /// longer than 1,024 bytes, or not UTF-8.
    ///
    /// # Errors
    /// Errors of reading; `FileTooLarge` for more than [`LISTED_MAX`] passwords.
    pub fn read(mut from: impl BufRead) -> io::Result<Self> {
        let key = RandomState::new();
        let (mut hashes, mut line) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let mut limited = from.by_ref().take(LINE_MAX_BYTES);
            if limited.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if !line.ends_with(b"\n") && line.len() as u64 == LINE_MAX_BYTES {
                skip_line(&mut from)?;
                continue;
            }
            let Ok(text) = std::str::from_utf8(&line) else { continue };
            let text = text.trim_end_matches(['\r', '\n']);
            // Editors on Windows write a byte order mark in front of the first line.
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            if text.chars().count() < PASSWORD_MIN_CHARS {
                continue;
            }
            if hashes.len() == LISTED_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            hashes.push(key.hash_one(compared(text)));
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Self { key, sorted: hashes.into_boxed_slice() })
    }

    /// The number of passwords.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    fn contains(&self, password: &str) -> bool {
        !self.is_empty()
            && self.sorted.binary_search(&self.key.hash_one(compared(password))).is_ok()
    }
}

/// The form in which passwords are compared with the list: NFKC, in lower case.
fn compared(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).collect()
}

/// Reads up to the end of a line.
fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(String::from(text))
    }

    fn site(words: &[&str], list: &str) -> PasswordPolicy {
        let listed = ListedPasswords::read(list.as_bytes()).unwrap();
        PasswordPolicy::new(words.iter().map(|word| String::from(*word)), listed)
    }

    #[test]
    fn byte_order_mark_belongs_to_no_password() {
        let policy = site(&[], "\u{feff}zag12wsx\r\n1g2w3e4r\n");
        for text in ["zag12wsx", "1g2w3e4r"] {
            assert_eq!(policy.check(&password(text), "ann"), Err(WeakPassword::Listed), "{text}");
        }
    }

    #[test]
    fn password_of_site_words_is_rejected_as_context() {
        let policy = site(&["chat", "example", "chat.example", "Acme"], "");
        for text in ["chatexample2026", "chat.example", "Chat.Example!", "acme2026!", "ann2026!"] {
            assert_eq!(policy.check(&password(text), "ann"), Err(WeakPassword::Context), "{text}");
        }
        let elsewhere = PasswordPolicy::default();
        assert_eq!(elsewhere.check(&password("acme-2026-tx"), "ann"), Ok(()));
        assert_eq!(policy.check(&password("we chat about herons"), "ann"), Ok(()));
    }

    #[test]
    fn listed_password_is_rejected_in_any_case() {
        let list = "zag12wsx\r\n1g2w3e4r\n111222tianya\nG_CzechOut\nshort\ngr\u{fc}n-elf-7\n";
        let policy = site(&[], list);
        assert_eq!(policy.listed.len(), 5);
        for text in ["zag12wsx", "ZAG12WSX", "1g2w3e4r", "111222tianya", "g_czechout"] {
            assert_eq!(policy.check(&password(text), "ann"), Err(WeakPassword::Listed), "{text}");
        }
        let decomposed = password("gru\u{308}n-elf-7");
        assert_eq!(policy.check(&decomposed, "ann"), Err(WeakPassword::Listed));
        assert_eq!(policy.check(&password("zag12wsx heron"), "ann"), Ok(()));
    }

    #[test]
    fn unreadable_lines_of_a_blocklist_are_skipped() {
        let mut list = vec![b'x'; 5_000];
        list.extend_from_slice(b"\nfirst-one-here\n\xff\xfe latin one\nlast-one-here");
        let listed = ListedPasswords::read(list.as_slice()).unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.contains("first-one-here") && listed.contains("last-one-here"));
        assert!(!listed.contains("xxxxxxxx"));
    }

    #[test]
    fn weak_password_names_the_rule_that_it_breaks() {
        let policy = PasswordPolicy::default();
        assert_eq!(policy.check(&password("q8#Lw"), "ann"), Err(WeakPassword::Length));
        assert_eq!(policy.check(&password("password1"), "ann"), Err(WeakPassword::Guessable));
        assert_eq!(policy.check(&password("portcullis1"), "ann"), Err(WeakPassword::Context));
    }
}
