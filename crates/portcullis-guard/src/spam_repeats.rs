//! Characters that repeat, as people see them. Linear time; no memory.
//! Never: a verdict; a ruled line and a long laugh repeat as well.

use unicode_segmentation::UnicodeSegmentation;

use crate::text::is_invisible;

/// The same character at most this often in a row, spaces and tabs aside.
pub(crate) const RUN_MAX: usize = 10;
/// The same for a whole message of a picture, or of a letter that people laugh with.
pub(crate) const FEELING_MAX: usize = 50;

/// Letters that people laugh, cry and smile with in some language.
const FEELINGS: [&str; 23] = [
    "w", "W", "5", "k", "K", "j", "h", ")", "(", "D", "\u{ff57}", "\u{ff09}", "\u{e55}",
    "\u{314b}", "\u{314e}", "\u{3160}", "\u{315c}", "\u{54c8}", "\u{5475}", "\u{563f}", "\u{563b}",
    "\u{7b11}", "\u{8349}",
];

/// Whether a text is one character, again and again: more than 10 times, and more than 50 for a
/// picture or a laugh.
pub(crate) fn is_one_character(text: &str) -> bool {
    let mut clusters = text.graphemes(true).filter(|cluster| !is_blank(cluster));
    let Some(first) = clusters.next() else { return false };
    let most = if is_feeling(first) { FEELING_MAX } else { RUN_MAX };
    if text.is_ascii() {
        // Splitting into clusters costs ten times as much.
        return is_repeated(text.bytes().filter(|byte| !byte.is_ascii_whitespace()), most);
    }
    is_repeated(text.graphemes(true).filter(|cluster| !is_blank(cluster)), most)
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

/// Whether any character stands there more than 10 times in a row.
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

fn is_feeling(cluster: &str) -> bool {
    FEELINGS.contains(&cluster) || is_picture(cluster)
}

/// Pictures and the flags of regions.
fn is_picture(cluster: &str) -> bool {
    let first = cluster.chars().next().unwrap_or_default();
    matches!(first, '\u{2600}'..='\u{27bf}' | '\u{2b05}'..='\u{2b55}')
        || matches!(first, '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: &str = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";

    #[test]
    fn t_136_texts_of_one_character_are_found_with_an_exact_threshold() {
        for (cluster, most) in [
            ("a", RUN_MAX),
            ("!", RUN_MAX),
            ("a\u{200b}", RUN_MAX),
            ("a ", RUN_MAX),
            ("a\n", RUN_MAX),
            ("e\u{301}", RUN_MAX),
            ("\u{3042}", RUN_MAX),
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
