//! What can be done beside a server, running or not: people, keys, tokens.
//! Never: a secret read from the command line, where every process of the machine can see it.

mod access; // who may do what
mod keys; // list, rotate, revoke, seal anew
mod demand; // how much was asked for, and what limits would be enough
mod simulate; // what other limits make of what was counted
mod room; // the rooms there are, and the end of one
mod operate; // what a running server is asked: limits, state
mod token_explain; // what a token says, and what the server would say to it
mod token_make; // a token for tests and support
mod why; // what a reference of a rejected client says
mod user; // who there is, and what becomes of them

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use portcullis_accounts::SigningKeys;
use portcullis_guard::Action;
use portcullis_model::{Clock, Now, RoleTable, Secret, SystemClock};
use portcullis_seal::KeyRing;
use portcullis_store::{FieldSeal, SqliteOperatorStore};

pub(crate) use self::keys::KeysCommand;
pub(crate) use self::operate::{LimitsCommand, StateCommand};
pub(crate) use self::room::RoomCommand;
pub(crate) use self::user::UserCommand;
use crate::config::{Settings, Sources};
use crate::output::errln;
use crate::sealing::{Log, Sealing};
use crate::start::wiring::{block_on, numbered};

/// Longest secret or token read from standard input, in bytes.
const INPUT_MAX: u64 = 16 * 1024;

/// Which server is meant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The configuration file; without it, `./portcullis.toml` if it is there.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Where the database and the keys lie.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// `portcullis token …`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token that connects, and prints it.
    Make(token_make::MakeArguments),
    /// Reads a token from standard input and says what it holds and whether it is believed.
    Explain,
}

/// Does what `portcullis user` was asked.
pub(crate) fn user(which: &Which, command: &UserCommand) -> Result<()> {
    user::run(&Installation::read(which)?, command)
}

/// Runs `portcullis room`.
pub(crate) fn room(which: &Which, command: &RoomCommand) -> Result<()> {
    room::run(&Installation::read(which)?, command)
}

/// Prints who may do what.
pub(crate) fn access(which: &Which) -> Result<()> {
    access::run(&Installation::read(which)?)
}

/// Every event of a server of this configuration.
pub(crate) fn actions(settings: &Settings) -> Result<Vec<Action>> {
    access::actions(settings).map(|(actions, _)| actions)
}

/// Does what `portcullis limits` was asked.
pub(crate) fn limits(which: &Which, command: &LimitsCommand) -> Result<()> {
    let installation = Installation::read(which)?;
    match command {
        LimitsCommand::Simulate { trace } => simulate::run(installation, trace),
        LimitsCommand::Explain { whose } => operate::explain(&installation, whose),
        LimitsCommand::Unlock { whose } => operate::unlock(&installation, whose),
    }
}

/// Explains a reference that a client was given.
pub(crate) fn why(which: &Which, reference: &str) -> Result<()> {
    why::run(&Installation::read(which)?, reference)
}

/// Does what `portcullis state` was asked.
pub(crate) fn state(which: &Which, command: &StateCommand) -> Result<()> {
    operate::state(&Installation::read(which)?, command)
}

/// Does what `portcullis keys` was asked.
pub(crate) fn keys(which: &Which, command: &KeysCommand) -> Result<()> {
    keys::run(&Installation::read(which)?, command)
}

/// Does what `portcullis token` was asked.
pub(crate) fn token(which: &Which, command: &TokenCommand) -> Result<()> {
    let installation = Installation::read(which)?;
    match command {
        TokenCommand::Make(arguments) => token_make::run(&installation, arguments),
        TokenCommand::Explain => token_explain::run(&installation),
    }
}

/// The server that is meant: its settings, and the time.
struct Installation {
    settings: Settings,
    clock: Arc<dyn Clock>,
}

impl Installation {
    fn read(which: &Which) -> Result<Self> {
        let settings = Settings::read(&Sources {
            config: which.config.clone(),
            data: which.data.clone(),
            environment: std::env::vars_os().collect(),
            ..Sources::default()
        })?;
        Ok(Self { settings, clock: Arc::new(SystemClock::start()) })
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    /// Opens the database beside the server; with it go the names of all roles.
    fn open(&self) -> Result<(SqliteOperatorStore, RoleTable)> {
        let path = &self.settings.database;
        if !path.exists() {
            bail!("there is no database at {}: start the server once", path.display());
        }
        let log = Log::new(Arc::clone(&self.clock));
        let seal = self.ring()?.map(|ring| Arc::new(Sealing::new(ring, log)) as Arc<dyn FieldSeal>);
        let beside = SqliteOperatorStore::open(path, seal, &operator())
            .with_context(|| format!("cannot open {}", path.display()))?;
        let roles = block_on(numbered(&beside, &self.settings.gate.roles))??.table;
        Ok((beside.with_roles(roles.clone()), roles))
    }

    /// The keys that seal fields, if the server has made any.
    fn ring(&self) -> Result<Option<KeyRing>> {
        Ok(KeyRing::find(&self.settings.data)?)
    }

    /// The keys that sign tokens.
    fn signing_keys(&self) -> Result<SigningKeys> {
        Ok(SigningKeys::read(&self.settings.data)?)
    }
}

/// Who types, as the machine knows them; a name in the environment could be anybody's.
fn operator() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

/// What is on standard input, without the line's end.
fn read_secret(what: &str) -> Result<Secret<String>> {
    if std::io::stdin().is_terminal() {
        errln!("{what}, then a new line and Ctrl-D:");
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
