//! Words that must not appear in anything written here.
//! Never: in code only; prose counts, too.

/// Each word with the reason, put together so that this file does not hold it.
const WORDS: [(&str, &str); 6] = [
    (concat!("TO", "DO"), "unfinished work: finish it or leave it out"),
    (concat!("FIX", "ME"), "unfinished work: finish it or leave it out"),
    (concat!("/work", "/"), "a path of one machine: name it from the repository's root"),
    (concat!("../sha", "red/"), "a path outside the repository: say it here"),
    (concat!(".lib", "rary/"), "a path outside the repository: say it here"),
    (concat!("<<<<", "<<< "), "an unfinished merge"),
];

/// What is wrong, each as `:line what`.
pub(crate) fn check(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (word, why) in WORDS {
            if line.contains(word) {
                findings.push(format!(":{} {word}: {why}", index + 1));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found_where_it_stands() {
        for (word, _) in WORDS {
            let found = check(&format!("first\nsecond {word} third\n"));
            assert_eq!(found.len(), 1, "{word}");
            assert!(found[0].starts_with(":2 "), "{found:?}");
        }
        assert!(check("work/ shared/ library todo\n").is_empty());
    }
}
