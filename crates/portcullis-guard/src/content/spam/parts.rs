//! The parts of a text in which phrases are looked for: without addresses, without questions.
//! Never: a verdict; linear time, and memory only for text that has a link.

use unicode_normalization::UnicodeNormalization;

use crate::content::spam::links;
use crate::content::text::is_invisible;

/// Words that begin a question about an action: `should I buy now?`
const AUXILIARIES: [&str; 14] = [
    "can",
    "could",
    "did",
    "do",
    "does",
    "may",
    "might",
    "must",
    "should",
    "shall",
    "will",
    "would",
    "can't",
    "shouldn't",
];
/// Words for the person the question is about.
const PERSONS: [&str; 8] = ["he", "i", "it", "one", "she", "they", "we", "you"];

/// The text between two links, or between a link and an end of the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    text: &'a str,
    /// The links before and after; empty where there is none.
    links: [&'a str; 2],
    /// All three in one piece.
    whole: &'a str,
}

impl Part<'_> {
    /// Whether a match is found that is not inside one link. It may begin or end
    /// in one: `https://a.example/buy now`.
    pub(crate) fn holds(&self, find: impl Fn(&str) -> bool) -> bool {
        find(self.text) || (find(self.whole) && !self.links.iter().any(|link| find(link)))
    }
}

/// The text without its links.
pub(crate) fn outside_links(text: &str) -> Vec<Part<'_>> {
    let look = LoadSample::of(text);
    let spans = links::spans(&look.text).into_iter();
    let spans = spans.map(|(start, end)| (look.source_of(start), look.source_of(end)));
    let mut parts = Vec::new();
    let (mut before, mut done) = (0, 0);
    for (start, end) in spans.chain([(text.len(), text.len())]) {
        let between = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
        parts.push(Part {
            text: between(done, start),
            links: [between(before, done), between(start, end)],
            whole: between(before, end),
        });
        (before, done) = (start, end);
    }
    parts
}

/// The text without `should I buy` and the like: a question about an action does not offer it.
pub(crate) fn outside_questions(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut done, mut at) = (0, 0);
    // Where the auxiliary, the person and the verb begin; how many of them were read.
    let (mut start, mut read) = (0, 0);
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_matches(|letter: char| !letter.is_alphanumeric());
        let is_one_of = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
        if word.is_empty() && piece.trim().is_empty() {
            at += piece.len();
            continue;
        }
        if read == 2 {
            parts.extend(text.get(done..start));
            (done, read) = (at + piece.len(), 0);
        } else if read == 1 && is_one_of(&PERSONS) {
            read = 2;
        } else {
            read = usize::from(is_one_of(&AUXILIARIES));
            start = at;
        }
        at += piece.len();
    }
    parts.extend(text.get(done..));
    parts
}

/// A text in compatibility form and lower case, and where each byte of it comes from.
struct LoadSample {
    text: String,
    /// For each byte of `text`, the place in the source; none where both are the same.
    places: Option<Vec<usize>>,
    source_len: usize,
}

impl LoadSample {
    fn of(source: &str) -> Self {
        let source_len = source.len();
        if source.is_ascii() {
            return Self { text: source.to_ascii_lowercase(), places: None, source_len };
        }
        let mut text = String::with_capacity(source_len);
        let mut places = Vec::with_capacity(source_len);
        for (at, character) in source.char_indices() {
            let seen = std::iter::once(character).nfkc().filter(|seen| !is_invisible(*seen));
            text.extend(seen.flat_map(char::to_lowercase));
            places.resize(text.len(), at);
        }
        Self { text, places: Some(places), source_len }
    }

    fn source_of(&self, at: usize) -> usize {
        let Some(places) = &self.places else { return at };
        places.get(at).copied().unwrap_or(self.source_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_left_out_with_their_path() {
        for (text, expect) in [
            ("see https://a.example/click-here now", "see | now"),
            ("(https://a.example)buy now", "(|)buy now"),
            ("https://a.example/Foo_(buy_now),_too end", "| end"),
            ("<https://a.example/x>buy now", "<|>buy now"),
            ("https://a.example,buy now", "|,buy now"),
            ("buy-now:https://a.example", "buy-now:|"),
            ("\u{8acb}\u{770b}https://a.example/buy-now", "\u{8acb}\u{770b}|"),
            ("\u{e9} \u{ff48}ttp://a.example/x y", "\u{e9} | y"),
            ("www.a.example/buy-now or shop.xyz/buy-now", "| or |"),
            ("no link", "no link"),
            ("", ""),
        ] {
            let parts: Vec<_> = outside_links(text).iter().map(|part| part.text).collect();
            assert_eq!(parts.join("|"), expect, "{text:?}");
        }
    }

    #[test]
    fn words_that_begin_or_end_in_a_link_are_held() {
        let holds = |text: &str| {
            outside_links(text).iter().any(|part| part.holds(|text| text.contains("buy now")))
        };
        assert!(holds("https://a.example/buy now") && holds("so buy now.com"));
        assert!(holds("https://a.example/x buy now https://b.example"));
        assert!(!holds("https://a.example/?buy now.com".replace("buy now", "buy_now").as_str()));
        assert!(!holds("nothing https://a.example here"));
    }

    #[test]
    fn questions_are_left_out_up_to_their_verb() {
        for (text, expect) in [
            ("Should I buy now or wait?", "| now or wait?"),
            ("so, would  you\nbuy now", "so, | now"),
            ("How do I claim your prize", "How | your prize"),
            ("should buy now", "should buy now"),
            ("do you", "do you"),
            ("can can I buy now, buy now", "can | now, buy now"),
        ] {
            let parts = outside_questions(text);
            assert_eq!(parts.join("|").replace("| ", "|"), expect.replace("| ", "|"), "{text:?}");
        }
    }
}
