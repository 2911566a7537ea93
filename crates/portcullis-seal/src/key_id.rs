//! The id of a key, as written in sealed values and in the file of the keyring.
//! Never: a value from which the key could be derived.

use std::fmt;
use std::str::FromStr;

pub(crate) const KEY_ID_BYTES: usize = 8;

/// The id of a key: eight bytes derived one way from the key and its creation time.
///
/// Two keys never have the same id, and the id of a damaged key does not match.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    pub(crate) const fn from_bytes(bytes: [u8; KEY_ID_BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; KEY_ID_BYTES] {
        &self.0
    }
}

/// A text is not a key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 16 digits 0-9 a-f, as the list of keys shows it")]
pub struct KeyIdError;

impl FromStr for KeyId {
    type Err = KeyIdError;

    /// Parses exactly sixteen lowercase hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        let lowercase = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 2 * KEY_ID_BYTES || !text.bytes().all(lowercase) {
            return Err(KeyIdError);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| KeyIdError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sixteen_lowercase_digits() {
        let cases = [
            ("00ff00ff00ff00ff", true),
            ("0000000000000000", true),
            ("00FF00ff00ff00ff", false),
            ("+0ff00ff00ff00ff", false),
            ("00ff00ff00ff00f", false),
            ("00ff00ff00ff00ff0", false),
            (" 0ff00ff00ff00ff", false),
            ("00ff00ff00ff00fg", false),
            ("", false),
        ];
        for (text, fine) in cases {
            let parsed = text.parse::<KeyId>();
            assert_eq!(parsed.is_ok(), fine, "{text:?}");
            if let Ok(id) = parsed {
                assert_eq!(id.to_string(), text);
                assert_eq!(format!("{id:?}"), format!("KeyId({text})"));
            }
        }
    }
}
