//! Versions of packages in their order (Semantic Versioning 2.0.0, section 11).
//! Never: a version that is not of this form; its advisory is reported as unreadable.

use std::cmp::Ordering;

/// A version; build metadata has no order and is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) struct Version {
    numbers: [u64; 3],
    pre: Vec<Identifier>,
}

/// A part of a pre-release version. Numbers come before words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    /// Reads `1.2.3`, `1.2.3-alpha.1`, or `0` for the first version of all.
    pub(in crate::doctor) fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self { numbers: [0; 3], pre: vec![Identifier::Number(0)] });
        }
        let text = text.split('+').next()?;
        let (numbers, pre) = match text.split_once('-') {
            Some((numbers, pre)) => (numbers, pre.split('.').map(identifier).collect()),
            None => (text, Vec::new()),
        };
        let mut parts = numbers.split('.').map(|part| part.parse().ok());
        let mut next = || parts.next().flatten();
        let numbers = [next()?, next()?, next()?];
        parts.next().is_none().then_some(Self { numbers, pre })
    }
}

fn identifier(text: &str) -> Identifier {
    text.parse().map_or_else(|_| Identifier::Word(String::from(text)), Identifier::Number)
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let of_pre = match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.pre.cmp(&other.pre),
        };
        self.numbers.cmp(&other.numbers).then(of_pre)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_order_of_the_standard() {
        let ordered = [
            "0",
            "0.0.0",
            "0.9.12",
            "0.10.0-0",
            "0.10.0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "2.0.0",
        ];
        let versions = ordered.map(|text| Version::parse(text).unwrap());
        assert!(versions.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Version::parse("1.2.3+build.7"), Version::parse("1.2.3"));
        for text in ["", "1", "1.2", "1.2.3.4", "a.b.c", "1.2.x"] {
            assert_eq!(Version::parse(text), None, "{text:?}");
        }
    }
}
