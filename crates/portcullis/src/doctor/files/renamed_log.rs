//! D7: files of the security log that another program renamed, and that it keeps for too long.
//! Never: a change of such a file; the other program can rename or delete it at any time.

use portcullis_admin::CheckBuilder;
use portcullis_audit::count_old_renamed_files;

use crate::doctor::examination::Examination;

/// Names renamed files that are older than the server keeps its own.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let audit = &examination.settings.audit;
    let (key, days) = match audit.personal.days < audit.keep_days {
        true => ("personal_days", audit.personal.days),
        false => ("keep_days", audit.keep_days),
    };
    match count_old_renamed_files(&audit.file, examination.now.unix_ms, days) {
        Ok(0) => {}
        Ok(count) => {
            let found = format!(
                "{count} files of the security log that another program renamed are older than \
                 audit.{key}: the server removes and erases only files that it closed itself"
            );
            let remedy = format!(
                "let the program delete them (logrotate: maxage {days}), or run portcullis audit \
                 erase --all"
            );
            check.warn("renamed", found, remedy);
        }
        Err(error) => check.skip(format!("renamed files of the security log: {error}")),
    }
}
