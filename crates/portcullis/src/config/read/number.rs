//! Numbers within a range.
//! Never: a value brought into range silently.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::config::read::error::ConfigError;

/// The number under `key`, or the default; refused outside the range.
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
            format!("write a number in that range, or leave it out for {default}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_belong_to_the_range() {
        for (value, expect) in
            [(None, Some(5)), (Some(1), Some(1)), (Some(9), Some(9)), (Some(0), None)]
        {
            assert_eq!(within("key", value, 5, 1..=9).ok(), expect, "{value:?}");
        }
        let error = within("key", Some(10), 5, 1..=9).unwrap_err().to_string();
        assert!(error.starts_with("key is 10: it is outside 1 to 9; "), "{error}");
    }
}
