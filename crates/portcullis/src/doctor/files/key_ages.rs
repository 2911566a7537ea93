//! D5: the ages of the keys that the server made.
//! Never: a rotation; the operator decides about it.

use std::time::UNIX_EPOCH;

use portcullis_accounts::{ServerSecret, SigningKeys};
use portcullis_admin::CheckBuilder;
use portcullis_seal::Keyring;

use crate::doctor::examination::Examination;

const DAY_MS: i64 = 24 * 60 * 60_000;
/// Keys that sign tokens.
const TOKEN_DAYS: i64 = 90;
/// Secrets of sessions and keys of fields.
const LONG_DAYS: i64 = 365;

/// Checks the ages of all keys.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let data = &examination.settings.storage.data;
    let now = examination.now.unix_ms;
    match SigningKeys::find(data) {
        Ok(None) => check.skip("token keys: the server was never started"),
        Ok(Some(keys)) => {
            let current = keys.list().into_iter().find(|key| key.until_unix_ms.is_none());
            let created = current.map(|key| key.created_unix_ms);
            check_age("token", created, now, TOKEN_DAYS, "keys rotate", check);
        }
        Err(error) => check.skip(format!("token keys: {error}")),
    }
    match ServerSecret::load(data) {
        Ok(Some(secrets)) => {
            let current = secrets.list().into_iter().find(|key| key.until_unix_ms.is_none());
            let created = current.and_then(|key| key.created_unix_ms);
            // The first secret has no time of its own.
            let created = created.or_else(|| changed_unix_ms(&data.join("sessions.secret")));
            check_age("session", created, now, LONG_DAYS, "keys rotate session", check);
        }
        Ok(None) => check.skip("session secrets: the server was never started"),
        Err(error) => check.skip(format!("session secrets: {error}")),
    }
    match Keyring::find(data) {
        Ok(Some(ring)) => {
            let current = ring.list().into_iter().find(|key| key.current);
            let created = current.map(|key| key.created_unix_ms);
            let command = "keys rotate field, then portcullis keys reencrypt";
            check_age("field", created, now, LONG_DAYS, command, check);
        }
        Ok(None) => check.skip("field keys: the server was never started"),
        Err(error) => check.skip(format!("field keys: {error}")),
    }
}

fn check_age(
    kind: &str,
    created: Option<i64>,
    now: i64,
    max_days: i64,
    command: &str,
    check: &mut CheckBuilder,
) {
    let Some(created) = created else {
        check.skip(format!("{kind} keys: their age is not known"));
        return;
    };
    let days = (now - created) / DAY_MS;
    if days > max_days {
        let found = format!("the {kind} key in use is {days} days old, more than {max_days}");
        check.warn(kind, found, format!("run portcullis {command}"));
    } else {
        check.fact(format!("{kind} key {days} days old"));
    }
}

fn changed_unix_ms(path: &std::path::Path) -> Option<i64> {
    let changed = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = changed.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{CheckId, CheckResult};

    use super::*;

    #[test]
    fn t409_d5_key_above_its_age_is_found() {
        for (days, max_days, expect) in [
            (0, 90, CheckResult::Ok),
            (90, 90, CheckResult::Ok),
            (91, 90, CheckResult::Warning),
            (91, 365, CheckResult::Ok),
            (366, 365, CheckResult::Warning),
        ] {
            let mut check = CheckBuilder::new(CheckId::D5);
            check_age("token", Some(0), days * DAY_MS, max_days, "keys rotate", &mut check);
            assert_eq!(check.finish().result, expect, "{days} {max_days}");
        }
    }
}
