//! The server that a command is about, and secrets from standard input.
//! Never: a secret from the command line, where other processes of the machine can see it.

use std::io::{IsTerminal, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use portcullis_accounts::{ServerSecret, SigningKeys};
use portcullis_model::{Clock, Now, RoleTable, Secret, SystemClock};
use portcullis_seal::Keyring;
use portcullis_store::{FieldSeal, SqliteOperatorStore};

use super::backup::directory::parent;
use super::owner_rights;
use super::restore::mark::check_finished;
use crate::config::{Settings, Sources};
use crate::output::{errln, shell_path};
use crate::sealing::{SealLog, Sealing};
use crate::start::files::owners::inspect_owners;
use crate::start::files::valid_copy;
use crate::start::wiring::{block_on, numbered};

/// Longest secret or token that is read from standard input, in bytes.
const INPUT_MAX: u64 = 16 * 1024;

/// The arguments that name the server.
#[derive(Debug, Args)]
pub(crate) struct InstallationArguments {
    /// The configuration file; by default `./portcullis.toml`, if it exists.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// The directory of the database and the keys.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl InstallationArguments {
    fn sources(&self) -> Sources {
        Sources {
            config: self.config.clone(),
            data: self.data.clone(),
            environment: std::env::vars_os().collect(),
            ..Sources::default()
        }
    }

    /// The arguments as text for another command, such as `--data DIR`; empty without arguments.
    pub(crate) fn named(&self) -> String {
        let given = [("--config", &self.config), ("--data", &self.data)].into_iter();
        let given = given.filter_map(|(name, path)| Some((name, path.as_ref()?)));
        let texts: Vec<_> =
            given.map(|(name, path)| format!("{name} {}", shell_path(path))).collect();
        texts.join(" ")
    }
}

/// The server that a command is about: its settings, and the clock.
pub(crate) struct Installation {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    sources: Sources,
}

impl Installation {
    /// Reads the settings of a server whose files this user can use. From then on, a command of
    /// root has the rights of the owner of the data directory.
    pub(crate) fn read(arguments: &InstallationArguments) -> Result<Self> {
        let mut installation = Self::read_any(arguments)?;
        // The owner may have no access to the working directory.
        installation.make_absolute();
        owner_rights::take(&installation.settings.storage.data)?;
        inspect_owners(&installation.settings)?;
        Ok(installation)
    }

    /// Reads the settings for a command that keeps the rights of root, because it writes into
    /// directories that only root can use, or changes nothing. Files of the data directory are used
    /// with [`owner_rights::as_owner`] where their content is passed on.
    pub(crate) fn read_with_own_rights(arguments: &InstallationArguments) -> Result<Self> {
        let mut installation = Self::read_any(arguments)?;
        installation.make_absolute();
        inspect_owners(&installation.settings)?;
        Ok(installation)
    }

    /// Reads the settings; the files can belong to another user. If the configuration is invalid,
    /// it is the one that the server started with, with a warning: an operator must be able to lock
    /// a user while the file is being edited.
    fn read_any(arguments: &InstallationArguments) -> Result<Self> {
        let sources = arguments.sources();
        let settings = match Settings::read(&sources) {
            Ok(settings) => settings,
            Err(fault) => {
                let data = sources.data.as_deref().unwrap_or(Path::new(Settings::DATA));
                let found = owner_rights::as_owner(data, || valid_copy::find(&sources, &fault))?;
                let Some((copy, settings)) = found else {
                    return Err(fault.into());
                };
                errln!("warning: {fault}");
                let copy = copy.display();
                errln!("warning: {copy}, the newest configuration that is in force, is used");
                settings
            }
        };
        Ok(Self::of_settings(settings, sources))
    }

    /// Reads the configuration, for a command that keeps the rights of root and changes nothing.
    pub(crate) fn read_valid(arguments: &InstallationArguments) -> Result<Self> {
        let sources = arguments.sources();
        Ok(Self::of_settings(Settings::read(&sources)?, sources))
    }

    /// Makes the paths absolute, if root runs this command for another user.
    fn make_absolute(&mut self) {
        if !owner_rights::is_for_other(&self.settings.storage.data) {
            return;
        }
        let storage = &mut self.settings.storage;
        let paths = [&mut storage.data, &mut storage.database, &mut self.settings.audit.file];
        for path in paths.into_iter().chain(self.sources.data.as_mut()) {
            // Without the directories between, which can be closed to the owner.
            if let (Ok(folder), Some(name)) = (parent(path).canonicalize(), path.file_name()) {
                *path = folder.join(name);
            }
        }
    }

    pub(crate) fn of_settings(settings: Settings, sources: Sources) -> Self {
        Self { settings, clock: Arc::new(SystemClock::start()), sources }
    }

    /// The private address in force, if that of the file is another one, which needs a restart.
    pub(crate) fn private_in_force(&self) -> Option<SocketAddr> {
        let (_, in_force) = valid_copy::read(&self.sources)?;
        in_force.server.private.filter(|address| self.settings.server.private != Some(*address))
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Fails if no server has ever used the data directory.
    pub(crate) fn check_started(&self) -> Result<()> {
        let data = &self.settings.storage.data;
        if !self.settings.storage.database.exists() && ServerSecret::load(data)?.is_none() {
            bail!("no server was ever started with {}: start it once", data.display());
        }
        Ok(())
    }

    /// Opens the database beside a running server; returns it with the names of all roles.
    pub(crate) fn open(&self) -> Result<(SqliteOperatorStore, RoleTable)> {
        check_finished(&self.settings.storage.data)?;
        let path = &self.settings.storage.database;
        if !path.exists() {
            bail!("{} does not exist: start the server once", path.display());
        }
        let log = SealLog::new(Arc::clone(&self.clock));
        let seal =
            self.field_keys()?.map(|ring| Arc::new(Sealing::new(ring, log)) as Arc<dyn FieldSeal>);
        let beside = SqliteOperatorStore::open(path, seal, &operator())
            .with_context(|| format!("cannot open {}", path.display()))?;
        let roles = block_on(numbered(&beside, &self.settings.gate.roles))??.table;
        Ok((beside.with_roles(roles.clone()), roles))
    }

    /// The keys that seal fields, if the server has created any.
    pub(crate) fn field_keys(&self) -> Result<Option<Keyring>> {
        Ok(Keyring::find(&self.settings.storage.data)?)
    }

    /// The keys that sign access tokens.
    pub(crate) fn signing_keys(&self) -> Result<SigningKeys> {
        Ok(SigningKeys::read(&self.settings.storage.data)?)
    }
}

/// The operator, by the user id of the process. A user name from the environment is not reliable.
pub(super) fn operator() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

/// Reads an address of the command line.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = |_| String::from("write an address with a port, such as 127.0.0.1:8443");
    text.parse().map_err(expected)
}

/// Reads a secret from standard input, without its line end.
pub(crate) fn read_secret(what: &str) -> Result<Secret<String>> {
    if std::io::stdin().is_terminal() {
        errln!("Type {what}, then Enter and Ctrl-D:");
    }
    let mut text = String::new();
    let read = std::io::stdin().take(INPUT_MAX + 1).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {what} from standard input"))?;
    if text.len() as u64 > INPUT_MAX {
        bail!("{what} on standard input is longer than 16 KiB");
    }
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        bail!("standard input is empty: write {what} to it");
    }
    Ok(Secret::new(String::from(text)))
}
