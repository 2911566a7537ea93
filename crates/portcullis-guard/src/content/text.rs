//! Unicode rules of text: which characters are rejected, removed or invisible.
//! Never: markup, or a decision about the meaning of a text.
//!
//! A message becomes plain lines: every kind of line break is `\n`. Noncharacters are rejected.
//! These are removed:
//!
//! - other control characters, with the terminal sequences that they begin
//! - bidirectional overrides, embeddings and isolates, and deprecated format characters
//! - tag characters outside a flag
//! - combining marks beyond eight on one character, or four of those that belong to no script
//! - line breaks beyond thirty in a row
//!
//! A name is changed to its normal form only. A name with a character that a message would lose is
//! rejected.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc, is_nfc_quick};

/// The fault of a text, in one word.
pub(crate) type Fault = &'static str;

/// Combining marks in a row; the scripts that stack the most need four.
const MARKS_MAX: usize = 8;
/// The same for marks of no script of their own: four occur in phonetic writing.
const DIACRITICS_MAX: usize = 4;
/// Line breaks without visible text between them; more would push earlier text out of view.
const BREAKS_MAX: usize = 30;

/// A message's text in normal form C, without deceptive characters; line breaks are `\n`.
///
/// Applying it twice is applying it once.
pub(crate) fn normalise(raw: &str) -> Result<Cow<'_, str>, Fault> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    let kept = if raw.bytes().all(is_plain) || is_normal(raw) {
        if !has_many_breaks(raw) {
            return Ok(Cow::Borrowed(raw));
        }
        String::from(raw)
    } else {
        strip(raw)?
    };
    // Removal comes first: characters that become neighbours may compose, and marks may pile up.
    let kept = if has_many_breaks(&kept) { cut_breaks(&kept) } else { kept };
    let cut = cut_marks(&compose(kept));
    // A removed mark may have kept a base and a mark of a higher class apart.
    Ok(Cow::Owned(compose(cut)))
}

fn compose(text: String) -> String {
    if is_nfc(&text) { text } else { text.nfc().collect() }
}

fn has_many_breaks(text: &str) -> bool {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() > BREAKS_MAX
}

/// Whether a text is surely in its normal form already; most are, and cost no memory.
fn is_normal(text: &str) -> bool {
    let mut pile = Pile::default();
    text.chars().all(|character| {
        if character.is_ascii() {
            pile = Pile::default();
            return matches!(character, ' '..='~' | '\n' | '\t');
        }
        let is_taken_out = matches!(
            character,
            '\u{2028}'
                | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        );
        let is_refused = character.is_control() || is_noncharacter(character);
        pile.takes(character) && !is_taken_out && !is_refused
    }) && is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// A name: one line, visible, spelled so that no two names look alike by accident of encoding.
pub(crate) fn check_name(raw: &str, chars_max: usize) -> Result<String, Fault> {
    if raw.len() > chars_max.saturating_mul(16) {
        return Err("long");
    }
    let name: String = raw.nfc().collect();
    let mut marks = 0;
    let mut before = ' ';
    for character in name.chars() {
        marks = if is_combining_mark(character) { marks + 1 } else { 0 };
        let presentation = matches!(character, '\u{fe0e}' | '\u{fe0f}') && is_visible(before);
        if character.is_control() || is_noncharacter(character) {
            return Err("control");
        }
        if marks > MARKS_MAX {
            return Err("marks");
        }
        if is_invisible(character) && !presentation {
            return Err("invisible");
        }
        if character.is_whitespace() && character != ' ' {
            return Err("whitespace");
        }
        if matches!(character, '<' | '>') {
            return Err("markup");
        }
        before = character;
    }
    if name.trim() != name {
        return Err("spaces");
    }
    if looks_empty(&name) {
        return Err("empty");
    }
    if name.chars().count() > chars_max { Err("long") } else { Ok(name) }
}

/// Whether a reader would see nothing at all.
pub(crate) fn looks_empty(text: &str) -> bool {
    !text.chars().any(is_visible)
}

fn is_visible(character: char) -> bool {
    !character.is_whitespace()
        && !character.is_control()
        && !is_invisible(character)
        && !is_combining_mark(character)
}

/// Characters that take no ink: default-ignorable ones, and letters and signs that are blank.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}' // Hangul fillers, as are U+3164 and U+FFA0
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}' // braille without a dot
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffc}'
        | '\u{13441}'..='\u{13442}' // blank hieroglyphs
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d159}' // a note without a head
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

pub(crate) fn is_noncharacter(character: char) -> bool {
    let code = u32::from(character);
    matches!(code, 0xfdd0..=0xfdef) || code & 0xfffe == 0xfffe
}

fn strip(raw: &str) -> Result<String, Fault> {
    let mut kept = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    let mut in_flag = false;
    while let Some(character) = rest.next() {
        match character {
            '\r' if rest.peek() == Some(&'\n') => {}
            // Soft breaks of office programs, page breaks, breaks of old systems.
            '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => kept.push('\n'),
            '\n' | '\t' => kept.push(character),
            '\u{1b}' | '\u{9b}' | '\u{9d}' => {
                for _ in 0..sequence_length(character, rest.clone()) {
                    rest.next();
                }
            }
            _ if character.is_control() => {}
            _ if is_noncharacter(character) => return Err("noncharacter"),
            // Overrides and embeddings, isolates, deprecated ones, the byte order mark.
            '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' => {}
            '\u{e0000}'..='\u{e007f}' if !in_flag => {}
            _ => kept.push(character),
        }
        // A flag of a region is a black flag and its name in tag characters.
        let tag = matches!(character, '\u{e0000}'..='\u{e007f}');
        in_flag = character == '\u{1f3f4}' || (in_flag && tag);
    }
    Ok(kept)
}

/// The characters of a terminal sequence after its control character (ECMA-48).
///
/// Such as a colour, a movement of the cursor, a title. 0 when the sequence has no end.
///
/// Only such a sequence itself is read, which holds no control character: linear time in all.
fn sequence_length(introducer: char, mut rest: Peekable<Chars<'_>>) -> usize {
    let (kind, read) = match introducer {
        '\u{9b}' => ('[', 0),
        '\u{9d}' => (']', 0),
        _ => (rest.next().unwrap_or_default(), 1),
    };
    match kind {
        '[' => {
            let mut length = read;
            for character in rest {
                length += 1;
                match character {
                    ' '..='?' => {}
                    '@'..='~' => return length,
                    _ => return 0,
                }
            }
            0
        }
        ']' => {
            let mut length = read;
            while let Some(character) = rest.next() {
                length += 1;
                match character {
                    '\u{7}' | '\u{9c}' => return length,
                    '\u{1b}' if rest.peek() == Some(&'\\') => return length + 1,
                    _ if character.is_control() => return 0,
                    _ => {}
                }
            }
            0
        }
        // The choice of a character set.
        '(' | ')' => rest.next().filter(char::is_ascii_alphanumeric).map_or(0, |_| 2),
        _ => 0,
    }
}

/// Drops line breaks that would push earlier text out of sight.
fn cut_breaks(text: &str) -> String {
    let mut breaks = 0;
    let keep = |character: &char| {
        if *character == '\n' {
            breaks += 1;
        } else if is_visible(*character) {
            breaks = 0;
        }
        *character != '\n' || breaks <= BREAKS_MAX
    };
    text.chars().filter(keep).collect()
}

/// The combining marks on one character.
#[derive(Default)]
struct Pile {
    marks: usize,
    diacritics: usize,
}

impl Pile {
    /// Adds the next character of a text; `false` for a mark that would climb out of its line.
    fn takes(&mut self, character: char) -> bool {
        if is_combining_mark(character) {
            self.marks += 1;
            let is_diacritic = matches!(character,
                '\u{300}'..='\u{36f}'
                | '\u{1ab0}'..='\u{1aff}'
                | '\u{1dc0}'..='\u{1dff}'
                | '\u{20d0}'..='\u{20ff}'
                | '\u{fe20}'..='\u{fe2f}');
            self.diacritics += usize::from(is_diacritic);
            return self.marks <= MARKS_MAX && !(is_diacritic && self.diacritics > DIACRITICS_MAX);
        }
        if !is_invisible(character) {
            *self = Self::default();
        }
        true
    }
}

/// Drops the marks that would climb out of their line; the result may be not composed.
fn cut_marks(text: &str) -> String {
    let mut pile = Pile::default();
    text.chars().filter(|character| pile.takes(*character)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn t_117_messages_are_normalised_or_rejected() {
        let zalgo = ["a", &"\u{335}".repeat(10_000), "b"].concat();
        let cut = ["a", &"\u{335}".repeat(4), "b"].concat();
        let hebrew = "\u{5e9}\u{5b8}\u{5bc}\u{5bd}\u{5c1}\u{596}\u{5ac}\u{5a8}";
        let tibetan = "\u{f67}\u{fb1}\u{fb2}\u{f71}\u{f74}\u{f83}";
        let cases = [
            ("plain\n\ttext", Ok("plain\n\ttext")),
            ("cafe\u{301}", Ok("caf\u{e9}")),
            ("\u{1112}\u{1161}\u{11ab}", Ok("\u{d55c}")),
            ("a\r\nb\u{2028}c", Ok("a\nb\nc")),
            ("a\u{b}b\u{c}c\rd\u{85}e", Ok("a\nb\nc\nd\ne")),
            ("a\0b\u{8}\u{7f}", Ok("ab")),
            ("<scr\0ipt>", Ok("<script>")),
            ("don\u{e2}\u{80}\u{99}t", Ok("don\u{e2}t")),
            ("\u{1b}[31merror\u{1b}[0m", Ok("error")),
            ("\u{1b}[1;31;40mx\u{9b}0m", Ok("x")),
            ("\u{1b}]0;title\u{7}x\u{1b}]8;;y\u{1b}\\z", Ok("xz")),
            ("\u{1b}(Bx\u{1b}", Ok("x")),
            ("\u{1b}[31\u{e9} \u{1b}]x", Ok("[31\u{e9} ]x")),
            ("\u{1b}[3\u{1b}[31m1m", Ok("[31m")),
            ("a\u{ffff}", Err("noncharacter")),
            ("a\u{fdd0}", Err("noncharacter")),
            ("a\u{10fffe}", Err("noncharacter")),
            ("abc\u{202e}fed", Ok("abcfed")),
            ("\u{2066}abc\u{2069}", Ok("abc")),
            ("e\u{202e}\u{301}", Ok("\u{e9}")),
            ("\u{feff}x", Ok("x")),
            ("hi\u{e0048}\u{e0049}", Ok("hi")),
            ("\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}", Ok("\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}")),
            ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{200f}", Ok("\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{200f}")),
            ("\u{1f468}\u{200d}\u{1f469}", Ok("\u{1f468}\u{200d}\u{1f469}")),
            (&zalgo, Ok(&cut)),
            (hebrew, Ok(hebrew)),
            (tibetan, Ok(tibetan)),
        ];
        for (raw, expect) in cases {
            let shown: String = raw.chars().take(20).collect();
            assert_eq!(normalise(raw).as_deref(), expect.as_ref().copied(), "{shown:?}");
        }
        let breaks = |count: usize| ["a", &"\n \n".repeat(count), "b"].concat();
        assert_eq!(normalise(&breaks(15)).as_deref(), Ok(&*breaks(15)));
        let cut = normalise(&breaks(400)).unwrap().into_owned();
        assert_eq!((cut.matches('\n').count(), cut.ends_with('b')), (30, true));
        let lines = "a\n".repeat(400);
        assert_eq!(normalise(&lines).as_deref(), Ok(&*lines));
        let apart = ["a", &"\u{335}\u{200d}".repeat(50)].concat();
        let marks = normalise(&apart).unwrap().chars().filter(|c| *c == '\u{335}').count();
        assert_eq!(marks, 4, "what cannot be seen does not start a new pile");
    }

    #[test]
    fn t_117_marks_that_a_removed_break_or_mark_joins_are_bounded_and_composed() {
        let marks = |text: &str| text.chars().filter(|c| *c == '\u{30d}').count();
        for between in ["\n", "\r", "\u{85}", "\u{2028}", "\n\u{200d}"] {
            let pile = ["\u{30d}".repeat(4).as_str(), between].concat();
            let raw = ["a", &between.repeat(30), &pile.repeat(240)].concat();
            assert_eq!(marks(&normalise(&raw).unwrap()), 4, "{between:?}");
        }
        // Alef and madda compose once the mark between them is removed.
        let raw = ["\u{627}", &"\u{335}".repeat(4), "\u{301}\u{653}"].concat();
        let composed = ["\u{622}", &"\u{335}".repeat(4)].concat();
        assert_eq!(normalise(&raw).as_deref(), Ok(&*composed));
        // A base below a removed break composes with the mark after it.
        let raw = ["a", &"\n".repeat(30), "\n \u{300}e"].concat();
        assert!(is_nfc(&normalise(&raw).unwrap()));
    }

    #[test]
    fn t_116_invisible_text_is_empty() {
        let empty = [
            "",
            "   ",
            "\n\t ",
            "\u{200b}",
            "\u{feff}\u{2060}",
            "\u{a0}\u{3000}\u{2003}",
            "\u{2800}",
            "\u{3164}\u{115f}\u{1160}\u{ffa0}",
            "\u{301}\u{20dd}",
            "\u{34f}\u{ad}",
            "\u{e0041}",
            "\u{fe0f}",
            "\u{202e}",
            "\u{180e}\u{17b4}",
        ];
        for text in empty {
            assert!(looks_empty(text), "{text:?}");
        }
        for text in ["a", "\u{200b}.", "\u{1f600}", "\u{5d0}", "\u{3042}", "-", "0"] {
            assert!(!looks_empty(text), "{text:?}");
        }
    }

    #[test]
    fn t_133_names_are_unchanged_or_rejected() {
        let cases = [
            ("General", Ok("General")),
            ("Tom & Jerry's caf\u{e9} \u{1f600}", Ok("Tom & Jerry's caf\u{e9} \u{1f600}")),
            ("cafe\u{301}", Ok("caf\u{e9}")),
            ("\u{2764}\u{fe0f} love", Ok("\u{2764}\u{fe0f} love")),
            ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}", Ok("\u{5e9}\u{5dc}\u{5d5}\u{5dd}")),
            ("", Err("empty")),
            (" General", Err("spaces")),
            ("General ", Err("spaces")),
            ("a\nb", Err("control")),
            ("a\tb", Err("control")),
            ("a\0", Err("control")),
            ("a\u{a0}b", Err("whitespace")),
            ("a\u{2028}b", Err("whitespace")),
            ("Gen\u{200b}eral", Err("invisible")),
            ("a\u{202e}b", Err("invisible")),
            ("a\u{200d}b", Err("invisible")),
            ("\u{fe0f}a", Err("invisible")),
            ("a\u{fe0f}\u{fe0f}", Err("invisible")),
            ("\u{3164}", Err("invisible")),
            ("\u{301}", Err("empty")),
            ("<b>x</b>", Err("markup")),
            ("a>b", Err("markup")),
            ("a\u{ffff}", Err("control")),
            ("0123456789012345678901234567890", Err("long")),
        ];
        for (raw, expect) in cases {
            let name = check_name(raw, 30);
            assert_eq!(name.as_deref(), expect.as_ref().copied(), "{raw:?}");
        }
        let exactly = "\u{e9}".repeat(30);
        assert_eq!(check_name(&"e\u{301}".repeat(30), 30), Ok(exactly));
        assert_eq!(check_name(&["a", &"\u{335}".repeat(9)].concat(), 30), Err("marks"));
        assert_eq!(check_name(&"a".repeat(100_000), 30), Err("long"));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 512,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn cleaned_text_is_composed_and_cleaning_it_again_changes_nothing(
            parts in proptest::collection::vec(
                ("[a\u{627}\u{915}\u{1100}\u{200d} ]{0,2}", 0_usize..36,
                 "[\u{300}\u{301}\u{30d}\u{335}\u{653}\u{93c}\u{5b8}\u{1161}]{0,12}"),
                0..4,
            )
        ) {
            let part = |(base, breaks, marks): &(String, usize, String)| {
                [base.as_str(), &"\n".repeat(*breaks), marks].concat()
            };
            let raw: String = parts.iter().map(part).collect();
            let once = normalise(&raw).unwrap();
            prop_assert!(is_nfc(&once), "{once:?}");
            let mut pile = Pile::default();
            prop_assert!(once.chars().all(|character| pile.takes(character)), "{once:?}");
            let twice = normalise(&once);
            prop_assert_eq!(twice.as_deref(), Ok(&*once));
        }

        #[test]
        fn normalising_twice_is_normalising_once(
            raw in concat!(
                "[a<\u{0}\u{1b}\u{9d}\u{7}\\[\n\r\u{202e}\u{200d}\u{300}-",
                "\u{345}\u{1100}-\u{11ff}\u{9be}\u{9c7}\u{1f3f4}\u{e0041}e\u{ac00}]{0,40}|.{0,20}",
            )
        ) {
            if let Ok(once) = normalise(&raw) {
                prop_assert!(is_nfc(&once));
                prop_assert!(!is_normal(&raw) || once == raw);
                prop_assert!(!once.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
                let stripped = strip(&raw).unwrap();
                let slow = cut_marks(&cut_breaks(&stripped).nfc().collect::<String>());
                let slow: String = slow.nfc().collect();
                prop_assert_eq!(&*once, slow.as_str());
                let twice = normalise(&once);
                prop_assert_eq!(twice.as_deref(), Ok(&*once));
            }
        }
    }
}
