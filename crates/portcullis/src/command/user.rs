//! `portcullis user …`: lists users and changes their accounts.
//! Never: a password on the command line.

use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use portcullis_accounts::{OperatorAccounts, OperatorLink, Password, ServerSecret, StatusChange};
use portcullis_audit::utc;
use portcullis_guard::SecondFactorRule;
use portcullis_model::{Now, Role, RoleTable, Roles};
use portcullis_store::{
    AccountRow, DeleteUserOutcome, DeleteUserRequest, FOR_EVER_UNIX_MS, LIST_MAX, LogOutSummary,
    OwnedRooms, SqliteOperatorStore,
};

use super::installation::{Installation, read_secret};
use crate::config::password_policy;
use crate::output::{counted, errln, outln};
use crate::start::wiring::block_on;

/// Longest confirmation that is read, in bytes.
const ANSWER_MAX_BYTES: u64 = 64;

/// `portcullis user …`; NAME is a user name, or the id of a user of another issuer.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Lists all users.
    List,
    /// Shows one user and their sessions.
    Show { name: String },
    /// Adds a role: admin, moderator, user, or a configured role.
    Grant { name: String, role: String },
    /// Removes a role.
    Take { name: String, role: String },
    /// Disables an account: the user is signed out and cannot log in.
    Lock { name: String },
    /// Enables a disabled account.
    Unlock { name: String },
    /// Bans a user, without an end or for a time.
    Ban {
        name: String,
        /// A duration: a number and s, m, h or d, such as 24h.
        #[arg(long = "for", value_name = "TIME", value_parser = read_time)]
        lasting_ms: Option<i64>,
    },
    /// Lifts a ban.
    Unban { name: String },
    /// Mutes a user, without an end or for a time.
    Mute {
        name: String,
        /// A duration: a number and s, m, h or d, such as 24h.
        #[arg(long = "for", value_name = "TIME", value_parser = read_time)]
        lasting_ms: Option<i64>,
    },
    /// Lifts a mute.
    Unmute { name: String },
    /// Ends all sessions of a user, and revokes all tokens issued so far.
    Logout {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        name: Option<String>,
        /// Applies to all users, including those of other issuers.
        #[arg(long)]
        all: bool,
        /// Skips the confirmation.
        #[arg(long)]
        yes: bool,
    },
    /// Sets a new password from standard input; all sessions end.
    Password { name: String },
    /// Removes a lost second factor.
    RemoveTotp { name: String },
    /// Creates an invitation for one person, and prints it.
    Invite,
    /// Creates a login link, and prints it: it admits one login, also past the login limits.
    Door {
        name: String,
        /// The link leads to the dashboard, which can have a host of its own.
        #[arg(long)]
        dashboard: bool,
    },
    /// Deletes a user with sessions, memberships and own rooms. Messages in other rooms stay, as
    /// those of a deleted user.
    Delete {
        name: String,
        /// Keeps the rooms of the user, without an owner.
        #[arg(long)]
        keep_rooms: bool,
    },
}

/// Runs the command.
pub(super) fn run(installation: &Installation, command: &UserCommand) -> Result<()> {
    let (beside, roles) = installation.open()?;
    let accounts = OperatorAccounts { store: &beside, now: installation.now() };
    if let UserCommand::Delete { name, keep_rooms } = command {
        let rooms = if *keep_rooms { OwnedRooms::Kept } else { OwnedRooms::Deleted };
        return delete(&beside, &block_on(accounts.find(name))??, rooms, accounts.now);
    }
    if let UserCommand::Logout { name: None, yes, .. } = command {
        return log_out_all(&beside, *yes, accounts.now);
    }
    block_on(run_on_accounts(installation, &accounts, &roles, command))?
}

/// Signs all users out, when the operator has confirmed it.
fn log_out_all(beside: &SqliteOperatorStore, is_confirmed: bool, now: Now) -> Result<()> {
    if !is_confirmed {
        errln!("This signs out all users, and you cannot undo it. Type yes to continue:");
        let mut answer = String::new();
        let read = BufReader::new(std::io::stdin().take(ANSWER_MAX_BYTES)).read_line(&mut answer);
        read.context("cannot read the confirmation from standard input")?;
        if answer.trim() != "yes" {
            bail!("nothing was changed: type yes, or pass --yes");
        }
    }
    let LogOutSummary { users, sessions } = beside.log_out_all(now.unix_ms)?;
    let (users, sessions) = (counted(users as u64, "user"), counted(sessions as u64, "session"));
    outln!("{users} signed out; {sessions} ended, and all tokens issued so far are revoked")?;
    Ok(())
}

/// Prints a login link on standard output, and its purpose on standard error.
async fn door(
    installation: &Installation,
    accounts: &OperatorAccounts<'_>,
    name: &str,
    page: &str,
) -> Result<()> {
    let data = &installation.settings.storage.data;
    let secret = ServerSecret::load(data)?;
    let secret = secret.with_context(|| {
        format!("there is no session secret in {}: start the server once", data.display())
    })?;
    let OperatorLink { address, ends_unix_ms } = accounts.login_link(name, &secret).await?;
    outln!("{page}{}", address.expose())?;
    errln!("valid for one login of {name}, with password and code, until {}", time(ends_unix_ms));
    Ok(())
}

async fn run_on_accounts(
    installation: &Installation,
    accounts: &OperatorAccounts<'_>,
    roles: &RoleTable,
    command: &UserCommand,
) -> Result<()> {
    let until = |lasting_ms: &Option<i64>| match lasting_ms {
        None => FOR_EVER_UNIX_MS,
        Some(lasting_ms) => accounts.now.unix_ms.saturating_add(*lasting_ms),
    };
    let (name, change) = match command {
        UserCommand::List => return list(accounts, roles).await,
        UserCommand::Show { name } => return show(accounts, roles, name).await,
        UserCommand::Password { name } => {
            accounts.find(name).await?;
            let password = read_secret("the new password")?;
            let policy = password_policy(&installation.settings)?;
            let password = Password::new(password.expose().clone());
            accounts.set_password(name, password, &policy).await?;
            return Ok(outln!("{name}: password changed; all sessions ended")?);
        }
        UserCommand::RemoveTotp { name } => {
            let had = accounts.remove_totp(name).await?;
            let what = if had { "second factor removed" } else { "has no second factor" };
            return Ok(outln!("{name}: {what}")?);
        }
        UserCommand::Invite => {
            let (invitation, ends_unix_ms) = accounts.invite().await?;
            outln!("{}", invitation.expose())?;
            errln!("valid for one person, until {}", time(ends_unix_ms));
            return Ok(());
        }
        UserCommand::Door { name, dashboard: true } => {
            let page = installation.settings.dashboard_url();
            return door(installation, accounts, name, &page).await;
        }
        UserCommand::Door { name, dashboard: false } => {
            let page = format!("{}/", installation.settings.page_url());
            return door(installation, accounts, name, &page).await;
        }
        // `run` handles these two.
        UserCommand::Delete { name, .. } => bail!("cannot delete {name} here"),
        UserCommand::Grant { name, role } => (name, StatusChange::Grant(parse(roles, role)?)),
        UserCommand::Take { name, role } => (name, StatusChange::Take(parse(roles, role)?)),
        UserCommand::Lock { name } => (name, StatusChange::Lock),
        UserCommand::Unlock { name } => (name, StatusChange::Unlock),
        UserCommand::Ban { name, lasting_ms } => (name, StatusChange::Ban(until(lasting_ms))),
        UserCommand::Unban { name } => (name, StatusChange::Ban(0)),
        UserCommand::Mute { name, lasting_ms } => (name, StatusChange::Mute(until(lasting_ms))),
        UserCommand::Unmute { name } => (name, StatusChange::Mute(0)),
        UserCommand::Logout { name: Some(name), .. } => (name, StatusChange::Logout),
        UserCommand::Logout { name: None, .. } => bail!("cannot sign out all users here"),
    };
    accounts.change(name, change).await?;
    let person = accounts.find(name).await?;
    outln!("{}", line(&person, roles, accounts.now.unix_ms))?;
    note_second_factor(installation.settings.identity.accounts.second_factor, &person);
    Ok(())
}

/// Prints on standard error that roles have no effect without a second factor.
fn note_second_factor(rule: SecondFactorRule, person: &AccountRow) {
    let has_more = person.roles.without(Role::User) != Roles::NONE;
    match &person.issuer {
        None if rule.gap(person.roles, person.has_totp).is_open() => errln!(
            "note: roles have no effect until {} adds a second factor (accounts.second_factor)",
            person.username
        ),
        Some(issuer) if has_more && rule != SecondFactorRule::None => errln!(
            "note: privileged roles have an effect only on connections whose token proves a second \
             factor: see privileged_amr and privileged_acr of {issuer:?}"
        ),
        Some(_) | None => {}
    }
}

fn delete(
    beside: &SqliteOperatorStore,
    person: &AccountRow,
    rooms: OwnedRooms,
    now: Now,
) -> Result<()> {
    let user = person.id.clone();
    match beside.delete_user(&DeleteUserRequest { user, rooms, at_unix_ms: now.unix_ms })? {
        DeleteUserOutcome::Deleted { rooms: count } => {
            Ok(outln!("{}: deleted; {}", person.username, rooms.describe(count))?)
        }
        DeleteUserOutcome::Missing => {
            bail!("there is no user {:?}: another process has deleted it", person.username)
        }
        DeleteUserOutcome::LastAdmin => {
            bail!(
                "{:?} is the last administrator: give another user the role admin first",
                person.username
            )
        }
    }
}

fn parse(roles: &RoleTable, name: &str) -> Result<Role> {
    if let Some(role) = roles.parse(name) {
        return Ok(role);
    }
    let known: Vec<&str> = roles.all().map(|role| roles.name(role)).collect();
    bail!("there is no role {name:?}: the roles are {}", known.join(", "))
}

async fn list(accounts: &OperatorAccounts<'_>, roles: &RoleTable) -> Result<()> {
    let mut skip = 0;
    loop {
        let people = accounts.store.list_accounts(skip, LIST_MAX).await?;
        if people.is_empty() {
            if skip == 0 {
                errln!("there are no users yet");
            }
            return Ok(());
        }
        skip += people.len() as u64;
        for person in &people {
            outln!("{}", line(person, roles, accounts.now.unix_ms))?;
        }
    }
}

async fn show(accounts: &OperatorAccounts<'_>, roles: &RoleTable, name: &str) -> Result<()> {
    let person = accounts.find(name).await?;
    outln!("{}", line(&person, roles, accounts.now.unix_ms))?;
    outln!("created {}", time(person.created_unix_ms))?;
    if let Some(unix_ms) = person.last_login_unix_ms {
        outln!("last login {}", time(unix_ms))?;
    }
    if let Some(issuer) = &person.issuer {
        outln!("signs in with {issuer}")?;
    }
    for session in accounts.store.list_sessions(&person.id, accounts.now.unix_ms).await? {
        outln!(
            "session since {}, renewed {}, from {} by {:?}",
            time(session.created_unix_ms),
            time(session.renewed_unix_ms),
            session.address,
            session.device,
        )?;
    }
    Ok(())
}

/// A user in one line: id, name, roles, and states that differ from the default.
fn line(person: &AccountRow, roles: &RoleTable, now_unix_ms: i64) -> String {
    let mut words = vec![
        person.id.to_string(),
        format!("{:?}", person.username),
        roles.names(person.roles).join(","),
    ];
    let states = [
        (person.has_totp, String::from("totp")),
        (person.disabled, String::from("locked")),
        (
            person.banned_until_unix_ms > now_unix_ms,
            format!("banned until {}", time(person.banned_until_unix_ms)),
        ),
        (
            person.muted_until_unix_ms > now_unix_ms,
            format!("muted until {}", time(person.muted_until_unix_ms)),
        ),
    ];
    words.extend(states.into_iter().filter(|(holds, _)| *holds).map(|(_, word)| word));
    words.join("  ")
}

/// A time in UTC.
fn time(unix_ms: i64) -> String {
    if unix_ms == FOR_EVER_UNIX_MS {
        return String::from("no end");
    }
    utc(unix_ms)
}

/// A number and a unit, in milliseconds.
pub(super) fn read_time(text: &str) -> Result<i64, String> {
    let unit_ms = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Err(String::from("write a number and s, m, h or d, such as 24h")),
    };
    let digits = text.get(..text.len() - 1).unwrap_or_default();
    match digits.parse::<u32>() {
        Ok(count) if count > 0 => Ok(i64::from(count) * unit_ms),
        Ok(_) | Err(_) => Err(String::from("write a number from 1 and s, m, h or d, such as 24h")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_a_number_and_a_unit() {
        let cases = [
            ("1s", Some(1_000)),
            ("90m", Some(5_400_000)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("", None),
            ("h", None),
            ("0h", None),
            ("-1h", None),
            ("24", None),
            ("1\u{e4}", None),
            ("99999999999d", None),
        ];
        for (text, expect) in cases {
            assert_eq!(read_time(text).ok(), expect, "{text:?}");
        }
    }
}
