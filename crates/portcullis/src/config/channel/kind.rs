//! The kinds of channels, and the keys of each kind.
//! Never: a key that the kind ignores.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_admin::{ChannelOptions, Monitor, MonitorOptions, Program, Transport, Webhook};

use super::receiver::Receiver;
use super::secret::read_secret;
use super::section::ChannelSection;
use super::settings::ChannelSettings;
use super::value::{check_name, read_severities, read_shape};
use crate::config::read::error::ConfigError;
use crate::output::shell_path;

/// The keys of all connections with TLS.
const TLS: &str = "tls";

fn is_tls(key: &str) -> bool {
    ["ca_file", "private_address"].contains(&key)
}

/// The keys of all channels that get messages, and so can have a fallback.
fn is_quiet(key: &str) -> bool {
    ["quiet", "quiet_below"].contains(&key)
}

impl ChannelSection {
    pub(super) fn read(self) -> Result<ChannelSettings, ConfigError> {
        check_name(&self.name)?;
        let receiver = match self.kind.as_str() {
            "webhook" => self.webhook()?,
            "mail" => self.mail()?,
            "command" => self.program()?,
            "alertmanager" | "heartbeat" => self.monitor()?,
            kind => {
                let mend = "write \"webhook\", \"mail\", \"command\", \"alertmanager\" or \
                            \"heartbeat\"";
                return Err(ConfigError::no_such_choice("alert.channel.kind", kind, mend));
            }
        };
        Ok(ChannelSettings { receiver, section: self })
    }

    fn webhook(&self) -> Result<Receiver, ConfigError> {
        self.reject_other_keys(&[
            "shape",
            "url_file",
            "secret_file",
            "fallback",
            "severities",
            TLS,
        ])?;
        let shape = read_shape(self.shape.as_deref())?;
        let (client, targets) = self.targets()?;
        let target = self.one(targets)?;
        let secret = read_secret(shape, self.secret_file.as_deref())?;
        self.channel(Transport::Webhook(Webhook::new(client, target, shape, secret)))
    }

    fn program(&self) -> Result<Receiver, ConfigError> {
        const KEY: &str = "alert.channel.command";
        self.reject_other_keys(&["command", "fallback", "severities"])?;
        let argv = self.command.as_deref().unwrap_or_default();
        let found = argv.split_first().filter(|(program, _)| Path::new(program).is_file());
        let Some((program, arguments)) = found.filter(|(program, _)| program.starts_with('/'))
        else {
            let why = "its first item is not the absolute path of a program";
            let mend = "write [\"/path/to/program\", \"argument\"]";
            return Err(ConfigError::refused(KEY, format!("{argv:?}"), why, mend));
        };
        check_program(program)?;
        self.channel(Transport::Program(Program::new(program.clone(), arguments.to_vec())))
    }

    fn mail(&self) -> Result<Receiver, ConfigError> {
        let own = ["server", "login_file", "from", "to", "fallback", "severities", TLS];
        self.reject_other_keys(&own)?;
        let mail = self.mail_transport()?;
        self.channel(Transport::Mail(Box::new(mail)))
    }

    /// A channel with the keys that all kinds of messages have.
    fn channel(&self, transport: Transport) -> Result<Receiver, ConfigError> {
        Ok(Receiver::Channel(ChannelOptions {
            name: self.name.clone(),
            severities: read_severities(self.severities.as_deref())?,
            fallback: self.fallback.clone(),
            quiet: self.quiet_hours()?,
            transport,
        }))
    }

    /// Rejects keys that this kind of channel does not have.
    fn reject_other_keys(&self, own: &[&str]) -> Result<(), ConfigError> {
        let is_own = |key: &str| {
            own.contains(&key)
                || is_tls(key) && own.contains(&TLS)
                || is_quiet(key) && own.contains(&"fallback")
        };
        let set = self.set_keys();
        let Some(key) = set.into_iter().find(|key| !is_own(key)) else { return Ok(()) };
        let (key, kind) = (format!("alert.channel.{key}"), &self.kind);
        let why = format!("a channel of the kind {kind:?} does not have it");
        Err(ConfigError::refused(key, "set", why, "remove it"))
    }

    fn monitor(&self) -> Result<Receiver, ConfigError> {
        let is_heartbeat = self.kind == "heartbeat";
        let own: &[&str] =
            if is_heartbeat { &["url_file", TLS] } else { &["url_file", "severities", TLS] };
        self.reject_other_keys(own)?;
        let (client, targets) = self.targets()?;
        let monitor = if is_heartbeat {
            Monitor::Heartbeat { client, target: self.one(targets)? }
        } else {
            let severities = read_severities(self.severities.as_deref())?;
            Monitor::Alertmanager { client, targets, severities }
        };
        Ok(Receiver::Monitor(MonitorOptions { name: self.name.clone(), monitor }))
    }
}

/// Rejects a program that other users can change: they could run programs as this user.
fn check_program(program: &str) -> Result<(), ConfigError> {
    const KEY: &str = "alert.channel.command";
    /// The mode bits that let the group and others write.
    const WRITE: u32 = 0o022;
    let path = Path::new(program);
    let facts = std::fs::metadata(path).map_err(|error| {
        let why = format!("it cannot be read ({error})");
        ConfigError::file(KEY, path, why, "name a program that this user can run")
    })?;
    let mode = facts.permissions().mode() & 0o777;
    if mode & WRITE == 0 {
        return Ok(());
    }
    let why = format!("other users can change it (mode {mode:o})");
    let mend = format!("run: chmod go-w {}", shell_path(path));
    Err(ConfigError::file(KEY, path, why, &mend))
}
