//! D11: administrators and auditors: their second factors, and how long they were not active.
//! Never: names of users; a report has ids.

use std::collections::BTreeMap;

use anyhow::Result;
use portcullis_admin::{AuditMeasures, CheckBuilder};
use portcullis_audit::{line_time, list_log_files, parse_utc};
use portcullis_guard::SecondFactorRule;
use portcullis_model::{Role, Roles};
use portcullis_store::{AccessSnapshot, AccountStore, ChangeStore, SqliteOperatorStore, UserRow};

use crate::block_on::block_on;
use crate::config::Profile;
use crate::doctor::examination::Examination;

/// A privileged account that was not active for so long is a risk without a use.
const IDLE_MS: i64 = 90 * 24 * 60 * 60_000;
/// Most privileged users whose last activity is kept.
const ACTIVE_MAX: usize = 256;
/// The records of logins.
const LOGIN: &[u8] = b"\"authn_login_success";

/// Checks all privileged users.
pub(in crate::doctor) fn check(
    examination: &Examination<'_>,
    check: &mut CheckBuilder,
    measures: &mut AuditMeasures,
) {
    if let Some(former) = examination.former() {
        measures.active.clone_from(&former.active);
    }
    let database = &examination.settings.storage.database;
    if !database.exists() {
        check.skip("the server was never started with this data directory");
        return;
    }
    if let Err(error) = check_users(examination, check, measures) {
        check.skip(format!("the database cannot be read: {error:#}"));
    }
}

fn check_users(
    examination: &Examination<'_>,
    check: &mut CheckBuilder,
    measures: &mut AuditMeasures,
) -> Result<()> {
    let database = &examination.settings.storage.database;
    let store = SqliteOperatorStore::open(database, None, "the regular audit")?;
    let snapshot = block_on(store.access_snapshot())??;
    let privileged: Vec<&UserRow> = snapshot.users.iter().filter(|user| is_used(user)).collect();
    if !privileged.iter().any(|user| user.roles.contains(Role::Admin)) {
        let found = "no administrator can sign in: the link for the first one can still be used";
        check.warn("none", found, "create the first administrator with the link of the start");
    }
    let rule = examination.settings.identity.accounts.second_factor;
    let needs_factor = examination.settings.profile != Profile::Development;
    let own = privileged.iter().filter(|user| needs_factor && !user.foreign);
    for user in own.filter(|user| !user.has_totp) {
        let remedy = "ask the user to add a second factor, or take the role away";
        check.warn(&format!("factor {}", user.id), missing_factor(user, rule), remedy);
    }
    let mut active = BTreeMap::new();
    for user in privileged.iter().take(ACTIVE_MAX) {
        let last = last_activity(examination, &store, &snapshot, user, measures)?;
        active.insert(user.id.to_string(), last);
        let idle_ms = examination.now.unix_ms - last;
        if idle_ms > IDLE_MS {
            let days = idle_ms / (24 * 60 * 60_000);
            let found = format!("{} {} was not active for {days} days", role(user), user.id);
            let remedy = format!(
                "take the role away (portcullis user take {} ROLE), or disable the account",
                user.id
            );
            check.warn(&format!("idle {}", user.id), found, remedy);
        }
    }
    check.fact(format!("{} administrators and auditors", privileged.len()));
    measures.active = active;
    Ok(())
}

/// Whether the account is privileged and can be used.
fn is_used(user: &UserRow) -> bool {
    let privileged = Roles::NONE.with(Role::Admin).with(Role::Auditor);
    !user.disabled && user.roles.common(privileged) != Roles::NONE
}

fn role(user: &UserRow) -> &'static str {
    if user.roles.contains(Role::Admin) { "the administrator" } else { "the auditor" }
}

fn missing_factor(user: &UserRow, rule: SecondFactorRule) -> String {
    let withheld = rule.gap(user.roles, false).withheld;
    let effect = if withheld == Roles::NONE {
        "a stolen password is enough to act as this user"
    } else {
        "the role has no effect until there is one"
    };
    format!("{} {} has no second factor: {effect}", role(user), user.id)
}

/// When a user was active last, as far as it is known: at least the creation of the account.
fn last_activity(
    examination: &Examination<'_>,
    store: &SqliteOperatorStore,
    snapshot: &AccessSnapshot,
    user: &UserRow,
    former: &AuditMeasures,
) -> Result<i64> {
    let sessions = snapshot.sessions.iter().filter(|session| session.user == user.id);
    let renewed = sessions.map(|session| session.renewed_unix_ms).max().unwrap_or(0);
    let known = former.active.get(user.id.as_str()).copied().unwrap_or(0);
    let account = block_on(store.find_account(user.id.as_str()))??;
    let created = account.map_or(0, |account| account.created_unix_ms);
    let last = renewed.max(known).max(created);
    if examination.now.unix_ms - last <= IDLE_MS {
        return Ok(last);
    }
    // A user who logged in and out between two audits has a record only.
    Ok(last.max(last_login(examination, user).unwrap_or(0)))
}

/// The newest login of a user in the security log.
fn last_login(examination: &Examination<'_>, user: &UserRow) -> Option<i64> {
    let id = format!("\"id\":\"{}\"", user.id);
    let since = examination.now.unix_ms - IDLE_MS;
    let files = list_log_files(&examination.settings.audit.file).ok()?;
    let mut newest = None;
    for file in files.iter().rev() {
        let Ok(Some(mut lines)) = file.lines() else { continue };
        let mut newest_of_file = None;
        while let Ok(Some(line)) = lines.next_complete() {
            let time = line_time(line.bytes).and_then(parse_utc);
            newest_of_file = time.or(newest_of_file);
            let has = |text: &[u8]| memchr::memmem::find(line.bytes, text).is_some();
            if has(LOGIN) && has(id.as_bytes()) {
                newest = time.or(newest);
            }
        }
        // Files are in the order of their lines: earlier ones are older still.
        if newest.is_some() || newest_of_file.is_some_and(|time| time < since) {
            break;
        }
    }
    newest
}
