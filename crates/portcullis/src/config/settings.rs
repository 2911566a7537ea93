//! All settings in force, as plain options for the other crates.
//! Never: a partial configuration; the first error stops the start.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_accounts::{RemoteIssuer, SessionTimes};
use portcullis_chat::ChatOptions;
use portcullis_guard::{Directory, DirectoryLimits, Gate, GateOptions, is_app_origin};
use portcullis_server::Options;

use crate::tls::certificate::ServerNames;

use crate::config::admin::AdminSettings;
use crate::config::audit::AuditSettings;
use crate::config::danger::Danger;
use crate::config::development;
use crate::config::doctor::DoctorSettings;
use crate::config::identity::accounts::AccountSettings;
use crate::config::identity::roles::{read_replay, read_roles};
use crate::config::identity::token::IssuerFacts;
use crate::config::identity::token_rules::{check_factors, issuer_warnings};
use crate::config::network::acme::certificate_names;
use crate::config::network::hsts;
use crate::config::network::origin::{self, Origins};
use crate::config::network::tls::TlsSettings;
use crate::config::profile::Profile;
use crate::config::read::configuration_file::ConfigurationFile;
use crate::config::read::environment;
use crate::config::read::error::ConfigError;
use crate::config::read::file::File;
use crate::config::store::StoreSection;
use crate::config::warning::Warning;

/// The sources of settings. The command line overrides the environment, which overrides the file.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sources {
    pub(crate) config: Option<PathBuf>,
    pub(crate) profile: Option<Profile>,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

impl Sources {
    /// The path of the configuration file; without `--config`, the file does not have to exist.
    pub(crate) fn file(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(ConfigurationFile::DEFAULT))
    }
}

/// All settings in force.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The configuration file, if there is one.
    pub(crate) file: Option<ConfigurationFile>,
    pub(crate) profile: Profile,
    pub(crate) storage: StorageSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) server: Options,
    /// [`Settings::settle`] adds origins and hosts when the port is known.
    pub(crate) gate: GateOptions,
    pub(crate) chat: ChatOptions,
    /// The limits of the directory.
    pub(crate) directory: DirectoryLimits,
    pub(crate) identity: IdentitySettings,
    pub(crate) audit: AuditSettings,
    pub(crate) dangers: Vec<Danger>,
    pub(crate) origins: Origins,
}

/// The places and the protection of stored data.
#[derive(Clone)]
pub(crate) struct StorageSettings {
    /// The directory of the database, the keys and the security log.
    pub(crate) data: PathBuf,
    pub(crate) database: PathBuf,
    /// Whether the texts of messages are sealed at rest.
    pub(crate) seal_messages: bool,
    /// Space that is kept free on the disk of the database, in bytes; `None` is the default.
    pub(crate) min_free_bytes: Option<u64>,
    /// What the regular audit needs from the operator.
    pub(crate) doctor: DoctorSettings,
}

impl StorageSettings {
    fn new(
        store: &StoreSection,
        data: &Path,
        database: PathBuf,
        doctor: DoctorSettings,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            doctor,
            data: data.to_path_buf(),
            database,
            seal_messages: store.seals_messages(),
            min_free_bytes: store.min_free()?,
        })
    }
}

/// Accounts, sessions, and issuers of tokens.
#[derive(Clone)]
pub(crate) struct IdentitySettings {
    pub(crate) accounts: AccountSettings,
    pub(crate) issuers: Vec<IssuerFacts>,
    /// Issuers whose keys are fetched.
    pub(crate) remote: Vec<RemoteIssuer>,
    /// The lifetimes of sessions.
    pub(crate) times: SessionTimes,
    /// The dashboard.
    pub(crate) admin: AdminSettings,
}

/// The port in checks before a port is chosen.
const ANY_PORT: u16 = 8443;

impl Settings {
    /// The data directory without `--data`.
    pub(crate) const DATA: &str = "portcullis-data";

    /// Reads all sources, and checks the result.
    pub(crate) fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let path = sources.file();
        let file = match &sources.config {
            Some(_) => Some(ConfigurationFile::read(path)?),
            None if path.exists() => Some(ConfigurationFile::read(path)?),
            None => None,
        };
        let text = file.as_ref().map_or("", |file| &file.text);
        let settings = Self::read_text(path, text, sources)?;
        Ok(Self { file, ..settings })
    }

    /// Like [`Settings::read`], with the text of the file.
    pub(crate) fn read_text(
        path: &Path,
        text: &str,
        sources: &Sources,
    ) -> Result<Self, ConfigError> {
        let at_fault = |error| ConfigError::syntax(path, text, &error);
        let file: File = toml::from_str(text).map_err(at_fault)?;
        file.token.reject_secrets()?;
        let variables = environment::with_prefix(sources.environment.iter().cloned())?;
        let table = text.parse().map_err(at_fault)?;
        let (_table, file) = environment::overlay(table, file, &variables)?;
        let settings = Self::build(file, sources)?;
        settings.check()?;
        Ok(settings)
    }

    fn build(file: File, sources: &Sources) -> Result<Self, ConfigError> {
        let profile = match sources.profile {
            Some(profile) => profile,
            None => Profile::read(file.profile.as_deref())?,
        };
        let credentials = file.origin.credentials();
        let data = sources.data.clone().unwrap_or_else(|| PathBuf::from(Self::DATA));
        let listen = file.listen.read(sources.listen)?;
        let tls = file.tls.read(profile, listen.redirect)?;
        listen.check(&tls)?;
        let origins = file.origin.read(profile, file.listen.hosts)?;
        development::check(profile, &listen, &origins)?;
        let dangers = file.danger.read(profile, &tls, listen.public, listen.private)?;
        let server = file.transport.read(Options {
            public: listen.public,
            private: Some(listen.private),
            private_hosts: listen.private_hosts,
            probe: listen.probe,
            hsts: file.hsts.read(profile)?,
            redirect: listen.redirect,
            shards: listen.shards,
            proxy_protocol: listen.proxy_protocol,
            ..Options::default()
        })?;
        let server = file.capacity.read_http(server)?;
        let usual = GateOptions { proxies: listen.proxies, ..file.transport.read_gate(profile)? };
        let gate = file.spam.read(file.rate.read(file.capacity.read(usual)?)?)?;
        let (server, gate) = file.message.read(profile, server, gate)?;
        let (server, mut gate) = file.overload.read(server, gate)?;
        let issuers = file.token.read(profile, file.danger.jwks_private_addresses)?;
        gate.issuers = issuers.known;
        gate.expected_algorithms = issuers.remote.iter().map(|remote| remote.algorithm).collect();
        let (timeouts, times) = file.session.read()?;
        gate.session_timeouts = timeouts;
        gate.roles = read_roles(&file.role, &file.access)?;
        gate.replay = read_replay(&file.replay, profile == Profile::Strict)?;
        let accounts = file.accounts.read(profile)?;
        accounts.apply_to(&mut gate);
        let database = file.store.read(&data)?;
        Ok(Self {
            file: None,
            directory: file.capacity.read_directory()?,
            storage: StorageSettings::new(&file.store, &data, database, file.doctor.read()?)?,
            identity: IdentitySettings {
                accounts,
                issuers: issuers.facts,
                remote: issuers.remote,
                times,
                admin: file.admin.read(profile, &origins)?,
            },
            chat: file.capacity.read_chat(),
            audit: file.audit.read(&data, file.alert.read(profile)?)?,
            origins,
            profile,
            tls,
            server: Options { credentials, ..server },
            gate,
            dangers,
        })
    }

    /// Builds a gate from the settings, which checks them, before anything is changed.
    fn check(&self) -> Result<(), ConfigError> {
        check_factors(&self.identity.issuers, self.identity.accounts.second_factor)?;
        self.acme_names()?;
        let mut settled = self.clone();
        settled.settle_anywhere();
        // This gate only checks the settings, so its tables are small.
        let options = GateOptions { rate_keys_max: 1024, ..settled.gate };
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        let _valid = Gate::build(options, directory)?;
        Ok(())
    }

    /// Like [`Settings::settle`], for commands that do not listen.
    pub(crate) fn settle_anywhere(&mut self) {
        let mut public = self.server.public;
        if public.port() == 0 {
            public.set_port(ANY_PORT);
        }
        self.settle(public);
    }

    /// Sets origins and host names, when the port is known.
    pub(crate) fn settle(&mut self, public: SocketAddr) {
        let settled = self.origins.settle(public, &self.tls);
        self.gate.origins = settled.origins;
        self.gate.hosts = settled.hosts;
        self.gate.without_origin = self.origins.without;
        self.gate.dashboard = self.identity.admin.rules(self.profile, &self.tls, public);
        self.server.public = public;
    }

    /// The reserve on the disk, in the form of the configuration file.
    pub(crate) fn min_free(&self) -> String {
        match self.storage.min_free_bytes {
            Some(bytes) if bytes.is_multiple_of(1024 * 1024) => {
                format!("{}MiB", bytes / (1024 * 1024))
            }
            Some(bytes) => format!("{}KiB", bytes / 1024),
            None => String::from("256MiB"),
        }
    }

    /// Warnings about settings that are allowed and probably a mistake.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut warnings = hsts::warnings(self.profile, self.server.hsts);
        warnings.extend(origin::warnings(self.profile, &self.origins));
        warnings.extend(self.identity.admin.warning(self.profile));
        let rule = self.identity.accounts.second_factor;
        warnings.extend(issuer_warnings(&self.identity.issuers, rule, self.profile));
        warnings
    }

    /// The names under which clients reach the server.
    pub(crate) fn server_names(&self) -> ServerNames {
        let mut settled = self.clone();
        settled.settle_anywhere();
        let is_behind_proxy = !self.gate.proxies.trusted.is_empty();
        let mut hosts = settled.gate.hosts;
        hosts.append(&mut settled.gate.dashboard.hosts);
        ServerNames { hosts, is_behind_proxy }
    }

    /// The names of the certificate that an authority issues; none without ACME.
    pub(crate) fn acme_names(&self) -> Result<Vec<String>, ConfigError> {
        let TlsSettings::Acme(acme) = &self.tls else { return Ok(Vec::new()) };
        let mut settled = self.clone();
        // An address off loopback: the names of this machine are not added.
        settled.settle(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 443));
        let gate = &settled.gate;
        certificate_names(acme, gate.hosts.iter().chain(&gate.dashboard.hosts))
    }

    /// The address of the dashboard.
    pub(crate) fn dashboard_url(&self) -> String {
        let own = self.identity.admin.origin(self.profile, &self.tls, self.server.public);
        format!("{}/admin/", own.unwrap_or_else(|| self.page_url()))
    }

    /// The address of the page.
    pub(crate) fn page_url(&self) -> String {
        let hosts = self.origins.hosts.as_ref().and_then(|hosts| hosts.first());
        let named = hosts.map(|host| format!("https://{host}"));
        let page = self.origins.allowed.iter().find(|origin| !is_app_origin(origin));
        match (self.profile, named.or_else(|| page.cloned())) {
            (Profile::Production | Profile::Strict, Some(page)) => page,
            (_, _) => format!("{}://{}", self.tls.scheme(), self.server.public),
        }
    }
}
