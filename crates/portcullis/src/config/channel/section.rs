//! The keys of a channel, as the file has them.
//! Never: their meaning.

use std::path::PathBuf;

use serde::Deserialize;

/// `[[alert.channel]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelSection {
    /// The name in logs and in `alert test`.
    pub(super) name: String,
    /// `webhook`, `mail`, `command`, `alertmanager` or `heartbeat`.
    pub(super) kind: String,
    /// The format of the body: `standard`, `slack`, `discord`, `teams` or `pagerduty`.
    #[serde(default)]
    pub(super) shape: Option<String>,
    /// A private file with the URL; for `alertmanager`, one URL a line.
    #[serde(default)]
    pub(super) url_file: Option<PathBuf>,
    /// The mail server: `tls://HOST:PORT`, or `starttls://HOST:PORT`.
    #[serde(default)]
    pub(super) server: Option<String>,
    /// A private file with the user name and the password at the mail server, each in a line.
    #[serde(default)]
    pub(super) login_file: Option<PathBuf>,
    /// The address that mails are from.
    #[serde(default)]
    pub(super) from: Option<String>,
    /// The addresses that get mails.
    #[serde(default)]
    pub(super) to: Option<Vec<String>>,
    /// A program and its arguments.
    #[serde(default)]
    pub(super) command: Option<Vec<String>>,
    /// A private file with one or two secrets that sign requests, or the key of PagerDuty.
    #[serde(default)]
    pub(super) secret_file: Option<PathBuf>,
    /// The authorities of the receiver; those of the system.
    #[serde(default)]
    pub(super) ca_file: Option<PathBuf>,
    /// Whether the receiver can be in a private network; false.
    #[serde(default)]
    pub(super) private_address: bool,
    /// The severities that the channel gets; medium, high and critical.
    #[serde(default)]
    pub(super) severities: Option<Vec<String>>,
    /// The channel that gets the messages that this one does not deliver in time.
    #[serde(default)]
    pub(super) fallback: Option<String>,
    /// The times of day at which less severe messages wait, such as `22:00-07:00 Europe/Berlin`.
    #[serde(default)]
    pub(super) quiet: Option<String>,
    /// Messages of this severity do not wait; critical.
    #[serde(default)]
    pub(super) quiet_below: Option<String>,
}

impl ChannelSection {
    /// The keys that only some kinds of channels have, as far as they are set.
    pub(super) fn set_keys(&self) -> Vec<&'static str> {
        let keys = [
            ("shape", self.shape.is_some()),
            ("url_file", self.url_file.is_some()),
            ("server", self.server.is_some()),
            ("login_file", self.login_file.is_some()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("command", self.command.is_some()),
            ("secret_file", self.secret_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("private_address", self.private_address),
            ("severities", self.severities.is_some()),
            ("fallback", self.fallback.is_some()),
            ("quiet", self.quiet.is_some()),
            ("quiet_below", self.quiet_below.is_some()),
        ];
        keys.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect()
    }
}
