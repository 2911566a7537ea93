//! Rates as `count/period`: `10/60s`, `100/1m`.
//! Never: a rate that cannot be read and is skipped.

use std::collections::BTreeMap;

use portcullis_guard::Rate;

use super::error::ConfigError;

/// Reads a rate, or keeps the default when there is none.
pub(crate) fn read(key: &str, text: Option<&String>, default: Rate) -> Result<Rate, ConfigError> {
    text.map_or(Ok(default), |text| parse(key, text))
}

/// Reads the rates of single events.
pub(crate) fn read_events(
    texts: &BTreeMap<String, String>,
) -> Result<Vec<(String, Rate)>, ConfigError> {
    texts
        .iter()
        .map(|(event, text)| {
            Ok((event.clone(), parse(&format!("rate.event_per_user.\"{event}\""), text)?))
        })
        .collect()
}

fn parse(key: &str, text: &str) -> Result<Rate, ConfigError> {
    text.parse().map_err(|_| {
        ConfigError::refused(
            key,
            format!("{text:?}"),
            "it is no rate",
            "write a count and a period, like \"10/60s\" or \"100/1m\"",
        )
    })
}
