//! `portcullis keys …`: signing keys, field keys and session secrets.
//! Never: a key, or a part of one, in the output, except of `keys operator`.

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use portcullis_accounts::ServerSecret;
use portcullis_audit::utc;
use portcullis_seal::{KeyId, Keyring, application_mark};
use portcullis_server::OperatorRequest;
use portcullis_store::{OperatorActionKind, SqliteOperatorStore};

use super::installation::Installation;
use super::running::private_request::proof_header;
use crate::needed_keys::inspect_field_keys;
use crate::output::{counted, outln};

/// How long after a rotation the old field key is still in use: servers reload within a second.
const RELOAD_MAX_MS: i64 = 10_000;
/// Values that are sealed again in one transaction, so that a running server can write in between.
const BATCH: u32 = 200;

/// The kind of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// The keys that sign access tokens.
    Token,
    /// The keys that seal stored fields.
    Field,
    /// The secrets that sign refresh cookies, device cookies and login links.
    Session,
}

/// `portcullis keys …`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Lists all keys.
    List,
    /// Creates a new key and uses it from now on; older keys still verify and open existing values.
    Rotate {
        /// The kind of keys.
        #[arg(value_enum, default_value = "token")]
        ring: KeyKind,
    },
    /// Removes an old key: tokens that it signed become invalid, fields are sealed again first.
    Revoke {
        /// The id of the key, from `keys list`; it can begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        id: String,
        /// Removes a field key although values of an application become unreadable.
        #[arg(long)]
        yes: bool,
    },
    /// Seals all fields with the key in use that are in plain text or sealed with an older key.
    Reencrypt {
        /// Rewrites the file of the database too, so that unused parts hold no old values; stop the
        /// server first.
        #[arg(long)]
        compact: bool,
    },
    /// Prints the header of requests to the private listener, for `curl -H @-`: with the key, or
    /// with a proof for one request.
    Operator {
        /// The method of the request: the header then proves the key for this request and does not
        /// contain it. The server accepts the proof within 30 s and once.
        #[arg(requires = "target", value_parser = ["POST"])]
        method: Option<String>,
        /// The path of the request, such as `/admin/v1/overview`.
        target: Option<String>,
        /// The body of the request.
        #[arg(default_value = "")]
        body: String,
    },
}

/// Runs the command.
pub(super) fn run(installation: &Installation, command: &KeysCommand) -> Result<()> {
    installation.check_started()?;
    match command {
        KeysCommand::List => list(installation),
        KeysCommand::Rotate { ring: KeyKind::Token } => {
            let id = installation.signing_keys()?.rotate(installation.now().unix_ms)?;
            note(installation, &format!("key {id} signs tokens from now on"))?;
            outln!("{id} signs from now on; tokens of older keys stay valid until they expire")?;
            Ok(())
        }
        KeysCommand::Rotate { ring: KeyKind::Field } => {
            let id = ring(installation)?.rotate(installation.now().unix_ms)?;
            note(installation, &format!("key {id} seals fields from now on"))?;
            outln!("{id} seals from now on; portcullis keys reencrypt seals older fields again")?;
            Ok(())
        }
        KeysCommand::Rotate { ring: KeyKind::Session } => {
            let id = secrets(installation)?.rotate(installation.now())?;
            note(installation, &format!("secret {id} is used for sessions from now on"))?;
            outln!("{id} signs from now on; cookies and links of older secrets stay valid")?;
            Ok(())
        }
        KeysCommand::Revoke { id, yes } => {
            let consent = if *yes { Consent::Given } else { Consent::Missing };
            revoke(installation, id, consent)
        }
        KeysCommand::Operator { method: Some(method), target: Some(target), body } => {
            let request = OperatorRequest { method, target, body: body.as_bytes() };
            Ok(outln!("{}", proof_header(installation, &request)?)?)
        }
        KeysCommand::Operator { .. } => {
            Ok(outln!("X-Portcullis-Operator: {}", secrets(installation)?.operator().expose())?)
        }
        KeysCommand::Reencrypt { compact } => {
            inspect_field_keys(&installation.settings)?;
            let (beside, _) = installation.open()?;
            let done = reencrypt(&beside)?;
            let fields = counted(done, "field");
            note(installation, &format!("{fields} sealed again"))?;
            // A closed standard output does not stop the rest.
            let printed = outln!("{fields} sealed again");
            if *compact {
                beside.compact().context(
                    "cannot rewrite the file of the database: stop the server, and try again",
                )?;
                outln!("the file of the database was rewritten")?;
            }
            Ok(printed?)
        }
    }
}

fn list(installation: &Installation) -> Result<()> {
    let now_unix_ms = installation.now().unix_ms;
    for key in installation.signing_keys()?.list() {
        let created = utc(key.created_unix_ms);
        let state = match key.until_unix_ms {
            None => String::from("signs"),
            Some(until) if until > now_unix_ms => {
                format!("verifies until {}", utc(until))
            }
            Some(_) => String::from("expired"),
        };
        outln!("token  {}  created {created}  {state}", key.id)?;
    }
    if let Some(secrets) = ServerSecret::load(&installation.settings.storage.data)? {
        for key in secrets.list() {
            let created = key.created_unix_ms.map_or(String::from("at the first start"), utc);
            let state = match key.until_unix_ms {
                None => String::from("in use"),
                Some(until) if until > now_unix_ms => format!("verifies until {}", utc(until)),
                Some(_) => String::from("expired"),
            };
            outln!("session  {}  created {created}  {state}", key.id)?;
        }
    }
    if let Some(ring) = installation.field_keys()? {
        for key in ring.list() {
            let created = utc(key.created_unix_ms);
            let state = if key.current { "seals" } else { "opens" };
            outln!("field  {}  created {created}  {state}", key.id)?;
        }
    }
    Ok(())
}

fn secrets(installation: &Installation) -> Result<ServerSecret> {
    let secrets = ServerSecret::load(&installation.settings.storage.data)?;
    secrets.context("there is no session secret: start the server once")
}

/// The field keys, which are those of the database.
fn ring(installation: &Installation) -> Result<Keyring> {
    let ring = inspect_field_keys(&installation.settings)?;
    ring.context("there are no field keys: start the server once")
}

/// Whether the operator accepts that fields of an application become unreadable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Consent {
    Given,
    Missing,
}

fn revoke(installation: &Installation, id: &str, consent: Consent) -> Result<()> {
    let signing = installation.signing_keys()?;
    if signing.list().iter().any(|key| key.id == id) {
        signing.revoke(id)?;
        note(installation, &format!("key {id} revoked"))?;
        outln!("{id} is revoked; its tokens are invalid, and their connections end")?;
        return Ok(());
    }
    if let Some(secrets) = ServerSecret::load(&installation.settings.storage.data)?
        && secrets.list().iter().any(|key| key.id == id)
    {
        secrets.revoke(id)?;
        note(installation, &format!("session secret {id} revoked"))?;
        outln!("{id} is revoked; users with a refresh cookie of it have to log in again")?;
        return Ok(());
    }
    let ring = ring(installation)?;
    let found = ring.list().into_iter().find(|key| key.id.to_string() == id);
    let Some(found) = found else {
        bail!("no key has the id {id:?}: portcullis keys list shows all ids")
    };
    retire(installation, &ring, found.id, consent)
}

/// Seals all fields again, then removes the key.
fn retire(installation: &Installation, ring: &Keyring, id: KeyId, consent: Consent) -> Result<()> {
    if id == ring.current_id() {
        bail!("{id} is the key in use: run portcullis keys rotate field first");
    }
    if consent == Consent::Missing && application_mark::exists(&installation.settings.storage.data)
    {
        bail!(
            "{id} is not removed: an application uses this data directory, and every value of its \
             own that it sealed with {id} would become unreadable for good. This command seals \
             message texts and second factors again; it cannot see values of the application. \
             Let the application seal them again (FieldKeys::is_current finds them), then run \
             portcullis keys revoke {id} --yes"
        );
    }
    let current = ring.list().into_iter().find(|key| key.id == ring.current_id());
    let age_ms = current.map_or(0, |key| installation.now().unix_ms - key.created_unix_ms);
    if age_ms < RELOAD_MAX_MS {
        bail!(
            "the key in use was only just created: try again in 10 s, when all servers have read it"
        );
    }
    let (beside, _) = installation.open()?;
    let done = reencrypt(&beside)?;
    ring.retire(id)?;
    let fields = counted(done, "field");
    note(installation, &format!("key {id} removed, after {fields} were sealed again"))?;
    outln!("{id} is removed; {fields} were sealed again first")?;
    Ok(())
}

fn reencrypt(beside: &SqliteOperatorStore) -> Result<u64> {
    let mut done = 0;
    loop {
        let batch = beside.reseal(BATCH).context("cannot seal a field again")?;
        done += batch.done;
        if batch.left == 0 {
            return Ok(done);
        }
    }
}

/// Stores a record for the server; without a database, no server was ever started.
fn note(installation: &Installation, what: &str) -> Result<()> {
    if installation.settings.storage.database.exists() {
        installation.open()?.0.note(OperatorActionKind::Keys, what)?;
    }
    Ok(())
}
