//! The quiet hours of a channel.
//! Never: a zone or an hour that is ignored; quiet hours for critical alerts.

use portcullis_admin::QuietHours;
use portcullis_audit::AlertSeverity;

use super::section::ChannelSection;
use crate::config::read::error::ConfigError;

impl ChannelSection {
    pub(super) fn quiet_hours(&self) -> Result<Option<QuietHours>, ConfigError> {
        const KEY: &str = "alert.channel.quiet";
        let below = self.quiet_below()?;
        let Some(text) = &self.quiet else {
            if self.quiet_below.is_none() {
                return Ok(None);
            }
            let (why, mend) = ("quiet_below needs quiet hours", "write quiet as well");
            return Err(ConfigError::refused(KEY, "unset", why, mend));
        };
        let hours = QuietHours::parse(text, below).map_err(|error| {
            let mend = "write hours and a zone, such as \"22:00-07:00 Europe/Berlin\"";
            ConfigError::refused(KEY, format!("{text:?}"), error.to_string(), mend)
        })?;
        Ok(Some(hours))
    }

    fn quiet_below(&self) -> Result<AlertSeverity, ConfigError> {
        const KEY: &str = "alert.channel.quiet_below";
        let Some(name) = self.quiet_below.as_deref() else { return Ok(AlertSeverity::Critical) };
        let possible = [AlertSeverity::Medium, AlertSeverity::High, AlertSeverity::Critical];
        let found = possible.into_iter().find(|severity| severity.name() == name);
        let mend = "write \"medium\", \"high\" or \"critical\"";
        found.ok_or_else(|| ConfigError::no_such_choice(KEY, name, mend))
    }
}
