//! The name of a Socket.IO namespace.
//! Never: a name that has not passed its grammar.

use std::fmt;
use std::sync::Arc;

use super::id::IdError;
use crate::limits::NAMESPACE_MAX_BYTES;

/// A namespace: `/`, or `/` and up to 127 of `A-Z a-z 0-9 / _ - .`. Cheap to clone and compare.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Namespace(Option<Arc<str>>);

impl Namespace {
    /// The namespace every client starts with: `/`.
    pub const MAIN: Self = Self(None);

    /// Reads a name by its exact grammar, without trimming or case folding.
    ///
    /// # Errors
    /// [`IdError`] says which rule of the grammar the text breaks.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text == "/" {
            return Ok(Self::MAIN);
        }
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > NAMESPACE_MAX_BYTES {
            return Err(IdError::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
        if !text.starts_with('/') || !text.bytes().all(allowed) {
            return Err(IdError::Character);
        }
        Ok(Self(Some(Arc::from(text))))
    }

    /// The name as packets contain it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("/")
    }

    /// Whether it is `/`.
    #[must_use]
    pub fn is_main(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Namespace({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = format!("/{}", "a".repeat(128));
        let cases = [
            ("/", Ok("/")),
            ("/admin", Ok("/admin")),
            ("/doc-1.v2/part_3", Ok("/doc-1.v2/part_3")),
            ("", Err(IdError::Empty)),
            ("admin", Err(IdError::Character)),
            ("/a b", Err(IdError::Character)),
            ("/a,", Err(IdError::Character)),
            ("/\u{e9}", Err(IdError::Character)),
            (long.as_str(), Err(IdError::TooLong)),
        ];
        for (text, expect) in cases {
            let parsed = Namespace::parse(text);
            assert_eq!(parsed.as_ref().map(Namespace::as_str), expect.as_ref().copied(), "{text}");
        }
        assert_eq!(Namespace::parse("/").unwrap(), Namespace::MAIN);
        assert!(Namespace::default().is_main());
    }
}
