//! What was seen, why it is refused, how to mend it.
//! Never: a secret's content.

use std::path::PathBuf;

/// A configuration that stops the start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file is not there or not readable.
    #[error("cannot read {}: {source}; name another file with --config", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The file is no TOML, or has a key or value we do not know.
    #[error("{place}: {message}")]
    Syntax { place: String, message: String },
    /// A value that is refused.
    #[error("{key} is {seen}: {why}; {mend}")]
    Refused { key: String, seen: String, why: &'static str, mend: String },
}

impl ConfigError {
    /// A refused value.
    pub(crate) fn refused(
        key: impl Into<String>,
        seen: impl Into<String>,
        why: &'static str,
        mend: impl Into<String>,
    ) -> Self {
        Self::Refused { key: key.into(), seen: seen.into(), why, mend: mend.into() }
    }

    /// A key of a feature that this version does not have: never silently ignored.
    pub(crate) fn unavailable(key: &str, mend: &str) -> Self {
        Self::refused(key, "set", "it is not available in this version", mend)
    }

    /// A parser's complaint, with the nearest known key if one was misspelt.
    pub(crate) fn syntax(place: &str, error: &toml::de::Error) -> Self {
        let mut message = error.to_string().trim_end().to_owned();
        if let Some(near) = nearest(error.message()) {
            message.push_str(&format!("\ndid you mean `{near}`?"));
        }
        Self::Syntax { place: place.to_owned(), message }
    }
}

/// The known key closest to the unknown one in "unknown field `a`, expected one of `b`, `c`".
fn nearest(message: &str) -> Option<String> {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (unknown, known) = names.split_first()?;
    if !message.starts_with("unknown field") {
        return None;
    }
    let best = known.iter().min_by_key(|name| distance(unknown, name))?;
    (distance(unknown, best) <= 3).then(|| (*best).to_owned())
}

/// How many letters have to change (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut next = vec![index + 1];
        for (column, other) in right.iter().enumerate() {
            let change = row.get(column).copied().unwrap_or(0) + usize::from(letter != *other);
            let insert = next.last().copied().unwrap_or(0) + 1;
            let delete = row.get(column + 1).copied().unwrap_or(0) + 1;
            next.push(change.min(insert).min(delete));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t273_a_misspelt_key_finds_its_neighbour() {
        let message = "unknown field `orgins`, expected one of `listen`, `origin`, `rate`";
        assert_eq!(nearest(message).as_deref(), Some("origin"));
        assert_eq!(nearest("unknown field `zzzzzzzz`, expected one of `rate`"), None);
        assert_eq!(nearest("invalid type: string `orgins`, `origin`"), None);
    }
}
