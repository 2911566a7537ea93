//! D8: whether the disks have space for 14 days, at the growth since an earlier report.
//! Never: a file removed, or a guess without an earlier report.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use portcullis_admin::{AuditMeasures, AuditReport, CheckBuilder};
use portcullis_audit::list_log_files;
use rustix::fs::statvfs;

use crate::config::Settings;
use crate::doctor::examination::Examination;

const DAY_MS: i64 = 24 * 60 * 60_000;
const MIB: u64 = 1024 * 1024;
/// Days for which there has to be space.
const DAYS: u64 = 14;
/// With fewer days, it needs care now.
const DAYS_CRITICAL: u64 = 3;
/// Growth is measured since a report of this age at least.
const AGE_MIN_MS: i64 = DAY_MS * 5 / 6;
/// And of this age at most.
const AGE_MAX_MS: i64 = 14 * DAY_MS;
/// Space that the server keeps free unless it is configured.
const RESERVE_BYTES: u64 = 256 * MIB;

/// Checks the disks of the database and of the security log.
pub(in crate::doctor) fn check(
    examination: &Examination<'_>,
    check: &mut CheckBuilder,
    measures: &mut AuditMeasures,
) {
    let settings = examination.settings;
    let used = used_bytes(settings);
    measures.used_bytes = Some(used);
    let (unix_ms, reports) = (examination.now.unix_ms, examination.reports);
    let growth = growth_a_day(used, unix_ms, reports);
    let log = settings.audit.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut disks: Vec<(u64, PathBuf)> = Vec::new();
    for folder in [settings.storage.data.as_path(), log.unwrap_or(Path::new("."))] {
        let Ok(facts) = std::fs::metadata(folder) else { continue };
        if !disks.iter().any(|(device, _)| *device == facts.dev()) {
            disks.push((facts.dev(), folder.to_path_buf()));
        }
    }
    if disks.is_empty() {
        check.skip("the data directory does not exist: the server was never started");
    }
    for (_, folder) in disks {
        match statvfs(&folder) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                let total = disk.f_blocks.saturating_mul(disk.f_frsize);
                // Of a small disk, the server keeps an eighth free, unless it is configured.
                let reserve = settings.storage.min_free_bytes;
                let reserve = reserve.unwrap_or(RESERVE_BYTES.min(total / 8));
                let space = Space { free, reserve, growth };
                check_disk(&folder, space, check);
            }
            Err(error) => check.skip(format!("{}: {error}", folder.display())),
        }
    }
}

/// The space of a disk, in bytes.
#[derive(Debug, Clone, Copy)]
struct Space {
    free: u64,
    reserve: u64,
    /// Bytes a day, if they are known.
    growth: Option<u64>,
}

fn check_disk(folder: &Path, space: Space, check: &mut CheckBuilder) {
    let shown = folder.display();
    let free = space.free / MIB;
    let remedy = "make space: remove other files, lower audit.keep_total_mib, or use a larger disk";
    if space.free < space.reserve {
        let found = format!(
            "{free} MiB are free at {shown}, less than the reserve of {} MiB: the server rejects \
             messages",
            space.reserve / MIB
        );
        check.alarm(&format!("space {shown}"), found, remedy);
        return;
    }
    let Some(growth) = space.growth else {
        check.fact(format!("{free} MiB free at {shown}"));
        check.skip("growth: it is known from the second day of reports on");
        return;
    };
    let days = (space.free - space.reserve).checked_div(growth);
    let grown = growth / MIB;
    match days {
        Some(days) if days < DAYS => {
            let found = format!(
                "{free} MiB are free at {shown}: enough for {days} days at {grown} MiB a day"
            );
            let name = format!("space {shown}");
            if days < DAYS_CRITICAL {
                check.alarm(&name, found, remedy);
            } else {
                check.warn(&name, found, remedy);
            }
        }
        Some(_) | None => check.fact(format!("{free} MiB free at {shown}, {grown} MiB a day")),
    }
}

/// Bytes a day since an earlier report.
fn growth_a_day(used: u64, unix_ms: i64, reports: &[AuditReport]) -> Option<u64> {
    let ages = reports.iter().map(|report| (unix_ms - report.unix_ms, report.measures.used_bytes));
    let usable = ages.filter(|(age, _)| (AGE_MIN_MS..=AGE_MAX_MS).contains(age));
    let (age_ms, before) = usable.filter_map(|(age, used)| Some((age, used?))).max()?;
    let grown = u128::from(used.saturating_sub(before));
    let a_day = grown * u128::from(DAY_MS.unsigned_abs()) / u128::from(age_ms.unsigned_abs());
    Some(u64::try_from(a_day).unwrap_or(u64::MAX))
}

/// Bytes of the database and of the security log.
fn used_bytes(settings: &Settings) -> u64 {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |facts| facts.len());
    let mut wal = settings.storage.database.as_os_str().to_owned();
    wal.push("-wal");
    let database = length(&settings.storage.database) + length(Path::new(&wal));
    let files = list_log_files(&settings.audit.file).unwrap_or_default();
    let log: u64 = files.iter().map(|file| length(&file.path)).sum();
    database.saturating_add(log)
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{AuditCause, CheckId, CheckResult};
    use portcullis_model::Now;

    use super::*;

    #[test]
    fn t409_d8_disk_without_space_for_14_days_is_found() {
        let space = |free, growth| Space { free: free * MIB, reserve: 256 * MIB, growth };
        for (space, expect) in [
            (space(255, Some(0)), CheckResult::Critical),
            (space(256 + 140, Some(10 * MIB)), CheckResult::Ok),
            (space(256 + 139, Some(10 * MIB)), CheckResult::Warning),
            (space(256 + 30, Some(10 * MIB)), CheckResult::Warning),
            (space(256 + 29, Some(10 * MIB)), CheckResult::Critical),
            (space(300, Some(0)), CheckResult::Ok),
            (space(300, None), CheckResult::Ok),
        ] {
            let mut check = CheckBuilder::new(CheckId::D8);
            check_disk(Path::new("/data"), space, &mut check);
            assert_eq!(check.finish().result, expect, "{space:?}");
        }
    }

    #[test]
    fn growth_is_measured_since_the_oldest_report_of_two_weeks() {
        let report = |days: i64, used| {
            let now = Now { monotonic_ms: 0, unix_ms: days * DAY_MS };
            let mut report = AuditReport::new(AuditCause::Night, "0.1.0", Vec::new(), now);
            report.measures.used_bytes = used;
            report
        };
        let reports = [report(20, Some(900)), report(19, None), report(16, Some(500))];
        let older = [report(2, Some(10))];
        for (reports, expect) in [
            ([&reports[..], &older].concat(), Some(100)),
            (reports[..1].to_vec(), None),
            (older.to_vec(), None),
            (vec![report(19, Some(2_000))], Some(0)),
        ] {
            assert_eq!(growth_a_day(900, 20 * DAY_MS, &reports), expect);
        }
    }
}
