//! Names, severities and shapes of channels.
//! Never: an unknown word.

use portcullis_admin::Shape;
use portcullis_audit::AlertSeverity;

use crate::config::read::error::ConfigError;

/// Longest name of a channel.
const NAME_MAX_BYTES: usize = 32;

pub(super) fn check_name(name: &str) -> Result<(), ConfigError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.len() <= NAME_MAX_BYTES && name.bytes().all(word) {
        return Ok(());
    }
    let why = "a name has 1 to 32 letters, digits, _ and -";
    Err(ConfigError::refused("alert.channel.name", format!("{name:?}"), why, "write another name"))
}

pub(super) fn read_shape(name: Option<&str>) -> Result<Shape, ConfigError> {
    let Some(name) = name else { return Ok(Shape::Standard) };
    let mend = "write \"standard\", \"slack\", \"discord\", \"teams\" or \"pagerduty\"";
    let found = Shape::ALL.into_iter().find(|shape| shape.name() == name);
    found.ok_or_else(|| ConfigError::no_such_choice("alert.channel.shape", name, mend))
}

pub(super) fn read_severities(names: Option<&[String]>) -> Result<Vec<AlertSeverity>, ConfigError> {
    const KEY: &str = "alert.channel.severities";
    let Some(names) = names else {
        return Ok(vec![AlertSeverity::Medium, AlertSeverity::High, AlertSeverity::Critical]);
    };
    let mend = "write some of \"info\", \"medium\", \"high\" and \"critical\"";
    if names.is_empty() {
        return Err(ConfigError::refused(KEY, "[]", "the channel would get no alert", mend));
    }
    let all = AlertSeverity::ALL;
    let read = |name: &String| {
        let found = all.into_iter().find(|severity| severity.name() == name);
        found.ok_or_else(|| ConfigError::no_such_choice(KEY, name, mend))
    };
    names.iter().map(read).collect()
}
