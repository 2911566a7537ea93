//! `[[alert.channel]]`: channels (an alert that reaches no administrator).
//! Never: a secret in the file, in an error, or in the output of `check`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_admin::{
    ChannelOptions, Monitor, MonitorOptions, Shape, Transport, Webhook, WebhookSecret,
    WebhookSecrets,
};
use portcullis_audit::AlertSeverity;
use portcullis_model::Secret;
use portcullis_outbound::{Client, Policy, Target};
use serde::Deserialize;
use toml::{Table, Value};

use crate::config::read::error::ConfigError;
use crate::config::read::secret_file::read_private;
use crate::config::read::table::section;

/// Most channels.
const CHANNELS_MAX: usize = 16;
/// Longest name of a channel.
const NAME_MAX_BYTES: usize = 32;
/// Most URLs of one channel.
const URLS_MAX: usize = 8;
/// Time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest response that is read.
const RESPONSE_MAX_BYTES: usize = 64 * 1024;

/// `[[alert.channel]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelSection {
    /// The name in logs and in `alert test`.
    name: String,
    /// `webhook`, `alertmanager` or `heartbeat`.
    kind: String,
    /// The format of the body: `standard`, `slack`, `discord`, `teams` or `pagerduty`.
    #[serde(default)]
    shape: Option<String>,
    /// A private file with the URL; for `alertmanager`, one URL a line.
    url_file: PathBuf,
    /// A private file with one or two secrets that sign requests, or the key of PagerDuty.
    #[serde(default)]
    secret_file: Option<PathBuf>,
    /// The authorities of the receiver; those of the system.
    #[serde(default)]
    ca_file: Option<PathBuf>,
    /// Whether the receiver can be in a private network; false.
    #[serde(default)]
    private_address: bool,
    /// The severities that the channel gets; medium, high and critical.
    #[serde(default)]
    severities: Option<Vec<String>>,
    /// The channel that gets what this one does not deliver in time.
    #[serde(default)]
    fallback: Option<String>,
}

/// One channel, and the files that it was read from.
#[derive(Clone)]
pub(crate) struct ChannelSettings {
    pub(crate) receiver: Receiver,
    pub(crate) url_file: PathBuf,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    private_address: bool,
}

/// The receiver of alerts.
#[derive(Clone)]
pub(crate) enum Receiver {
    /// It gets messages.
    Channel(ChannelOptions, Shape),
    /// It gets the whole state every minute.
    Monitor(MonitorOptions),
}

impl Receiver {
    fn name(&self) -> &str {
        match self {
            Self::Channel(options, _) => &options.name,
            Self::Monitor(options) => &options.name,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Channel(..) => "webhook",
            Self::Monitor(MonitorOptions { monitor: Monitor::Alertmanager { .. }, .. }) => {
                "alertmanager"
            }
            Self::Monitor(MonitorOptions { monitor: Monitor::Heartbeat { .. }, .. }) => "heartbeat",
        }
    }

    fn severities(&self) -> &[AlertSeverity] {
        match self {
            Self::Channel(options, _) => &options.severities,
            Self::Monitor(options) => match &options.monitor {
                Monitor::Alertmanager { severities, .. } => severities,
                Monitor::Heartbeat { .. } => &[],
            },
        }
    }

    fn fallback(&self) -> Option<&String> {
        match self {
            Self::Channel(options, _) => options.fallback.as_ref(),
            Self::Monitor(_) => None,
        }
    }
}

/// Reads all channels.
pub(crate) fn read_channels(
    sections: Vec<ChannelSection>,
) -> Result<Vec<ChannelSettings>, ConfigError> {
    if sections.len() > CHANNELS_MAX {
        let seen = format!("{} channels", sections.len());
        let why = format!("at most {CHANNELS_MAX} channels are possible");
        return Err(ConfigError::refused("alert.channel", seen, why, "remove some of them"));
    }
    let mut channels: Vec<ChannelSettings> = Vec::new();
    for section in sections {
        let channel = section.read()?;
        if channels.iter().any(|other| other.receiver.name() == channel.receiver.name()) {
            return Err(ConfigError::refused(
                "alert.channel.name",
                format!("{:?}", channel.receiver.name()),
                "another channel has this name",
                "write another name",
            ));
        }
        channels.push(channel);
    }
    for channel in &channels {
        let Some(fallback) = channel.receiver.fallback() else { continue };
        let is_other = |other: &ChannelSettings| match &other.receiver {
            Receiver::Channel(options, _) => {
                options.name == *fallback && options.name != channel.receiver.name()
            }
            Receiver::Monitor(_) => false,
        };
        if !channels.iter().any(is_other) {
            let (key, mend) = ("alert.channel.fallback", "write the name of another webhook");
            let why = "there is no other channel of this name that gets messages";
            return Err(ConfigError::refused(key, format!("{fallback:?}"), why, mend));
        }
    }
    Ok(channels)
}

impl ChannelSection {
    fn read(self) -> Result<ChannelSettings, ConfigError> {
        check_name(&self.name)?;
        let receiver = match self.kind.as_str() {
            "webhook" => self.webhook()?,
            "alertmanager" | "heartbeat" => self.monitor()?,
            kind => {
                let mend = "write \"webhook\", \"alertmanager\" or \"heartbeat\"";
                return Err(ConfigError::no_such_choice("alert.channel.kind", kind, mend));
            }
        };
        Ok(ChannelSettings {
            receiver,
            url_file: self.url_file,
            secret_file: self.secret_file,
            ca_file: self.ca_file,
            private_address: self.private_address,
        })
    }

    fn webhook(&self) -> Result<Receiver, ConfigError> {
        let shape = read_shape(self.shape.as_deref())?;
        let (client, targets) = self.targets()?;
        let target = self.one(targets)?;
        let secret = read_secret(shape, self.secret_file.as_deref())?;
        let options = ChannelOptions {
            name: self.name.clone(),
            severities: read_severities(self.severities.as_deref())?,
            fallback: self.fallback.clone(),
            transport: Transport::Webhook(Webhook::new(client, target, shape, secret)),
        };
        Ok(Receiver::Channel(options, shape))
    }

    fn monitor(&self) -> Result<Receiver, ConfigError> {
        let is_heartbeat = self.kind == "heartbeat";
        let unused = [
            ("shape", self.shape.is_some()),
            ("secret_file", self.secret_file.is_some()),
            ("fallback", self.fallback.is_some()),
            ("severities", is_heartbeat && self.severities.is_some()),
        ];
        if let Some((key, _)) = unused.iter().find(|(_, is_set)| *is_set) {
            let (key, kind) = (format!("alert.channel.{key}"), &self.kind);
            let why = format!("a channel of the kind {kind:?} does not have it");
            return Err(ConfigError::refused(key, "set", why, "remove it"));
        }
        let (client, targets) = self.targets()?;
        let monitor = if is_heartbeat {
            Monitor::Heartbeat { client, target: self.one(targets)? }
        } else {
            let severities = read_severities(self.severities.as_deref())?;
            Monitor::Alertmanager { client, targets, severities }
        };
        Ok(Receiver::Monitor(MonitorOptions { name: self.name.clone(), monitor }))
    }

    /// The client, and the targets of all lines of the file.
    fn targets(&self) -> Result<(Client, Vec<Target>), ConfigError> {
        let policy = self.policy()?;
        let client = Client::new(policy.clone()).map_err(|error| {
            let (key, mend) = ("alert.channel.ca_file", "name a file of certificates in PEM");
            let shown = self.ca_file.as_ref().map(|path| path.display().to_string());
            let shown = shown.unwrap_or_else(|| String::from("unset"));
            ConfigError::refused(key, shown, error.to_string(), mend)
        })?;
        let targets = read_urls(&self.url_file, &policy)?;
        Ok((client, targets))
    }

    fn one(&self, targets: Vec<Target>) -> Result<Target, ConfigError> {
        match <[Target; 1]>::try_from(targets) {
            Ok([target]) => Ok(target),
            Err(targets) => {
                let why = format!("it has {} URLs instead of one", targets.len());
                let mend = "write one URL into it";
                Err(ConfigError::file("alert.channel.url_file", &self.url_file, why, mend))
            }
        }
    }

    fn policy(&self) -> Result<Policy, ConfigError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| {
                let (why, mend) = (format!("it cannot be read ({error})"), "name another file");
                ConfigError::file("alert.channel.ca_file", path, why, mend)
            })
        };
        Ok(Policy {
            private_allowed: self.private_address,
            link_local_allowed: false,
            deadline: REQUEST_TIMEOUT,
            body_max_bytes: RESPONSE_MAX_BYTES,
            roots_pem: self.ca_file.as_ref().map(read).transpose()?,
        })
    }
}

impl std::fmt::Debug for ChannelSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("ChannelSettings").field(&self.receiver.name()).finish()
    }
}

impl ChannelSettings {
    /// The section, with the values in force.
    pub(crate) fn table(&self) -> Table {
        let severities = self.receiver.severities().iter().map(|severity| severity.name());
        let mut table = section([
            ("name", self.receiver.name().into()),
            ("kind", self.receiver.kind().into()),
            ("url_file", self.url_file.display().to_string().into()),
            ("private_address", self.private_address.into()),
        ]);
        let severities = severities.collect::<Vec<_>>();
        if !severities.is_empty() {
            table.insert(String::from("severities"), severities.into());
        }
        if let Receiver::Channel(_, shape) = &self.receiver {
            table.insert(String::from("shape"), shape.name().into());
        }
        if let Some(fallback) = self.receiver.fallback() {
            table.insert(String::from("fallback"), fallback.clone().into());
        }
        let files = [("secret_file", &self.secret_file), ("ca_file", &self.ca_file)];
        for (key, file) in files {
            if let Some(file) = file {
                table.insert(String::from(key), Value::from(file.display().to_string()));
            }
        }
        table
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.len() <= NAME_MAX_BYTES && name.bytes().all(word) {
        return Ok(());
    }
    let why = "a name has 1 to 32 letters, digits, _ and -";
    Err(ConfigError::refused("alert.channel.name", format!("{name:?}"), why, "write another name"))
}

fn read_urls(path: &Path, policy: &Policy) -> Result<Vec<Target>, ConfigError> {
    const KEY: &str = "alert.channel.url_file";
    let bytes = read_private(KEY, path)?;
    let text = std::str::from_utf8(bytes.expose()).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || lines.len() > URLS_MAX {
        let why = format!("it has {} URLs instead of 1 to {URLS_MAX}", lines.len());
        return Err(ConfigError::file(KEY, path, why, "write the URL of the receiver into it"));
    }
    let parse = |line: &str| {
        Target::parse(line, policy).map_err(|error| {
            let mend = "write the URL of the receiver into it; private_address = true allows your \
                        own network";
            ConfigError::file(KEY, path, error.to_string(), mend)
        })
    };
    lines.into_iter().map(parse).collect()
}

fn read_shape(name: Option<&str>) -> Result<Shape, ConfigError> {
    let Some(name) = name else { return Ok(Shape::Standard) };
    let mend = "write \"standard\", \"slack\", \"discord\", \"teams\" or \"pagerduty\"";
    let found = Shape::ALL.into_iter().find(|shape| shape.name() == name);
    found.ok_or_else(|| ConfigError::no_such_choice("alert.channel.shape", name, mend))
}

fn read_secret(shape: Shape, path: Option<&Path>) -> Result<WebhookSecret, ConfigError> {
    const KEY: &str = "alert.channel.secret_file";
    let is_pagerduty = shape == Shape::PagerDuty;
    let Some(path) = path else {
        if is_pagerduty {
            let (why, mend) = ("PagerDuty needs a routing key", "name a file with the key");
            return Err(ConfigError::refused(KEY, "unset", why, mend));
        }
        return Ok(WebhookSecret::None);
    };
    let bytes = read_private(KEY, path)?;
    let text = std::str::from_utf8(bytes.expose()).unwrap_or_default().trim();
    if is_pagerduty {
        let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_key {
            let mend = "write the integration key of the service into it";
            return Err(ConfigError::file(KEY, path, "it has no 32 letters and digits", mend));
        }
        return Ok(WebhookSecret::Routing(Secret::new(String::from(text))));
    }
    WebhookSecrets::parse(text).map(WebhookSecret::Signing).map_err(|error| {
        let mend = "write the secret of the receiver, and its former one in another line";
        ConfigError::file(KEY, path, error.to_string(), mend)
    })
}

fn read_severities(names: Option<&[String]>) -> Result<Vec<AlertSeverity>, ConfigError> {
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

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const URL: &str = "https://hooks.example/services/hush";
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn read(directory: &Path, more: &str) -> Result<ChannelSettings, String> {
        let toml = format!(
            "name = \"page\"\nkind = \"webhook\"\nurl_file = {:?}\n{more}",
            directory.join("url")
        );
        let section: ChannelSection = toml::from_str(&toml).map_err(|error| error.to_string())?;
        let mut channels = read_channels(vec![section]).map_err(|error| error.to_string())?;
        Ok(channels.remove(0))
    }

    fn private(directory: &Path, name: &str, text: &str) {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn channel_is_read_and_its_secrets_are_not_printed() {
        let directory = tempfile::tempdir().unwrap();
        private(directory.path(), "url", &format!("{URL}\n"));
        private(directory.path(), "secret", &format!("{SECRET}\n"));
        let secret = format!("secret_file = {:?}", directory.path().join("secret"));
        let channel = read(directory.path(), &secret).unwrap();
        assert_eq!(channel.receiver.severities().len(), 3);
        let shown = channel.table().to_string();
        assert!(!shown.contains("hush") && !shown.contains("whsec"), "{shown}");
        assert!(shown.contains("secret_file"), "{shown}");
    }

    #[test]
    fn monitor_has_its_own_keys_only() {
        let directory = tempfile::tempdir().unwrap();
        private(directory.path(), "url", &format!("{URL}\n{URL}\n"));
        let url = directory.path().join("url");
        let read = |kind: &str, more: &str| {
            let toml = format!("name = \"m\"\nkind = {kind:?}\nurl_file = {url:?}\n{more}");
            let section: ChannelSection = toml::from_str(&toml).unwrap();
            read_channels(vec![section]).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(read("alertmanager", "severities = [\"high\"]"), Ok(()));
        for (kind, more, expect) in [
            ("alertmanager", "shape = \"slack\"", "alert.channel.shape is set"),
            ("heartbeat", "severities = [\"high\"]", "alert.channel.severities is set"),
            ("heartbeat", "", "alert.channel.url_file is "),
            ("webhook", "", "alert.channel.url_file is "),
            ("pigeon", "", "alert.channel.kind is \"pigeon\""),
        ] {
            let error = read(kind, more).unwrap_err();
            assert!(error.starts_with(expect), "{kind}: {error}");
        }
    }

    #[test]
    fn invalid_channel_is_rejected_with_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        private(at, "url", URL);
        private(at, "bad", "hush");
        for (more, expect) in [
            ("shape = \"round\"", "alert.channel.shape is \"round\""),
            ("severities = []", "alert.channel.severities is []"),
            ("severities = [\"loud\"]", "alert.channel.severities is \"loud\""),
            ("unknown = 1", "TOML parse error"),
            ("shape = \"pagerduty\"", "alert.channel.secret_file is unset: PagerDuty needs"),
            ("fallback = \"mail\"", "alert.channel.fallback is \"mail\""),
            ("fallback = \"page\"", "alert.channel.fallback is \"page\""),
        ] {
            let error = read(at, more).err().unwrap();
            assert!(error.starts_with(expect), "{more}: {error}");
        }
        let error = read(at, &format!("secret_file = {:?}", at.join("bad"))).err().unwrap();
        assert!(error.contains("line 1 is not whsec_") && !error.contains("hush"), "{error}");
        for (url, private_address, expect) in [
            ("http://hooks.example/hush", false, "http:// to hooks.example is not safe"),
            ("http://127.0.0.1/hush", false, "http:// to 127.0.0.1 is not safe"),
            ("https://10.0.0.1/hush", false, "private, not public"),
            ("https://169.254.169.254/hush", true, "link-local, not public"),
            ("hush", false, "the URL cannot be read"),
        ] {
            private(at, "url", url);
            let more = format!("private_address = {private_address}");
            let error = read(at, &more).err().unwrap();
            assert!(error.starts_with("alert.channel.url_file is "), "{error}");
            assert!(error.contains(expect) && !error.contains("hush"), "{error}");
        }
        for url in ["http://127.0.0.1:9/x", "https://10.0.0.1/x"] {
            private(at, "url", url);
            assert!(read(at, "private_address = true").is_ok(), "{url}");
        }
        std::fs::set_permissions(at.join("url"), Permissions::from_mode(0o644)).unwrap();
        assert!(read(at, "").err().unwrap().contains("chmod 600"));
    }
}
