//! Marks of unfinished work and paths of one machine, in every file.
//! Never: language; `words.rs` checks that.

/// Each mark with the reason, composed so that this file does not contain it.
const MARKS: [(&str, &str); 6] = [
    (concat!("TO", "DO"), "unfinished work: finish it or leave it out"),
    (concat!("FIX", "ME"), "unfinished work: finish it or leave it out"),
    (concat!("/work", "/"), "a path of one machine: name it from the repository's root"),
    (concat!("../sha", "red/"), "a path outside the repository: write the content here"),
    (concat!(".lib", "rary/"), "a path outside the repository: write the content here"),
    (concat!("<<<<", "<<< "), "an unfinished merge"),
];

/// What is wrong, each as `:line what`.
pub(crate) fn check(text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (mark, why) in MARKS {
            if line.contains(mark) {
                findings.push(format!(":{} {mark}: {why}", index + 1));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_found_with_its_line() {
        for (mark, _) in MARKS {
            let found = check(&format!("first\nsecond {mark} third\n"));
            assert_eq!(found.len(), 1, "{mark}");
            assert!(found[0].starts_with(":2 "), "{found:?}");
        }
        assert!(check("work/ shared/ library todo\n").is_empty());
    }
}
