//! Everything in force, as plain options the lower floors take.
//! Never: half a configuration; the first thing that is wrong stops the start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use portcullis_chat::ChatOptions;
use portcullis_guard::GateOptions;
use portcullis_server::Options;

use super::error::ConfigError;
use super::file::{self, File};
use super::{environment, issuer, origin, rate};

/// Where defaults come from, and what is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// This machine only: own certificate authority, own pages allowed.
    Development,
    /// The open internet.
    Production,
    /// The open internet, without what only older clients need.
    Strict,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
            Self::Strict => "strict",
        }
    }
}

/// Where settings are read from; what is typed wins over the environment, that over the file.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) config: Option<PathBuf>,
    pub(crate) profile: Option<Profile>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
}

/// Which certificate is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TlsSettings {
    /// Our own authority, for this machine.
    Development,
    /// The operator's certificate.
    Files { certificate: PathBuf, key: PathBuf },
    /// Plain text.
    Off,
}

/// Everything in force.
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    pub(crate) data: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) tls: TlsSettings,
    pub(crate) server: Options,
    pub(crate) gate: GateOptions,
    pub(crate) chat: ChatOptions,
    pub(crate) origin: file::Origin,
    pub(crate) accounts_open: bool,
    pub(crate) accounts_issuer: String,
    pub(crate) audit_file: PathBuf,
    pub(crate) audit_stdout: bool,
    pub(crate) dangers: Vec<&'static str>,
}

impl Settings {
    /// Reads the file, lays the environment and the command line over it, and checks the whole.
    pub(crate) fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let file = read_file(sources)?;
        Self::build(file, sources)
    }

    fn build(file: File, sources: &Sources) -> Result<Self, ConfigError> {
        let profile = profile(&file, sources)?;
        refuse_unavailable(&file)?;
        let data = sources.data.clone().unwrap_or_else(|| PathBuf::from("portcullis-data"));
        let server = server_options(&file, sources)?;
        let tls = tls(&file.tls, profile)?;
        let dangers = check_reach(&file, profile, &tls, server.public)?;
        let gate = gate_options(&file, server.message_max_bytes)?;
        let audit_stdout = file.audit.stdout.unwrap_or(true);
        Ok(Self {
            database: database(file.store.url.as_deref(), &data)?,
            audit_file: file.audit.file.unwrap_or_else(|| data.join("security.log")),
            accounts_open: accounts_open(&file.accounts)?,
            accounts_issuer: file
                .accounts
                .issuer
                .unwrap_or_else(|| String::from("https://portcullis")),
            chat: ChatOptions {
                rooms_per_user_max: file.capacity.rooms_per_user.unwrap_or(100),
                members_per_room_max: file.capacity.members_per_room.unwrap_or(10_000),
            },
            origin: file.origin,
            profile,
            data,
            tls,
            server,
            gate,
            audit_stdout,
            dangers,
        })
    }

    /// Origins and hosts, once the port is known.
    pub(crate) fn settle_origins(&mut self, public: SocketAddr) -> Result<(), ConfigError> {
        let scheme = if self.tls == TlsSettings::Off { "http" } else { "https" };
        let origins = origin::read(&self.origin, self.profile, public, scheme)?;
        self.gate.origins = origins.allowed;
        self.gate.hosts = origins.hosts;
        self.gate.without_origin = origins.without;
        self.server.public = public;
        Ok(())
    }

    /// What is in force, for people; secrets are not in it.
    pub(crate) fn summary(&self) -> String {
        let mut origins = self.origin.allowed.clone().unwrap_or_default();
        if origins.is_empty() {
            origins.push(String::from("(own pages)"));
        }
        let mut lines = vec![
            format!("profile {}", self.profile.name()),
            format!("public {}", self.server.public),
            format!("tls {:?}", self.tls),
            format!("data {}", self.data.display()),
            format!("database {}", self.database.display()),
            format!("security log {}", self.audit_file.display()),
            format!("origins {}", origins.join(", ")),
            format!("token issuers {}", self.gate.issuers.len() + 1),
            format!(
                "connections {} in all, {} a user, {} before CONNECT",
                self.gate.connections_total,
                self.gate.connections_per_user,
                self.gate.pre_auth_total
            ),
            format!("message {} bytes", self.gate.message_max_bytes),
        ];
        lines.extend(self.dangers.iter().map(|danger| format!("danger {danger}")));
        lines.join("\n")
    }
}

fn read_file(sources: &Sources) -> Result<File, ConfigError> {
    let default = Path::new("portcullis.toml");
    let path = match &sources.config {
        Some(path) => Some(path.as_path()),
        None if default.exists() => Some(default),
        None => None,
    };
    let (text, place) = match path {
        Some(path) => {
            let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
            let text = std::fs::read_to_string(path).map_err(unreadable)?;
            (text, path.display().to_string())
        }
        None => (String::new(), String::from("the environment")),
    };
    // Read on its own first, so that a complaint shows the line it is about.
    let file: File = toml::from_str(&text).map_err(|error| ConfigError::syntax(&place, &error))?;
    if sources.environment.is_empty() {
        return Ok(file);
    }
    let mut table: toml::Table =
        text.parse().map_err(|error| ConfigError::syntax(&place, &error))?;
    environment::overlay(&mut table, &sources.environment)?;
    table.try_into().map_err(|error| ConfigError::syntax("the environment", &error))
}

fn profile(file: &File, sources: &Sources) -> Result<Profile, ConfigError> {
    if let Some(profile) = sources.profile {
        return Ok(profile);
    }
    match file.profile.as_deref() {
        None | Some("development") => Ok(Profile::Development),
        Some("production") => Ok(Profile::Production),
        Some("strict") => Ok(Profile::Strict),
        Some(other) => Err(ConfigError::refused(
            "profile",
            format!("{other:?}"),
            "there is no such profile",
            "write \"development\", \"production\" or \"strict\"",
        )),
    }
}

/// Keys of features to come are refused, so that nobody believes them to be in force.
fn refuse_unavailable(file: &File) -> Result<(), ConfigError> {
    if file.listen.trusted_proxies.as_ref().is_some_and(|list| !list.is_empty()) {
        let mend = "remove it; proxy headers are ignored";
        return Err(ConfigError::unavailable("listen.trusted_proxies", mend));
    }
    if file.transport.polling == Some(true) {
        let mend = "remove it; clients connect with transports: [\"websocket\"]";
        return Err(ConfigError::unavailable("transport.polling", mend));
    }
    if file.transport.websocket == Some(false) {
        let mend = "remove it; WebSocket is the only transport";
        return Err(ConfigError::unavailable("transport.websocket = false", mend));
    }
    if file.accounts.enabled == Some(false) {
        let mend = "remove it, or close registration: registration = \"closed\"";
        return Err(ConfigError::unavailable("accounts.enabled = false", mend));
    }
    Ok(())
}

fn server_options(file: &File, sources: &Sources) -> Result<Options, ConfigError> {
    let default = Options::default();
    let transport = &file.transport;
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let size_max_bytes = file.message.size_max_bytes.unwrap_or(10 * 1024);
    if !(64..=1024 * 1024).contains(&size_max_bytes) {
        return Err(ConfigError::refused(
            "message.size_max_bytes",
            size_max_bytes.to_string(),
            "it is outside 64 to 1048576",
            "write a size a message of yours really has",
        ));
    }
    let milliseconds = |key: &str, value: Option<u64>, default: u64| match value {
        Some(value) if !(10..=3_600_000).contains(&value) => Err(ConfigError::refused(
            format!("transport.{key}"),
            value.to_string(),
            "it is outside 10 to 3600000",
            "write milliseconds",
        )),
        value => Ok(value.unwrap_or(default)),
    };
    Ok(Options {
        public: sources.listen.or(file.listen.public).unwrap_or_else(|| loopback(8443)),
        private: Some(file.listen.private.unwrap_or_else(|| loopback(9443))),
        shards: file.listen.shards.unwrap_or(default.shards).clamp(1, 1024),
        ping_interval_ms: milliseconds(
            "ping_interval_ms",
            transport.ping_interval_ms,
            default.ping_interval_ms,
        )?,
        ping_timeout_ms: milliseconds(
            "ping_timeout_ms",
            transport.ping_timeout_ms,
            default.ping_timeout_ms,
        )?,
        connect_timeout_ms: milliseconds(
            "connect_timeout_ms",
            transport.connect_timeout_ms,
            default.connect_timeout_ms,
        )?,
        handshake_timeout_ms: milliseconds(
            "handshake_timeout_ms",
            transport.handshake_timeout_ms,
            default.handshake_timeout_ms,
        )?,
        assembly_timeout_ms: milliseconds(
            "assembly_timeout_ms",
            transport.assembly_timeout_ms,
            default.assembly_timeout_ms,
        )?,
        write_stall_ms: milliseconds(
            "write_stall_ms",
            transport.write_stall_ms,
            default.write_stall_ms,
        )?,
        // Room for the packet around the payload.
        message_max_bytes: size_max_bytes + 2 * 1024,
        ..default
    })
}

fn tls(section: &file::Tls, profile: Profile) -> Result<TlsSettings, ConfigError> {
    let default = if profile == Profile::Development { "development" } else { "files" };
    match section.mode.as_deref().unwrap_or(default) {
        "development" if profile != Profile::Development => Err(ConfigError::refused(
            "tls.mode",
            "\"development\"",
            "nobody else trusts our own authority",
            "write mode = \"files\" with certificate_file and key_file",
        )),
        "development" => Ok(TlsSettings::Development),
        "off" => Ok(TlsSettings::Off),
        "files" => match (&section.certificate_file, &section.key_file) {
            (Some(certificate), Some(key)) => {
                Ok(TlsSettings::Files { certificate: certificate.clone(), key: key.clone() })
            }
            _ => Err(ConfigError::refused(
                "tls.certificate_file and tls.key_file",
                "missing",
                "mode \"files\" needs both",
                "name your certificate chain and its key, in PEM",
            )),
        },
        "acme" => {
            let mend = "use mode = \"files\"";
            Err(ConfigError::unavailable("tls.mode = \"acme\"", mend))
        }
        other => Err(ConfigError::refused(
            "tls.mode",
            format!("{other:?}"),
            "there is no such mode",
            "write \"files\", \"development\" or \"off\"",
        )),
    }
}

/// What others can reach has to be safe (T-100, T-270). Gives the dangers in force.
fn check_reach(
    file: &File,
    profile: Profile,
    tls: &TlsSettings,
    public: SocketAddr,
) -> Result<Vec<&'static str>, ConfigError> {
    let private = file.listen.private;
    if private.is_some_and(|private| private.ip().is_unspecified()) {
        return Err(ConfigError::refused(
            "listen.private",
            format!("{private:?}"),
            "health and metrics would be open to everyone",
            "bind it to one private address",
        ));
    }
    let exposed = !public.ip().is_loopback();
    let plaintext = *tls == TlsSettings::Off;
    if !exposed || !(plaintext || profile == Profile::Development) {
        return Ok(Vec::new());
    }
    if file.danger.plaintext_off_loopback {
        return Ok(vec!["plaintext_off_loopback: what clients send can be read and changed"]);
    }
    let why = if plaintext {
        "without TLS others on the network read and change everything"
    } else {
        "the development profile is for this machine only"
    };
    Err(ConfigError::refused(
        "listen.public",
        public.to_string(),
        why,
        "use profile = \"production\" with [tls] mode = \"files\", or bind 127.0.0.1",
    ))
}

fn gate_options(file: &File, _frame_max_bytes: u32) -> Result<GateOptions, ConfigError> {
    let default = GateOptions::default();
    let rates = &file.rate;
    let capacity = &file.capacity;
    let connections_total = capacity.connections_total.unwrap_or(default.connections_total);
    let pre_auth_default = default.pre_auth_total.min((connections_total / 5).max(1));
    let read = rate::read;
    Ok(GateOptions {
        polling: false,
        connect_per_prefix: read(
            "rate.connect_per_prefix",
            rates.connect_per_prefix.as_ref(),
            default.connect_per_prefix,
        )?,
        request_per_prefix: read(
            "rate.request_per_prefix",
            rates.request_per_prefix.as_ref(),
            default.request_per_prefix,
        )?,
        login_per_prefix: read(
            "rate.login_per_prefix",
            rates.login_per_prefix.as_ref(),
            default.login_per_prefix,
        )?,
        login_per_user: read(
            "rate.login_per_user",
            rates.login_per_user.as_ref(),
            default.login_per_user,
        )?,
        message_per_user: read(
            "rate.message_per_user",
            rates.message_per_user.as_ref(),
            default.message_per_user,
        )?,
        message_per_connection: read(
            "rate.message_per_connection",
            rates.message_per_connection.as_ref(),
            default.message_per_connection,
        )?,
        event_per_user: rate::read_events(&rates.event_per_user)?,
        connections_total,
        pre_auth_total: capacity.pre_auth_total.unwrap_or(pre_auth_default),
        connections_per_user: capacity.connections_per_user.unwrap_or(default.connections_per_user),
        message_max_bytes: file.message.size_max_bytes.unwrap_or(default.message_max_bytes),
        links_allowed: file.message.links.unwrap_or(default.links_allowed),
        issuers: issuer::read(&file.token)?,
        ..default
    })
}

fn database(url: Option<&str>, data: &Path) -> Result<PathBuf, ConfigError> {
    let Some(url) = url else {
        return Ok(data.join("portcullis.db"));
    };
    match url.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        Some(_) | None => Err(ConfigError::refused(
            "store.url",
            // The address of a database server may hold its password.
            url.split(':').next().unwrap_or_default().to_owned() + ":…",
            "only SQLite is available in this version",
            "write url = \"sqlite:PATH\"",
        )),
    }
}

fn accounts_open(section: &file::Accounts) -> Result<bool, ConfigError> {
    match section.registration.as_deref() {
        None | Some("open") => Ok(true),
        Some("closed") => Ok(false),
        Some(other) => Err(ConfigError::refused(
            "accounts.registration",
            format!("{other:?}"),
            "there is no such choice",
            "write \"open\" or \"closed\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let file: File = toml::from_str(text)
            .map_err(|error| ConfigError::syntax("test", &error).to_string())?;
        let mut settings =
            Settings::build(file, &Sources::default()).map_err(|error| error.to_string())?;
        settings.settle_origins(settings.server.public).map_err(|error| error.to_string())?;
        Ok(settings)
    }

    #[test]
    fn nothing_configured_is_development_on_loopback() {
        let settings = read("").unwrap();
        assert_eq!(settings.profile, Profile::Development);
        assert_eq!(settings.server.public.to_string(), "127.0.0.1:8443");
        assert_eq!(settings.tls, TlsSettings::Development);
        assert_eq!(settings.gate.connections_per_user, 5);
        assert_eq!(settings.gate.message_max_bytes, 10_240);
        assert!(settings.dangers.is_empty());
    }

    #[test]
    fn what_is_refused_says_why() {
        let production = "profile = \"production\"\n[tls]\ncertificate_file = \"a\"\n\
                          key_file = \"b\"\n";
        let cases = [
            ("[orgins]\n", "did you mean `origin`"),
            ("[origin]\nalowed = []\n", "did you mean `allowed`"),
            ("profile = \"prod\"\n", "no such profile"),
            ("[listen]\npublic = \"0.0.0.0:1\"\n", "this machine only"),
            ("[listen]\nprivate = \"0.0.0.0:1\"\n", "open to everyone"),
            ("[listen]\npublic = \"0.0.0.0:1\"\n[tls]\nmode = \"off\"\n", "without TLS"),
            ("profile = \"production\"\n", "mode \"files\" needs both"),
            (production, "no page could connect"),
            ("[tls]\nmode = \"acme\"\n", "not available"),
            ("[transport]\npolling = true\n", "not available"),
            ("[listen]\ntrusted_proxies = [\"10.0.0.0/8\"]\n", "not available"),
            ("[rate]\nmessage_per_user = \"many\"\n", "no rate"),
            ("[message]\nsize_max_bytes = 0\n", "outside 64"),
            ("[store]\nurl = \"postgres://user:password@host/db\"\n", "only SQLite"),
            ("[capacity]\nconnections_total = -1\n", "connections_total"),
        ];
        for (text, expect) in cases {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(expect), "{text:?} gave {error:?}");
            assert!(!error.contains("password@"), "{error}");
        }
    }

    #[test]
    fn t270_danger_is_named() {
        let text = "[listen]\npublic = \"0.0.0.0:1\"\n[origin]\nallowed = [\"https://a.example\"]\n\
                    [danger]\nplaintext_off_loopback = true\n";
        assert_eq!(read(text).unwrap().dangers.len(), 1);
    }

    #[test]
    fn t273_unknown_events_are_left_to_the_gate_and_rates_are_read() {
        let text = "[rate]\nevent_per_user = { \"chat:send\" = \"10/60s\" }\n";
        assert_eq!(read(text).unwrap().gate.event_per_user.len(), 1);
    }
}
