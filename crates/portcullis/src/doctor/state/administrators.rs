//! D11: administrators and auditors: their second factors, and how long they were not active.
//! Never: names of users; a report has ids.

use std::collections::BTreeMap;
use std::path::Path;

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
        let remedy = format!(
            "ask the user to add a second factor, or take the role away; portcullis user show {} \
             prints the name",
            user.id
        );
        check.warn(&format!("factor {}", user.id), missing_factor(user, rule), remedy);
    }
    let mut active = BTreeMap::new();
    for user in privileged.iter().take(ACTIVE_MAX) {
        active.insert(user.id.to_string(), last_activity(&store, &snapshot, user, measures)?);
    }
    let now_unix_ms = examination.now.unix_ms;
    add_logins(&examination.settings.audit.file, now_unix_ms, &mut active, check);
    for user in privileged.iter().take(ACTIVE_MAX) {
        let last = active.get(user.id.as_str()).copied().unwrap_or(0);
        let idle_ms = now_unix_ms - last;
        if idle_ms > IDLE_MS {
            let days = idle_ms / (24 * 60 * 60_000);
            let found = format!("{} {} was not active for {days} days", role(user), user.id);
            let remedy = format!(
                "take the role away (portcullis user take {0} ROLE), or disable the account; \
                 portcullis user show {0} prints its name",
                user.id
            );
            check.warn(&format!("idle {}", user.id), found, remedy);
        }
    }
    if privileged.len() > ACTIVE_MAX {
        check.skip(format!("the activity of more than {ACTIVE_MAX} privileged users"));
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

/// When a user was active last, as far as the database and earlier audits know: at least the
/// creation of the account.
fn last_activity(
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
    Ok(renewed.max(known).max(created))
}

/// Adds the logins of users who seem idle, from the security log, which is read once for all.
///
/// A user who logged in and out between two audits has a record only.
fn add_logins(
    log: &Path,
    now_unix_ms: i64,
    active: &mut BTreeMap<String, i64>,
    check: &mut CheckBuilder,
) {
    let since = now_unix_ms - IDLE_MS;
    let mut idle: BTreeMap<String, &mut i64> = BTreeMap::new();
    for (id, last) in active.iter_mut().filter(|(_, last)| **last < since) {
        idle.insert(format!("\"id\":\"{id}\""), last);
    }
    if idle.is_empty() {
        return;
    }
    let files = match list_log_files(log) {
        Ok(files) => files,
        Err(error) => {
            check.skip(format!("logins of users who seem idle: {error}"));
            return;
        }
    };
    for file in files.iter().rev() {
        let Ok(Some(mut lines)) = file.lines() else { continue };
        let mut newest_of_file = None;
        while let Ok(Some(line)) = lines.next_complete() {
            let time = line_time(line.bytes).and_then(parse_utc);
            newest_of_file = time.or(newest_of_file);
            let Some(time) = time else { continue };
            if !has(line.bytes, LOGIN) {
                continue;
            }
            for (id, last) in &mut idle {
                if has(line.bytes, id.as_bytes()) {
                    **last = time.max(**last);
                }
            }
        }
        // Files are in the order of their lines: earlier ones are older still.
        if newest_of_file.is_some_and(|time| time < since) {
            break;
        }
    }
}

fn has(line: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(line, text).is_some()
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{CheckId, CheckResult};

    use super::*;

    #[test]
    fn logins_of_all_idle_users_are_found_in_one_pass() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let line = |time: &str, code: &str, id: &str| {
            let event = format!("\"event\":{{\"code\":\"{code}\"}}");
            format!("{{\"@timestamp\":\"{time}\",{event},\"user\":{{\"id\":\"{id}\"}}}}\n")
        };
        let text = [
            line("2026-09-20T00:00:00.000Z", "authn_login_success", "u_1"),
            line("2026-10-20T00:00:00.000Z", "authn_login_success", "u_2"),
            line("2026-11-20T00:00:00.000Z", "authn_login_success", "u_1"),
            line("2026-11-21T00:00:00.000Z", "authn_login_fail", "u_3"),
            line("2026-11-22T00:00:00.000Z", "authn_login_success", "u_4"),
        ];
        std::fs::write(&log, text.concat()).unwrap();
        let at = |text: &str| parse_utc(text).unwrap();
        let now = at("2026-11-30T00:00:00Z");
        let recent = now - 1_000;
        let users = [("u_1", 0), ("u_2", 0), ("u_3", 0), ("u_4", recent), ("u_5", 7)];
        let mut active: BTreeMap<String, i64> =
            users.into_iter().map(|(id, last)| (String::from(id), last)).collect();
        let mut check = CheckBuilder::new(CheckId::D11);
        add_logins(&log, now, &mut active, &mut check);
        let expect = [at("2026-11-20"), at("2026-10-20"), 0, recent, 7];
        assert!(active.values().copied().eq(expect), "{active:?}");
        assert_eq!(check.finish().result, CheckResult::Ok);
        // Users who are not idle need no log.
        let mut check = CheckBuilder::new(CheckId::D11);
        let mut active = BTreeMap::from([(String::from("u_4"), recent)]);
        add_logins(Path::new("/nonexistent/security.log"), now, &mut active, &mut check);
        assert_eq!(check.finish().result, CheckResult::Ok);
        let mut check = CheckBuilder::new(CheckId::D11);
        let mut active = BTreeMap::from([(String::from("u_1"), 0)]);
        add_logins(Path::new("/nonexistent/security.log"), now, &mut active, &mut check);
        assert_eq!(check.finish().result, CheckResult::NotChecked);
    }
}
