//! Phrases of spam, found however they are spelled. Linear time; ASCII text needs no memory.
//! Never: found inside longer words, or across the end of a sentence.

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

use crate::content::text::is_invisible;

/// Phrases that are there unless the operator removes them.
pub(crate) const PHRASES: [&str; 24] = [
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

/// Phrases that invitations and instructions hold too: with a link they need another phrase.
const COMMON: [&str; 1] = ["click here"];

/// Most phrases there can be.
const PHRASES_MAX: usize = 1_000;
/// Longest phrase, folded, in bytes: as many as the history of a reading holds.
const PHRASE_MAX_BYTES: usize = 128;
/// Shortest one; a shorter one would be a part of ordinary text.
const PHRASE_MIN_BYTES: usize = 4;

/// Phrases, ready to be looked for.
///
/// Worst-case memory: about 10 bytes for each byte of a phrase in four spellings, 6 MB in all.
#[derive(Debug)]
pub(crate) struct Phrases {
    automaton: Option<NFA>,
    /// For each pattern of the automaton: whether it is one of [`COMMON`].
    common: Vec<bool>,
}

impl Phrases {
    /// Reads the phrases; an error is the phrase and its fault.
    pub(crate) fn build(phrases: &[String]) -> Result<Self, (String, &'static str)> {
        if phrases.len() > PHRASES_MAX {
            return Err((phrases.len().to_string(), "there can be 1,000 at most"));
        }
        let mut folded = Vec::with_capacity(phrases.len());
        let mut common = Vec::with_capacity(phrases.len());
        for phrase in phrases {
            let is_common = COMMON.contains(&phrase.as_str());
            for letters in spellings(phrase) {
                match letters.len() {
                    0..PHRASE_MIN_BYTES => {
                        return Err((phrase.clone(), "it needs 4 letters or digits"));
                    }
                    PHRASE_MIN_BYTES..=PHRASE_MAX_BYTES => {
                        folded.push(letters);
                        common.push(is_common);
                    }
                    _ => return Err((phrase.clone(), "it is longer than 128 bytes")),
                }
            }
        }
        if folded.is_empty() {
            return Ok(Self { automaton: None, common });
        }
        match NFA::new(&folded) {
            Ok(automaton) => Ok(Self { automaton: Some(automaton), common }),
            Err(_) => Err((String::new(), "they take too much memory together")),
        }
    }

    /// Whether the text holds one of them as whole words.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.find(text, &[])
    }

    /// The same of phrases that are advertising wherever a link is: all but the common ones.
    pub(crate) fn offer(&self, text: &str) -> bool {
        self.find(text, &self.common)
    }

    fn find(&self, text: &str, ignored: &[bool]) -> bool {
        let Some(automaton) = &self.automaton else { return false };
        let Ok(start) = automaton.start_state(Anchored::No) else { return false };
        let mut reading = Reading::new(automaton, start, ignored);
        fold(text, &mut |piece| {
            reading.take(piece);
            !reading.found
        });
        reading.take(Piece::Gap);
        reading.found
    }

    /// Whether the text is nothing but phrases, three at least. Ordinary text is read for a few
    /// letters only.
    pub(crate) fn are_all(&self, text: &str) -> bool {
        let Some(automaton) = &self.automaton else { return false };
        let Ok(start) = automaton.start_state(Anchored::Yes) else { return false };
        let mut chain = Chain { automaton, start, state: start, length: 0, ended: true, count: 0 };
        let is_whole = fold(text, &mut |piece| chain.take(piece)) && chain.take(Piece::Gap);
        is_whole && chain.ended && chain.count >= CHAIN_MIN
    }
}

/// Fewest phrases of a text that has no other words.
const CHAIN_MIN: usize = 3;

/// A part of a text as it looks from afar.
#[derive(Clone, Copy)]
enum Piece {
    /// A letter or digit, look-alikes as one.
    Letter(char),
    /// Something between words.
    Gap,
    /// The end of a sentence.
    End,
}

/// A phrase as it is written, in small and capital letters, and with a capital in front.
///
/// Look-alikes are found by shape, and small letters of other scripts have other shapes than
/// capitals; in ASCII all of these are one.
fn spellings(phrase: &str) -> Vec<String> {
    let small = phrase.to_lowercase();
    let mut letters = small.chars();
    let first = letters.next().map(char::to_uppercase);
    let capital: String = first.into_iter().flatten().chain(letters).collect();
    let all = [phrase, &small, &phrase.to_uppercase(), &capital];
    let mut all = all.map(squeezed).to_vec();
    all.sort_unstable();
    all.dedup();
    all
}

/// The letters and digits of a phrase.
fn squeezed(phrase: &str) -> String {
    let mut letters = String::new();
    fold(phrase, &mut |piece| {
        match piece {
            Piece::Letter(letter) => letters.push(letter),
            Piece::Gap | Piece::End => {}
        }
        true
    });
    letters
}

/// Reads a text piece by piece for as long as they are taken; `false` when they are not to the end.
/// Look-alikes, accents and gaps between letters make no difference.
fn fold(text: &str, take: &mut impl FnMut(Piece) -> bool) -> bool {
    let mut words = Words::default();
    if text.is_ascii() {
        return text.chars().all(|character| words.read(character, take));
    }
    text.nfkd().all(|character| {
        if is_combining_mark(character) || is_invisible(character) {
            return true;
        }
        if character.is_ascii() {
            return words.read(character, take);
        }
        if let Some(plain) = plain_letter(character) {
            return words.read(plain, take);
        }
        let mut bytes = [0; 4];
        let mut alike = skeleton(character.encode_utf8(&mut bytes)).flat_map(char::to_lowercase);
        alike.all(|lower| words.read(lower, take))
    })
}

/// The letter of a small capital, of a letter on a dark ground and of a regional indicator, which
/// have no compatibility form.
fn plain_letter(character: char) -> Option<char> {
    let first = match character {
        '\u{1f150}'..='\u{1f169}' => 0x1f150,
        '\u{1f170}'..='\u{1f189}' => 0x1f170,
        '\u{1f1e6}'..='\u{1f1ff}' => 0x1f1e6,
        _ => {
            let small = SMALL_CAPITALS.iter().find(|(capital, _)| *capital == character);
            return small.map(|(_, letter)| *letter);
        }
    };
    let place = u8::try_from(u32::from(character) - first).ok()?;
    Some(char::from(b'a' + place))
}

#[rustfmt::skip]
const SMALL_CAPITALS: [(char, char); 24] = [
    ('\u{1d00}', 'a'), ('\u{299}', 'b'), ('\u{1d04}', 'c'), ('\u{1d05}', 'd'), ('\u{1d07}', 'e'),
    ('\u{a730}', 'f'), ('\u{262}', 'g'), ('\u{29c}', 'h'), ('\u{26a}', 'i'), ('\u{1d0a}', 'j'),
    ('\u{1d0b}', 'k'), ('\u{29f}', 'l'), ('\u{1d0d}', 'm'), ('\u{274}', 'n'), ('\u{1d0f}', 'o'),
    ('\u{1d18}', 'p'), ('\u{280}', 'r'), ('\u{a731}', 's'), ('\u{1d1b}', 't'), ('\u{1d1c}', 'u'),
    ('\u{1d20}', 'v'), ('\u{1d21}', 'w'), ('\u{28f}', 'y'), ('\u{1d22}', 'z'),
];

/// Where words and sentences end.
#[derive(Default)]
struct Words {
    /// Letters of the word that is being read.
    letters: usize,
    /// Letters of the word before.
    before: usize,
    /// Whether a sentence ends with the next blank.
    ends: bool,
}

impl Words {
    fn read(&mut self, character: char, take: &mut impl FnMut(Piece) -> bool) -> bool {
        let folded = match character.to_ascii_lowercase() {
            'i' | '1' => 'l',
            '0' => 'o',
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            // The skeleton of letters that look like an m.
            'm' => {
                if !take(Piece::Letter('r')) {
                    return false;
                }
                'n'
            }
            other if other.is_alphanumeric() => other,
            other => return take(self.separator(other)),
        };
        self.letters += 1;
        self.ends = false;
        take(Piece::Letter(folded))
    }

    /// `buy? Now` are two sentences; `b. u. y. n. o. w.` is one phrase.
    fn separator(&mut self, character: char) -> Piece {
        if self.letters > 0 {
            self.before = std::mem::take(&mut self.letters);
        }
        if matches!(character, '.' | ',' | ';' | ':' | '!' | '?') && self.before > 1 {
            self.ends = true;
        }
        if self.ends && character.is_whitespace() {
            self.ends = false;
            return Piece::End;
        }
        Piece::Gap
    }
}

/// One reading of a text by the automaton.
struct Reading<'a> {
    automaton: &'a NFA,
    /// For each pattern: whether it does not count.
    ignored: &'a [bool],
    start: StateID,
    state: StateID,
    /// For each of the last bytes, the newest lowest: whether a gap stood in front of it.
    gaps: u128,
    gap: bool,
    /// A phrase has ended here, if a gap follows.
    ended: bool,
    found: bool,
}

impl<'a> Reading<'a> {
    fn new(automaton: &'a NFA, start: StateID, ignored: &'a [bool]) -> Self {
        let (state, gaps, gap) = (start, 0, true);
        Self { automaton, ignored, start, state, gaps, gap, ended: false, found: false }
    }

    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Letter(letter) => {
                self.ended = false;
                let mut bytes = [0; 4];
                letter.encode_utf8(&mut bytes).bytes().for_each(|byte| self.byte(byte));
            }
            Piece::Gap | Piece::End => {
                self.found |= self.ended;
                self.ended = false;
                self.gap = true;
                if matches!(piece, Piece::End) {
                    self.state = self.start;
                }
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        self.gaps = self.gaps << 1 | u128::from(std::mem::take(&mut self.gap));
        self.state = self.automaton.next_state(Anchored::No, self.state, byte);
        if !self.automaton.is_match(self.state) {
            return;
        }
        for index in 0..self.automaton.match_len(self.state) {
            let pattern = self.automaton.match_pattern(self.state, index);
            if self.ignored.get(pattern.as_usize()) == Some(&true) {
                continue;
            }
            let length = self.automaton.pattern_len(pattern);
            self.ended |= self.gaps >> (length - 1) & 1 == 1;
        }
    }
}

/// Reads phrases that follow one another.
struct Chain<'a> {
    automaton: &'a NFA,
    start: StateID,
    state: StateID,
    /// Bytes of the phrase so far.
    length: usize,
    /// Whether a phrase has just ended, or none has started.
    ended: bool,
    count: usize,
}

impl Chain<'_> {
    /// `false` once the text holds something else.
    fn take(&mut self, piece: Piece) -> bool {
        let Piece::Letter(letter) = piece else {
            if !self.ended && self.is_phrase() {
                self.ended = true;
                self.count += 1;
            }
            return true;
        };
        if std::mem::take(&mut self.ended) {
            (self.state, self.length) = (self.start, 0);
        }
        let mut bytes = [0; 4];
        for byte in letter.encode_utf8(&mut bytes).bytes() {
            self.state = self.automaton.next_state(Anchored::Yes, self.state, byte);
            self.length += 1;
        }
        !self.automaton.is_dead(self.state)
    }

    /// Whether the bytes since the start are a phrase, and not only the last of them.
    fn is_phrase(&self) -> bool {
        self.automaton.is_match(self.state)
            && (0..self.automaton.match_len(self.state)).any(|index| {
                let pattern = self.automaton.match_pattern(self.state, index);
                self.automaton.pattern_len(pattern) == self.length
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Phrases {
        Phrases::build(&PHRASES.map(String::from)).unwrap()
    }

    #[test]
    fn t_137_phrases_are_found_however_they_are_spelled() {
        let phrases = own();
        for text in [
            "buy now",
            "BUY   NOW!!!",
            "b u y  n o w",
            "b.u.y-n.o.w",
            "b. u. y. n. o. w.",
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
            "buy buy now",
            "\u{299}\u{1d1c}\u{28f} \u{274}\u{1d0f}\u{1d21}",
            "\u{1f171}\u{1f184}\u{1f188} \u{1f17d}\u{1f17e}\u{1f186}",
            "\u{1f1e7}\u{1f1fa}\u{1f1fe} \u{1f1f3}\u{1f1f4}\u{1f1fc}",
        ] {
            assert!(phrases.are_in(text), "{text:?}");
        }
    }

    #[test]
    fn common_phrase_is_not_an_offer() {
        let phrases = own();
        assert!(phrases.are_in("click here") && !phrases.offer("click here, click here"));
        assert!(phrases.offer("click here and buy now"));
    }

    #[test]
    fn text_that_consists_of_phrases_is_recognized() {
        let phrases = own();
        for (text, expect) in [
            ("buy now click here free money", true),
            ("BUY NOW!!! Click here! free money...", true),
            ("buy now, buy now, buy now", true),
            ("b u y now - cl1ck h3re - fr\u{e9}\u{e9} m\u{f6}ney", true),
            ("buy now", false),
            ("buy now click here", false),
            ("buy now or click here or free money", false),
            ("\"buy now\", \"click here\" and \"free money\" are phrases", false),
            ("buy nowclick here free money", false),
            ("free money free money free money x", false),
            ("", false),
        ] {
            assert_eq!(phrases.are_all(text), expect, "{text:?}");
        }
    }

    #[test]
    fn phrases_inside_words_and_across_sentences_do_not_match() {
        let phrases = own();
        for text in [
            "should I buy nowadays?",
            "rugby now and then",
            "the guy nowhere to be seen",
            "clicking here and there",
            "I will buy it, now that it is cheap",
            "What did you buy? Now I am curious.",
            "If you want to buy, now is the time",
            "it clicks, hereby noted",
            "is it free? Money is not the point",
            "",
        ] {
            assert!(!phrases.are_in(text), "{text:?}");
        }
        assert!(!Phrases::build(&[]).unwrap().are_in("buy now"));
    }

    #[test]
    fn phrases_of_any_script_are_read_and_bounded() {
        let phrases =
            ["kaufe jetzt", "\u{5149}\u{83b7}\u{5229}\u{6da6}", "\u{43a}\u{443}\u{43f}\u{438}"];
        let read = Phrases::build(&phrases.map(String::from)).unwrap();
        for text in
            ["Kaufe JETZT", "x \u{5149} \u{83b7}\u{5229}\u{6da6}", "\u{41a}\u{423}\u{41f}\u{418}!"]
        {
            assert!(read.are_in(text), "{text:?}");
        }
        let longest = "ab".repeat(64);
        assert!(Phrases::build(std::slice::from_ref(&longest)).unwrap().are_in(&longest));
        let longer = longest + "c";
        for phrase in ["", "abc", "...", &longer] {
            let error = Phrases::build(&[String::from(phrase)]).unwrap_err();
            assert_eq!(error.0, phrase);
        }
        assert!(Phrases::build(&vec![String::from("abcd"); 1_001]).is_err());
    }
}
