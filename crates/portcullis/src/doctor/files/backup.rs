//! D6: the age of the last backup, by the file in which a backup notes its time.
//! Never: a guess from other files; without a note, there was no backup.

use std::io::ErrorKind;

use portcullis_admin::CheckBuilder;
use portcullis_audit::parse_utc;

use crate::config::Profile;
use crate::doctor::examination::Examination;
use crate::start::files::output_files::LAST_BACKUP;

const DAY_MS: i64 = 24 * 60 * 60_000;
/// A backup is needed within this time.
const AGE_MAX_MS: i64 = 7 * DAY_MS;
/// A clock may differ by so much.
const SKEW_MS: i64 = 60_000;

/// Checks the note of the last backup.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let path = examination.settings.storage.data.join(LAST_BACKUP);
    let shown = path.display();
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let remedy = format!(
                "run portcullis backup, or write the time of each backup of another program to \
                 {shown}, as date -u +%FT%TZ prints it"
            );
            // A server for tries on one machine needs none.
            match examination.settings.profile {
                Profile::Development => check.skip(format!("no backup is noted: {remedy}")),
                Profile::Production | Profile::Strict => {
                    check.warn("never", "no backup was made yet", &remedy);
                }
            }
        }
        Err(error) => check.skip(format!("{shown} cannot be read: {error}")),
        Ok(text) => check_note(&text, examination.now.unix_ms, check),
    }
}

fn check_note(text: &str, now_unix_ms: i64, check: &mut CheckBuilder) {
    let remedy = "make a backup, and test that it can be restored";
    let line = text.lines().next().unwrap_or_default().trim();
    let Some(at) = parse_utc(line) else {
        let found = format!("the note of the last backup is not a time: {line:?}");
        check.warn("note", found, "write the time as date -u +%FT%TZ prints it");
        return;
    };
    let age_ms = now_unix_ms - at;
    if age_ms < -SKEW_MS {
        let found = format!("the note of the last backup is of the future: {line}");
        check.warn("note", found, "correct the note, or the clock");
    } else if age_ms > AGE_MAX_MS {
        let found = format!("the last backup is {} days old", age_ms / DAY_MS);
        check.warn("age", found, remedy);
    } else {
        check.fact(format!("the last backup is {} days old", age_ms / DAY_MS));
    }
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{CheckId, CheckResult};

    use super::*;

    #[test]
    fn t409_d6_backup_is_at_most_seven_days_old() {
        let now = parse_utc("2026-11-29T22:00:00Z").unwrap();
        for (note, expect) in [
            ("2026-11-29T21:00:00Z\n", CheckResult::Ok),
            ("2026-11-22T22:00:00Z", CheckResult::Ok),
            ("2026-11-22T21:59:59Z", CheckResult::Warning),
            ("2026-12-29T21:00:00Z", CheckResult::Warning),
            ("yesterday", CheckResult::Warning),
            ("", CheckResult::Warning),
        ] {
            let mut check = CheckBuilder::new(CheckId::D6);
            check_note(note, now, &mut check);
            assert_eq!(check.finish().result, expect, "{note:?}");
        }
    }
}
