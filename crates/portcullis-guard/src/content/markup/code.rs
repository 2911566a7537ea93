//! Finds the parts of a text between backticks: they hold code, and tags in code are text.
//! Never: a part that has no end, or that an apostrophe begins.

use std::collections::BTreeMap;

/// Backticks from which a part may hold line breaks.
const FENCE: usize = 3;

/// The parts between backticks with their backticks, in order; linear time.
///
/// A part ends with as many backticks as it begins with. A word directly before or
/// after it makes a backtick an apostrophe.
pub(crate) fn code_spans(source: &str) -> Vec<(usize, usize)> {
    let runs = runs(source);
    // For each run the next one of its length.
    let mut next: Vec<Option<usize>> = vec![None; runs.len()];
    let mut last = BTreeMap::new();
    for (index, (start, end)) in runs.iter().enumerate().rev() {
        let later = last.insert(end - start, index);
        if let Some(place) = next.get_mut(index) {
            *place = later;
        }
    }
    let mut spans = Vec::new();
    let mut done = 0;
    for ((start, end), partner) in runs.iter().zip(next) {
        let Some((stop, after)) = partner.and_then(|partner| runs.get(partner)) else { continue };
        let content = source.get(*end..*stop).unwrap_or_default();
        let is_fence = end - start >= FENCE;
        let word_before = is_word(source.get(..*start).and_then(|text| text.chars().next_back()));
        let word_behind = is_word(source.get(*after..).and_then(|text| text.chars().next()));
        if *start >= done && !word_before && !word_behind && (is_fence || !content.contains('\n')) {
            spans.push((*start, *after));
            done = *after;
        }
    }
    spans
}

/// A run of adjacent backticks.
fn runs(source: &str) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for at in memchr::memchr_iter(b'`', source.as_bytes()) {
        match runs.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            Some(_) | None => runs.push((at, at + 1)),
        }
    }
    runs
}

fn is_word(character: Option<char>) -> bool {
    character.is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_between_backticks_are_found_with_their_end() {
        for (text, expect) in [
            ("a `b` c `d`", &["`b`", "`d`"][..]),
            ("``a ` b`` `c`", &["``a ` b``", "`c`"]),
            ("```\na\n``` b", &["```\na\n```"]),
            ("`a\nb`", &[]),
            ("don`t and won`t", &[]),
            ("`a", &[]),
            ("`a`b `c`", &["`c`"]),
            ("no", &[]),
        ] {
            let spans = code_spans(text);
            let found: Vec<_> = spans.iter().map(|(start, end)| &text[*start..*end]).collect();
            assert_eq!(found, expect, "{text:?}");
        }
    }
}
