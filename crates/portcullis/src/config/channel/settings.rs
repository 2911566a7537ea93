//! One channel, as the server starts it, and as `check` prints it.
//! Never: a URL or a secret in the output.

use std::path::Path;

use portcullis_admin::Transport;
use toml::{Table, Value};

use super::receiver::Receiver;
use super::section::ChannelSection;
use crate::config::read::table::section;

/// One channel, and the section that it was read from.
#[derive(Clone)]
pub(crate) struct ChannelSettings {
    pub(crate) receiver: Receiver,
    pub(super) section: ChannelSection,
}

impl std::fmt::Debug for ChannelSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("ChannelSettings").field(&self.receiver.name()).finish()
    }
}

impl ChannelSettings {
    /// The files that the channel reads, each with its key.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [
            ("alert.channel.url_file", &self.section.url_file),
            ("alert.channel.secret_file", &self.section.secret_file),
            ("alert.channel.login_file", &self.section.login_file),
            ("alert.channel.ca_file", &self.section.ca_file),
        ];
        files.into_iter().filter_map(|(key, path)| Some((key, path.as_deref()?)))
    }

    /// The section, with the values in force.
    pub(crate) fn table(&self) -> Table {
        let receiver = &self.receiver;
        let mut table =
            section([("name", receiver.name().into()), ("kind", receiver.kind().into())]);
        let severities = receiver.severities().iter().map(|severity| severity.name());
        let severities = severities.collect::<Vec<_>>();
        if !severities.is_empty() {
            table.insert(String::from("severities"), severities.into());
        }
        self.add_own_keys(&mut table);
        if let Some(fallback) = receiver.fallback() {
            table.insert(String::from("fallback"), fallback.clone().into());
        }
        if let Some(quiet) = receiver.quiet() {
            table.insert(String::from("quiet"), quiet.to_string().into());
            table.insert(String::from("quiet_below"), quiet.below().name().into());
        }
        for (key, file) in self.files() {
            let key = key.rsplit('.').next().unwrap_or(key);
            table.insert(String::from(key), Value::from(file.display().to_string()));
        }
        table
    }

    /// Adds the keys that not all kinds have.
    fn add_own_keys(&self, table: &mut Table) {
        let transport = match &self.receiver {
            Receiver::Channel(options) => Some(&options.transport),
            Receiver::Monitor(_) => None,
        };
        match transport {
            Some(Transport::Program(_)) => {
                let command = self.section.command.clone().unwrap_or_default();
                table.insert(String::from("command"), command.into());
                return;
            }
            Some(Transport::Webhook(webhook)) => {
                table.insert(String::from("shape"), webhook.shape().name().into());
            }
            Some(Transport::Mail(_)) => {
                let text = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
                table.insert(String::from("server"), text(&self.section.server));
                table.insert(String::from("from"), text(&self.section.from));
                let to = self.section.to.clone().unwrap_or_default();
                table.insert(String::from("to"), to.into());
            }
            None => {}
        }
        table.insert(String::from("private_address"), self.section.private_address.into());
    }
}
