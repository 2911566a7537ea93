//! Suggests the known key that is most similar to an unknown one (T-273).
//! Never: a suggestion for values.

/// Most edits between two similar names.
const EDITS_MAX: usize = 3;
/// Longest name that is compared.
const NAME_MAX_BYTES: usize = 64;

/// Finds the most similar name in "unknown field `a`, expected one of `b`, `c`".
pub(crate) fn suggestion(message: &str) -> Option<&str> {
    if !message.starts_with("unknown field") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|name| name.len() <= NAME_MAX_BYTES)?;
    let near = names.map(|known| (distance(unknown, known), known)).min()?;
    // A short name is similar to many: at most half of its letters can differ.
    (near.0 <= EDITS_MAX.min(unknown.len() / 2)).then_some(near.1)
}

/// The number of edits between two names (Levenshtein distance).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.bytes().enumerate() {
        let mut next = vec![index + 1];
        for ((other, pair), below) in right.bytes().zip(row.windows(2)).zip(1..) {
            let &[diagonal, above] = pair else { continue };
            let before = next.get(below - 1).copied().unwrap_or(usize::MAX);
            let changed = diagonal + usize::from(letter != other);
            next.push(changed.min(above + 1).min(before.saturating_add(1)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t273_misspelt_key_gets_a_suggestion() {
        let cases = [
            ("unknown field `orgins`, expected one of `listen`, `origin`, `rate`", Some("origin")),
            ("unknown field `orgin`, expected `origin`", Some("origin")),
            ("unknown field `alowed`, expected `allowed` or `without_origin`", Some("allowed")),
            ("unknown field `zzzzzzzz`, expected one of `rate`, `tls`", None),
            ("unknown field `x`, expected one of `tls`, `url`", None),
            ("unknown field `x`, there are no fields", None),
            ("invalid type: string `orgins`, expected `origin`", None),
            ("", None),
        ];
        for (message, expect) in cases {
            assert_eq!(suggestion(message), expect, "{message}");
        }
    }

    #[test]
    fn distance_counts_edits() {
        let cases = [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3)];
        for (left, right, expect) in cases {
            assert_eq!(distance(left, right), expect, "{left} {right}");
        }
    }
}
