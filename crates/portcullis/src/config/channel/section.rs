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
    /// `webhook`, `command`, `alertmanager` or `heartbeat`.
    pub(super) kind: String,
    /// The format of the body: `standard`, `slack`, `discord`, `teams` or `pagerduty`.
    #[serde(default)]
    pub(super) shape: Option<String>,
    /// A private file with the URL; for `alertmanager`, one URL a line.
    #[serde(default)]
    pub(super) url_file: Option<PathBuf>,
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
    /// The channel that gets what this one does not deliver in time.
    #[serde(default)]
    pub(super) fallback: Option<String>,
}
