//! Numbers within a range.
//! Never: a silent correction of a value.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::config::read::error::ConfigError;

/// The number of a key, or the default; rejected outside the range.
pub(crate) fn within<T: PartialOrd + Display + Copy>(
    key: &str,
    value: Option<T>,
    default: T,
    range: RangeInclusive<T>,
) -> Result<T, ConfigError> {
    match value {
        None => Ok(default),
        Some(value) if range.contains(&value) => Ok(value),
        Some(value) => Err(ConfigError::refused(
            key,
            value.to_string(),
            format!("it is outside {} to {}", range.start(), range.end()),
            format!("write a number in this range, or remove it for the default {default}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_includes_its_ends() {
        for (value, expect) in
            [(None, Some(5)), (Some(1), Some(1)), (Some(9), Some(9)), (Some(0), None)]
        {
            assert_eq!(within("key", value, 5, 1..=9).ok(), expect, "{value:?}");
        }
        let error = within("key", Some(10), 5, 1..=9).unwrap_err().to_string();
        assert!(error.starts_with("key is 10: it is outside 1 to 9; "), "{error}");
    }
}
