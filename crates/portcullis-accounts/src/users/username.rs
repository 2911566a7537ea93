//! User names: a small ASCII alphabet, so that names of two scripts cannot look alike.
//! Never: changed; a name is shown as registered and compared without case.

use portcullis_guard::is_own_name_reserved;
use portcullis_model::{Denial, RoleTable};

/// Fewest characters of a name.
pub const USERNAME_MIN_CHARS: usize = 3;
/// Most characters of a name.
pub const USERNAME_MAX_CHARS: usize = 32;

/// A user name: `^[A-Za-z0-9_.-]{3,32}$` with at least one letter or digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// Parses a name without trimming it.
    ///
    /// # Errors
    /// [`Denial::Schema`] with the field `username`.
    pub fn parse(text: &str) -> Result<Self, Denial> {
        let fault = |rule| Denial::Schema { field: Some("username"), rule };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !text.bytes().all(allowed) {
            return Err(fault("username_alphabet"));
        }
        if !(USERNAME_MIN_CHARS..=USERNAME_MAX_CHARS).contains(&text.len()) {
            return Err(fault("username_length"));
        }
        if !text.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return Err(fault("username_punctuation"));
        }
        Ok(Self(String::from(text)))
    }

    /// Rejects names of offices, such as `admin`.
    ///
    /// # Errors
    /// [`Denial::NameTaken`].
    pub fn check_unreserved(&self, roles: &RoleTable) -> Result<(), Denial> {
        if is_own_name_reserved(&self.0, roles) { Err(Denial::NameTaken) } else { Ok(()) }
    }

    /// The name as the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The lower-case form, in which names are compared.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn username_grammar_is_exact() {
        let longest = "a".repeat(32);
        let too_long = "a".repeat(33);
        let huge = "a".repeat(1 << 20);
        let cases = [
            ("ann", true),
            ("Ann.Lee_2-x", true),
            ("007", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            (huge.as_str(), false),
            ("", false),
            ("ab", false),
            ("...", false),
            (" ann", false),
            ("ann\n", false),
            ("an\0n", false),
            ("\u{430}nn", false),
            ("ann\u{200b}", false),
            ("<b>ann</b>", false),
            ("../ann", false),
        ];
        for (text, fine) in cases {
            assert_eq!(Username::parse(text).is_ok(), fine, "{text:?}");
        }
    }

    #[test]
    fn usernames_that_differ_in_case_are_the_same() {
        let folded = |text| Username::parse(text).unwrap().folded();
        assert_eq!(folded("Ann"), folded("aNN"));
        assert_eq!(Username::parse("Ann").unwrap().as_str(), "Ann");
    }
}
