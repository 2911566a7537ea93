//! The keys of a channel, as the file has them.
//! Never: their meaning.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// `[[alert.channel]]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelSection {
    /// The unique name in logs and commands: 1 to 32 letters, digits, `_` and `-`.
    #[schemars(extend("examples" = ["operations"]))]
    pub(super) name: String,
    /// The kind of the channel. A webhook, mail or command gets each message; Alertmanager and
    /// heartbeats get the whole state every minute.
    #[schemars(extend("enum" = ["webhook", "mail", "command", "alertmanager", "heartbeat"]))]
    #[schemars(extend("examples" = ["webhook"]))]
    pub(super) kind: String,
    /// The format of the body of a webhook.
    #[schemars(extend("enum" = ["standard", "slack", "discord", "teams", "pagerduty"]))]
    #[schemars(extend("x-default" = "standard"))]
    #[serde(default)]
    pub(super) shape: Option<String>,
    /// A private file with the URL of the receiver; for Alertmanager up to eight URLs, one a line.
    #[schemars(extend("examples" = ["/etc/portcullis/webhook.url"]))]
    #[serde(default)]
    pub(super) url_file: Option<PathBuf>,
    /// The mail server: `tls://HOST:PORT` or `starttls://HOST:PORT`.
    #[schemars(extend("examples" = ["tls://mail.example:465"]))]
    #[serde(default)]
    pub(super) server: Option<String>,
    /// A private file with the user name and the password at the mail server, each in a line.
    #[schemars(extend("examples" = ["/etc/portcullis/mail.login"]))]
    #[serde(default)]
    pub(super) login_file: Option<PathBuf>,
    /// The address that mails are from.
    #[schemars(extend("examples" = ["portcullis@chat.example"]))]
    #[serde(default)]
    pub(super) from: Option<String>,
    /// The addresses that get mails; 1 to 16.
    #[schemars(extend("examples" = [["admins@chat.example"]]))]
    #[serde(default)]
    pub(super) to: Option<Vec<String>>,
    /// The absolute path of a program and its arguments.
    #[schemars(extend("examples" = [["/usr/local/bin/on-alert"]]))]
    #[serde(default)]
    pub(super) command: Option<Vec<String>>,
    /// A private file with the secret that signs the requests of a webhook, or the integration key
    /// of PagerDuty.
    #[schemars(extend("examples" = ["/etc/portcullis/webhook.secret"]))]
    #[serde(default)]
    pub(super) secret_file: Option<PathBuf>,
    /// Certificate authorities in PEM for this channel, in place of those of the machine.
    #[schemars(extend("examples" = ["/etc/portcullis/receiver-ca.pem"]))]
    #[serde(default)]
    pub(super) ca_file: Option<PathBuf>,
    /// Whether the receiver can have an address of a private network.
    #[schemars(extend("x-default" = false))]
    #[serde(default)]
    pub(super) private_address: bool,
    /// The severities of the alerts that the channel gets.
    #[schemars(extend("x-default" = ["medium", "high", "critical"]))]
    #[schemars(extend("x-items" = { "enum": ["info", "medium", "high", "critical"] }))]
    #[serde(default)]
    pub(super) severities: Option<Vec<String>>,
    /// The name of the channel that gets the messages that this one does not deliver in time.
    #[schemars(extend("examples" = ["mail"]))]
    #[serde(default)]
    pub(super) fallback: Option<String>,
    /// Quiet hours: the times of day at which less severe messages wait.
    #[schemars(extend("examples" = ["22:00-07:00 Europe/Berlin"]))]
    #[serde(default)]
    pub(super) quiet: Option<String>,
    /// Messages below this severity wait for the end of the quiet hours.
    #[schemars(extend("enum" = ["medium", "high", "critical"], "x-default" = "critical"))]
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
