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

/// What is found however it is spelled: look-alikes, accents, spaces between or without letters.
const PHRASES: [&str; 30] = [
    "act now limited",
    "be your own boss",
    "buy cheap viagra",
    "buy followers",
    "buy now",
    "buy viagra",
    "cash bonus now",
    "casino bonus",
    "cheap viagra",
    "claim your free",
    "claim your prize",
    "click here",
    "click this link now",
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
    "online casino",
    "you have been selected to win",
];

static SQUEEZED: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let phrases = PHRASES.map(|phrase| Folded::of(phrase).squeezed);
    AhoCorasick::new(phrases).ok()
});

/// Refuses a text that reads as spam. `targets` are links that the text does not show.
pub(crate) fn check<'a>(
    text: &str,
    targets: impl Iterator<Item = &'a str>,
) -> Result<(), Denial> {
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
