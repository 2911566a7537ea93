//! First-version spam rules: links, runs, phrases. Linear in the length of the text.
//! Never: a verdict on who wrote it.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use portcullis_model::Denial;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;
use unicode_segmentation::UnicodeSegmentation;

use crate::spam_links;
use crate::text::is_invisible;

/// The same character at most this often in a row, spaces and tabs aside.
const RUN_MAX: usize = 10;

/// What is found however it is spelled: look-alikes, accents, gaps between letters or none between
/// words. Punctuation is a gap too, so `free, money` is found: rare, and not worth a way around.
const PHRASES: [&str; 24] = [
    "buy cheap viagra",
    "buy followers",
    "buy now",
    "cash bonus now",
    "cheap viagra",
    "claim your free",
    "claim your prize",
    "click here",
    "double your bitcoin",
    "double your money",
    "earn extra cash",
    "earn money fast",
    "earn money online",
    "free bitcoin",
    "free gift card",
    "free money",
    "free robux",
    "get rich quick",
    "guaranteed profit",
    "limited time offer",
    "make money fast",
    "make money online",
    "no credit check",
    "you have been selected to win",
];

static SQUEEZED: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let phrases = PHRASES.map(|phrase| Folded::of(phrase).squeezed);
    AhoCorasick::new(phrases).ok()
});

/// Refuses a text that reads as spam. `targets` are links that the text does not show.
pub(crate) fn check<'a>(text: &str, targets: impl Iterator<Item = &'a str>) -> Result<(), Denial> {
    spam_links::check(&readable(text), targets).map_err(Denial::Spam)?;
    if has_run(text) {
        return Err(Denial::Spam("run"));
    }
    let Some(phrases) = SQUEEZED.as_ref() else { return Err(Denial::Internal("spam_phrases")) };
    if Folded::of(text).contains(phrases) { Err(Denial::Spam("phrase")) } else { Ok(()) }
}

/// The text in compatibility form and lower case, without what cannot be seen.
fn readable(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let seen = text.nfkc().filter(|character| !is_invisible(*character));
    Cow::Owned(seen.flat_map(char::to_lowercase).collect())
}

fn has_run(text: &str) -> bool {
    if text.is_ascii() {
        return is_repeated(text.bytes().filter(|byte| !matches!(byte, b' ' | b'\t')));
    }
    let blank = |cluster: &&str| {
        cluster.chars().all(|character| matches!(character, ' ' | '\t') || is_invisible(character))
    };
    is_repeated(text.graphemes(true).filter(|cluster| !blank(cluster)))
}

fn is_repeated<T: PartialEq>(items: impl Iterator<Item = T>) -> bool {
    let mut before = None;
    let mut run = 0;
    for item in items {
        run = if before.as_ref() == Some(&item) { run + 1 } else { 1 };
        if run > RUN_MAX {
            return true;
        }
        before = Some(item);
    }
    false
}

/// A text as it looks from afar: letters and digits alone, look-alikes as one, no gaps.
struct Folded {
    squeezed: String,
    /// For each byte, and one beyond the last: whether a gap stood in front of it.
    gaps: Vec<bool>,
}

impl Folded {
    fn of(text: &str) -> Self {
        let length = text.len();
        let squeezed = String::with_capacity(length);
        let mut folded = Self { squeezed, gaps: Vec::with_capacity(length + 1) };
        if text.is_ascii() {
            text.chars().for_each(|character| folded.push(character));
        } else {
            // Look-alikes are folded a stretch at a time; ASCII has its own rules in `push`.
            let mut foreign = String::new();
            for character in text.nfkd() {
                if is_combining_mark(character) || is_invisible(character) {
                    continue;
                }
                if character.is_ascii() {
                    folded.push_foreign(&mut foreign);
                    folded.push(character);
                } else {
                    foreign.push(character);
                }
            }
            folded.push_foreign(&mut foreign);
        }
        folded.gap();
        folded
    }

    fn push_foreign(&mut self, foreign: &mut String) {
        for character in skeleton(foreign) {
            character.to_lowercase().for_each(|lower| self.push(lower));
        }
        foreign.clear();
    }

    fn push(&mut self, character: char) {
        let folded = match character.to_ascii_lowercase() {
            'i' | '1' => 'l',
            '0' => 'o',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            // The skeleton of letters that look like an m.
            'm' => {
                self.squeezed.push('r');
                'n'
            }
            other if other.is_alphanumeric() => other,
            _ => {
                self.gap();
                return;
            }
        };
        self.squeezed.push(folded);
        self.gaps.resize(self.squeezed.len(), false);
    }

    /// Notes that the next letter begins a word.
    fn gap(&mut self) {
        self.gaps.resize(self.squeezed.len() + 1, false);
        if let Some(last) = self.gaps.last_mut() {
            *last = true;
        }
    }

    /// Whether a phrase stands there as whole words, so that `buy nowadays` is none.
    fn contains(&self, phrases: &AhoCorasick) -> bool {
        let gap = |at: usize| at == 0 || self.gaps.get(at).copied().unwrap_or(true);
        phrases
            .find_overlapping_iter(&self.squeezed)
            .any(|found| gap(found.start()) && gap(found.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> &'static str {
        match check(text, std::iter::empty()) {
            Ok(()) => "ham",
            Err(denial) => denial.reason(),
        }
    }

    fn check_all(expect: &str, texts: &[&str]) {
        for text in texts {
            assert_eq!(verdict(text), expect, "{text:?}");
        }
    }

    #[test]
    fn t_135_links_and_hosts_are_counted() {
        check_all(
            "ham",
            &[
                "see https://a.example/x?y=1",
                "https://a.example and https://b.example",
                "http://http://x",
                "mail ann@a.com, bob@b.com or cid@c.org",
                "main.rs, lib.rs and node.js, e.g. in v1.2.3",
                "a.com and a.com/x and www.a.com",
            ],
        );
        check_all(
            "links",
            &[
                "https://a.example/1 https://a.example/2 https://a.example/3",
                "HTTP://A.example (http://a.example),http://a.example",
                "http://http://http://x",
                "www.a.example www.a.example/2 www.a.example/3",
                "\u{ff48}ttp://a.example http\u{200b}://a.example url=https://a.example",
            ],
        );
        check_all("hosts", &["a.com b.com c.net", "https://a.example https://b.example c.io/x"]);
    }

    #[test]
    fn t_136_runs_are_counted_in_characters_as_people_see_them() {
        let ten = "!".repeat(10);
        let eleven = "!".repeat(11);
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        let accent = "e\u{301}".repeat(11);
        let hidden = "a\u{200b}".repeat(11);
        check_all(
            "ham",
            &[
                &ten,
                &family.repeat(10),
                &"ab".repeat(200),
                &["x", &" ".repeat(40), "y"].concat(),
                "10000000000",
                "hmmmmmmm",
            ],
        );
        check_all(
            "run",
            &[
                &eleven,
                &"a".repeat(10_000),
                &family.repeat(11),
                &accent,
                &hidden,
                &"\n".repeat(11),
                "100000000000",
            ],
        );
    }

    #[test]
    fn t_137_phrases_are_found_however_they_are_spelled() {
        check_all(
            "phrase",
            &[
                "buy now",
                "BUY   NOW!!!",
                "b u y  n o w",
                "b.u.y-n.o.w",
                "bu\u{443} now",
                "\u{432}u\u{443} \u{43f}\u{43e}w buynow",
                "\u{ff42}\u{ff55}\u{ff59} \u{ff4e}\u{ff4f}\u{ff57}",
                "buy\u{200b}now",
                "b\u{fa}\u{fd} n\u{f6}w",
                "b\u{336}u\u{336}y\u{336} now",
                "\u{1d41b}\u{1d42e}\u{1d432} \u{1d427}\u{1d428}\u{1d430}",
                "$$$ FR33 M0N3Y $$$",
                "cl1ck h3re",
                "so\nclick\nhere, friend",
                "Make money FAST",
            ],
        );
    }

    #[test]
    fn t_139_ordinary_sentences_pass() {
        check_all(
            "ham",
            &[
                "should I buy nowadays?",
                "rugby now and then",
                "the guy nowhere to be seen",
                "clicking here and there",
                "I will buy it, now that it is cheap",
                "it clicks, hereby noted",
                "who works from home tomorrow?",
                "Kannst du morgen um 8 Uhr? Danke!",
                "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}, \u{43a}\u{430}\u{43a} \u{442}\u{44b}?",
                "\u{4f60}\u{597d}\u{ff0c}\u{4eca}\u{5929}\u{600e}\u{4e48}\u{6837}\u{ff1f}",
                "\u{627}\u{644}\u{633}\u{644}\u{627}\u{645} \u{639}\u{644}\u{64a}\u{643}\u{645}",
                "lol hahahahahaha \u{1f602}\u{1f602}\u{1f602}",
                "if (a < b && c > d) { return x[i][j]; }",
                "ok... so... what now?",
                "=====",
                "O'Hara's 50% off? no, 1,000,000 reasons",
                "lgtm, merge it: https://git.example/portcullis/merge/12",
            ],
        );
    }
}
