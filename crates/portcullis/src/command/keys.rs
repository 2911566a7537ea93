//! `portcullis keys …`: keys that sign tokens, that seal fields, and that sessions rest on.
//! Never: a key itself, in whole or in part, on the screen.

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use portcullis_accounts::ServerSecret;
use portcullis_audit::utc;
use portcullis_seal::{KeyId, KeyRing};
use portcullis_store::{OperatorActionKind, SqliteOperatorStore};

use super::Installation;
use crate::output::{counted, outln};

/// A server takes a changed ring within a second; so long a replaced key is still waited for.
const TAKEN_AFTER_MS: i64 = 10_000;
/// How many values are sealed anew in one transaction, so that a running server can write between.
const PORTION: u32 = 200;

/// Which ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ring {
    /// The keys that sign access tokens.
    Token,
    /// The keys that seal stored fields.
    Field,
    /// The secrets that refresh cookies, device cookies and login links are made with.
    Session,
}

/// `portcullis keys …`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Lists the keys there are.
    List,
    /// Makes a new key the one in use; older ones go on for what exists.
    Rotate {
        /// Which keys.
        #[arg(value_enum, default_value = "token")]
        ring: Ring,
    },
    /// Takes an old key away: tokens it signed are refused at once, fields are sealed anew first.
    Revoke {
        /// Its id, as `keys list` shows it.
        id: String,
    },
    /// Seals what lies in the clear, or under an older key, with the key in use.
    Reencrypt {
        /// Writes the database's file anew as well, so that nothing is left in unused parts of it;
        /// for a server that is stopped.
        #[arg(long)]
        compact: bool,
    },
}

/// Does what was asked.
pub(super) fn run(installation: &Installation, command: &KeysCommand) -> Result<()> {
    match command {
        KeysCommand::List => list(installation),
        KeysCommand::Rotate { ring: Ring::Token } => {
            let id = installation.signing_keys()?.rotate(installation.now().unix_ms)?;
            note(installation, &format!("key {id} signs tokens from now on"))?;
            outln!("{id} signs from now on; tokens of older keys are good to their end")?;
            Ok(())
        }
        KeysCommand::Rotate { ring: Ring::Field } => {
            let id = ring(installation)?.rotate(installation.now().unix_ms)?;
            note(installation, &format!("key {id} seals fields from now on"))?;
            outln!("{id} seals from now on; run keys reencrypt to seal what exists anew")?;
            Ok(())
        }
        KeysCommand::Rotate { ring: Ring::Session } => {
            let id = secrets(installation)?.rotate(installation.now())?;
            note(installation, &format!("secret {id} is used for sessions from now on"))?;
            outln!("{id} is used from now on; what older secrets have made stays valid")?;
            Ok(())
        }
        KeysCommand::Revoke { id } => revoke(installation, id),
        KeysCommand::Reencrypt { compact } => {
            let (beside, _) = installation.open()?;
            let done = reencrypt(&beside)?;
            let fields = counted(done, "field");
            note(installation, &format!("{fields} sealed anew"))?;
            // A reader that has left stops nothing.
            let printed = outln!("{fields} sealed anew");
            if *compact {
                beside.compact().context("cannot write the file anew: is the server stopped?")?;
                outln!("the database's file was written anew")?;
            }
            Ok(printed?)
        }
    }
}

fn list(installation: &Installation) -> Result<()> {
    let now_unix_ms = installation.now().unix_ms;
    for key in installation.signing_keys()?.list() {
        let made = utc(key.created_unix_ms);
        let state = match key.until_unix_ms {
            None => String::from("signs"),
            Some(until) if until > now_unix_ms => {
                format!("believed until {}", utc(until))
            }
            Some(_) => String::from("over"),
        };
        outln!("token  {}  made {made}  {state}", key.id)?;
    }
    if let Some(secrets) = ServerSecret::load(&installation.settings.data)? {
        for key in secrets.list() {
            let made = key.created_unix_ms.map_or(String::from("at the first start"), utc);
            let state = match key.until_unix_ms {
                None => String::from("in use"),
                Some(until) if until > now_unix_ms => format!("verifies until {}", utc(until)),
                Some(_) => String::from("over"),
            };
            outln!("session  {}  made {made}  {state}", key.id)?;
        }
    }
    if let Some(ring) = installation.ring()? {
        for key in ring.list() {
            let made = utc(key.created_unix_ms);
            let state = if key.current { "seals" } else { "opens" };
            outln!("field  {}  made {made}  {state}", key.id)?;
        }
    }
    Ok(())
}

fn secrets(installation: &Installation) -> Result<ServerSecret> {
    let secrets = ServerSecret::load(&installation.settings.data)?;
    secrets.context("there is no secret of sessions: start the server once")
}

fn ring(installation: &Installation) -> Result<KeyRing> {
    let ring = installation.ring()?;
    ring.context("there is no ring of field keys: start the server once")
}

fn revoke(installation: &Installation, id: &str) -> Result<()> {
    let signing = installation.signing_keys()?;
    if signing.list().iter().any(|key| key.id == id) {
        signing.revoke(id)?;
        note(installation, &format!("key {id} signs nothing any more"))?;
        outln!("{id} is gone; its tokens, and connections opened with them, end")?;
        return Ok(());
    }
    if let Some(secrets) = ServerSecret::load(&installation.settings.data)?
        && secrets.list().iter().any(|key| key.id == id)
    {
        secrets.revoke(id)?;
        note(installation, &format!("secret {id} of sessions revoked"))?;
        outln!("{id} is gone; whoever has a refresh cookie of it logs in again")?;
        return Ok(());
    }
    let ring = ring(installation)?;
    let found = ring.list().into_iter().find(|key| key.id.to_string() == id);
    let Some(found) = found else { bail!("no key has the id {id:?}: see keys list") };
    retire(installation, &ring, found.id)
}

/// Seals everything anew, then removes the key for good.
fn retire(installation: &Installation, ring: &KeyRing, id: KeyId) -> Result<()> {
    let current = ring.list().into_iter().find(|key| key.id == ring.current_id());
    let age_ms = current.map_or(0, |key| installation.now().unix_ms - key.created_unix_ms);
    if id != ring.current_id() && age_ms < TAKEN_AFTER_MS {
        bail!("the key in use is only just made: try again in 10 s, when every server has it");
    }
    if id == ring.current_id() {
        bail!("{id} is the key in use: run keys rotate field first");
    }
    let (beside, _) = installation.open()?;
    let done = reencrypt(&beside)?;
    ring.retire(id)?;
    let fields = counted(done, "field");
    note(installation, &format!("key {id} retired, after sealing {fields} anew"))?;
    outln!("{id} is gone; sealed {fields} anew before")?;
    Ok(())
}

fn reencrypt(beside: &SqliteOperatorStore) -> Result<u64> {
    let mut done = 0;
    loop {
        let portion = beside.reseal(PORTION).context("a field cannot be sealed anew")?;
        done += portion.done;
        if portion.left == 0 {
            return Ok(done);
        }
    }
}

/// Leaves a record of it for the server; without a database there is no server yet.
fn note(installation: &Installation, what: &str) -> Result<()> {
    if installation.settings.database.exists() {
        installation.open()?.0.note(OperatorActionKind::Keys, what)?;
    }
    Ok(())
}
