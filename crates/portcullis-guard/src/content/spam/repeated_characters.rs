//! Characters that repeat, as people see them. Linear time; no memory.
//! Never: a verdict; a ruled line and a long laugh repeat as well.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use crate::content::text::is_invisible;

/// The same character at most this often in a row, spaces and tabs aside.
pub(crate) const RUN_MAX: usize = 10;
/// The same for a whole message of characters of laughter, applause, numbers and surprise.
pub(crate) const FEELING_MAX: usize = 50;

/// Latin letters and brackets that people laugh and smile with; letters of other scripts all count.
const FEELINGS: [&str; 11] = ["w", "W", "k", "K", "j", "h", ")", "(", "D", "\u{ff57}", "\u{ff09}"];

/// Whether a text is one character, again and again: more than 10 times, and more than 50 for a
/// picture, a digit, `.`, `?`, `!`, a letter outside of Latin, or a laugh.
pub(crate) fn is_one_character(text: &str) -> bool {
    let exceeds = |most| {
        if text.is_ascii() {
            // Splitting into clusters costs ten times as much.
            return is_repeated(text.bytes().filter(|byte| !byte.is_ascii_whitespace()), most);
        }
        is_repeated(text.graphemes(true).filter(|cluster| !is_blank(cluster)), most)
    };
    // Most texts end here, at their second character.
    if !exceeds(RUN_MAX) {
        return false;
    }
    let mut clusters = text.graphemes(true).filter(|cluster| !is_blank(cluster));
    let Some(first) = clusters.next() else { return false };
    if first.starts_with(char::is_numeric) && has_groups(text) {
        return false;
    }
    !is_feeling(first) || exceeds(FEELING_MAX)
}

/// Whether all items are the same, and there are more than so many.
fn is_repeated<T: PartialEq>(mut items: impl Iterator<Item = T>, most: usize) -> bool {
    let Some(first) = items.next() else { return false };
    let mut count = 1;
    items.all(|item| {
        count += 1;
        item == first
    }) && count > most
}

/// Whether any character occurs more than 10 times in a row.
pub(crate) fn has_run(text: &str) -> bool {
    longest_run_exceeds(text, |_| true)
}

/// Whether the text shouts: more than 10 exclamation or question marks, signs of a currency, or
/// pictures of one kind in a row.
pub(crate) fn shouts(text: &str) -> bool {
    longest_run_exceeds(text, |cluster| {
        is_picture(cluster)
            || matches!(cluster, "!" | "?" | "$" | "\u{20ac}" | "\u{a3}" | "\u{a5}" | "\u{20bf}")
            || matches!(cluster, "\u{ff01}" | "\u{ff1f}" | "\u{ff04}")
    })
}

fn longest_run_exceeds(text: &str, counts: impl Fn(&str) -> bool) -> bool {
    let mut before = "";
    let mut run = 0;
    for cluster in text.graphemes(true).filter(|cluster| *cluster == "\n" || !is_blank(cluster)) {
        run = if cluster == before { run + 1 } else { 1 };
        if run > RUN_MAX && counts(cluster) {
            return true;
        }
        before = cluster;
    }
    false
}

fn is_blank(cluster: &str) -> bool {
    cluster.chars().all(|character| character.is_whitespace() || is_invisible(character))
}

/// Whether blanks separate groups, as in a number or a code: not between single characters.
fn has_groups(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.clone().nth(1).is_some() && words.any(|word| word.chars().nth(1).is_some())
}

fn is_feeling(cluster: &str) -> bool {
    let first = cluster.chars().next().unwrap_or_default();
    // A letter with an accent, in a circle or in full width is the letter.
    let plain = std::iter::once(first).nfkd().next().unwrap_or(first);
    let is_mark = matches!(plain, '.' | '?' | '!' | '\u{a1}' | '\u{bf}' | '\u{61f}' | '\u{6d4}')
        || matches!(plain, '\u{964}' | '\u{1362}' | '\u{3002}');
    let is_letter = first.is_alphabetic() && !is_latin(plain);
    FEELINGS.contains(&cluster) || is_mark || is_letter || plain.is_numeric() || is_picture(cluster)
}

fn is_latin(letter: char) -> bool {
    matches!(letter, '\0'..='\u{2ff}' | '\u{1d00}'..='\u{1dbf}' | '\u{1e00}'..='\u{1eff}')
        || matches!(letter, '\u{2c60}'..='\u{2c7f}' | '\u{a720}'..='\u{a7ff}')
        || matches!(letter, '\u{ab30}'..='\u{ab6f}' | '\u{1df00}'..='\u{1dfff}')
        || matches!(letter, '\u{1f130}'..='\u{1f189}')
}

/// Pictures and the flags of regions.
fn is_picture(cluster: &str) -> bool {
    let first = cluster.chars().next().unwrap_or_default();
    matches!(first, '\u{2600}'..='\u{27bf}' | '\u{2b05}'..='\u{2b55}')
        || matches!(first, '\u{1f000}'..='\u{1faff}')
        || is_pictographic(first)
}

/// The Unicode property `Extended_Pictographic`: a joiner binds exactly such a character to a
/// picture after it (UAX #29, rule GB11).
fn is_pictographic(character: char) -> bool {
    if character.is_ascii() {
        return false;
    }
    let joined: String = [character, '\u{200d}', '\u{1f469}'].into_iter().collect();
    joined.graphemes(true).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: &str = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";

    #[test]
    fn t_136_texts_of_one_character_are_found_with_an_exact_threshold() {
        for (cluster, most) in [
            ("a", RUN_MAX),
            ("-", RUN_MAX),
            ("\u{24d0}", RUN_MAX),
            ("\u{fdfd}", RUN_MAX),
            ("\u{2500}", RUN_MAX),
            ("a\u{200b}", RUN_MAX),
            ("a ", RUN_MAX),
            ("a\n", RUN_MAX),
            ("e\u{301}", RUN_MAX),
            ("!", FEELING_MAX),
            (".", FEELING_MAX),
            ("\u{ff1f}", FEELING_MAX),
            ("0", FEELING_MAX),
            ("8", FEELING_MAX),
            ("\u{3042}", FEELING_MAX),
            ("\u{647}", FEELING_MAX),
            ("\u{5d7}", FEELING_MAX),
            ("\u{30cf}", FEELING_MAX),
            ("\u{d558}", FEELING_MAX),
            ("\u{3137}", FEELING_MAX),
            ("\u{939}\u{93e}", FEELING_MAX),
            ("\u{bb9}\u{bbe}", FEELING_MAX),
            ("\u{1203}", FEELING_MAX),
            ("\u{554a}", FEELING_MAX),
            ("\u{23f3}", FEELING_MAX),
            ("\u{203c}\u{fe0f}", FEELING_MAX),
            ("\u{3297}\u{fe0f}", FEELING_MAX),
            (FAMILY, FEELING_MAX),
            ("\u{1f389}", FEELING_MAX),
            ("\u{1f1e9}\u{1f1ea}", FEELING_MAX),
            ("\u{2764}\u{fe0f}", FEELING_MAX),
            ("w", FEELING_MAX),
            ("\u{54c8}", FEELING_MAX),
        ] {
            assert!(!is_one_character(&cluster.repeat(most)), "{cluster:?}");
            assert!(is_one_character(&cluster.repeat(most + 1)), "{cluster:?}");
            assert!(is_one_character(&cluster.repeat(10_000)), "{cluster:?}");
        }
        let more =
            ["a".repeat(50) + "b", String::from("ab").repeat(50), " ".repeat(40), String::new()];
        assert!(more.iter().all(|text| !is_one_character(text)));
        let groups = "1111 ".repeat(30);
        assert!(!is_one_character(&groups) && is_one_character(&"1 ".repeat(51)));
    }

    #[test]
    fn t_136_runs_are_counted_in_characters_as_people_see_them() {
        let runs = ["a".repeat(11), FAMILY.repeat(11), "e\u{301}".repeat(11), "\n".repeat(11)];
        for run in runs {
            assert!(has_run(&format!("well {run} then")), "{run:?}");
        }
        assert!(has_run("100000000000") && has_run(&"a\u{200b}".repeat(11)));
        let no_runs = ["a".repeat(10), FAMILY.repeat(10), "ab".repeat(200), " ".repeat(40)];
        for text in no_runs {
            assert!(!has_run(&text) && !shouts(&text), "{text:?}");
        }
        assert!(shouts("WIN!!!!!!!!!!!") && shouts(&"\u{1f4b0}".repeat(11)));
        assert!(!shouts("|--------------|") && !shouts("nooooooooooooo") && !shouts("WIN!!!!!"));
    }
}
