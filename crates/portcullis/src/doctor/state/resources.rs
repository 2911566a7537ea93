//! D9: open files, memory and the clock of the server.
//! Never: the limits of the command in place of those of the server.

use std::fs::read_to_string;

use portcullis_admin::CheckBuilder;
use portcullis_audit::newest_time;
use portcullis_model::{Clock, Now, SystemClock};
use portcullis_server::memory_max_bytes;
use rustix::process::{Resource, getrlimit};

use crate::doctor::examination::Examination;

/// A record may be so much newer than the clock says.
const AHEAD_MAX_MS: i64 = 5_000;
/// The server needs care when it uses more of its memory than this part, in percent.
const MEMORY_WARNING_PERCENT: u64 = 80;
/// It needs care now.
const MEMORY_CRITICAL_PERCENT: u64 = 95;
const MIB: u64 = 1024 * 1024;

/// Checks open files, memory and the clock.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    if examination.facts().is_some() {
        let files = getrlimit(Resource::Nofile).current;
        check_files(files, u64::from(examination.settings.gate.capacity.total), check);
        let limit = match examination.settings.server.memory_limit_bytes {
            0 => memory_max_bytes(),
            configured => configured,
        };
        check_memory(resident_bytes(), limit, check);
    } else {
        check.skip(format!("open files and memory: {}", examination.why_no_facts()));
    }
    let newest_ms = newest_time(&examination.settings.audit.file).ok().flatten();
    // Read after the record: the checks before this one can take long.
    check_clock(newest_ms, SystemClock::start().now(), check);
}

fn check_files(files: Option<u64>, connections: u64, check: &mut CheckBuilder) {
    let Some(files) = files else {
        check.fact("no limit of open files");
        return;
    };
    if files / 2 < connections {
        let found = format!(
            "{connections} connections are allowed, and {files} open files: half of the files are \
             for connections"
        );
        check.warn("files", found, "allow more files: ulimit -n, LimitNOFILE of systemd");
    } else {
        check.fact(format!("{files} open files for {connections} connections"));
    }
}

fn check_memory(used: Option<u64>, limit: u64, check: &mut CheckBuilder) {
    let Some(used) = used.filter(|_| limit > 0) else {
        check.skip("memory: the system does not report it");
        return;
    };
    let percent = used.saturating_mul(100) / limit;
    let found = format!("{} of {} MiB of memory in use, {percent} %", used / MIB, limit / MIB);
    let remedy = "give the server more memory, or lower capacity.connections_total";
    match percent {
        MEMORY_CRITICAL_PERCENT.. => check.alarm("memory", found, remedy),
        MEMORY_WARNING_PERCENT.. => check.warn("memory", found, remedy),
        _ => check.fact(found),
    }
}

fn check_clock(newest_ms: Option<i64>, now: Now, check: &mut CheckBuilder) {
    let Some(newest_ms) = newest_ms else {
        check.skip("clock: the security log has no record to compare it with");
        return;
    };
    let ahead_ms = newest_ms - now.unix_ms;
    if ahead_ms > AHEAD_MAX_MS {
        let found = format!(
            "the clock is {} s behind the newest record of the security log: it was set back",
            ahead_ms / 1_000
        );
        check.alarm("clock", found, "synchronize the clock (NTP), then check tokens and alerts");
    } else {
        check.fact("the clock is not behind the security log");
    }
}

/// Resident memory of this process.
fn resident_bytes() -> Option<u64> {
    let status = read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{CheckId, CheckResult};

    use super::*;

    fn result(run: impl FnOnce(&mut CheckBuilder)) -> CheckResult {
        let mut check = CheckBuilder::new(CheckId::D9);
        run(&mut check);
        check.finish().result
    }

    #[test]
    fn t409_d9_files_memory_and_clock_have_thresholds() {
        for (files, connections, expect) in [
            (Some(1_024), 10_000, CheckResult::Warning),
            (Some(19_999), 10_000, CheckResult::Warning),
            (Some(20_000), 10_000, CheckResult::Ok),
            (None, 10_000, CheckResult::Ok),
        ] {
            let found = result(|check| check_files(files, connections, check));
            assert_eq!(found, expect, "{files:?}");
        }
        for (used, expect) in [
            (Some(79), CheckResult::Ok),
            (Some(80), CheckResult::Warning),
            (Some(95), CheckResult::Critical),
            (None, CheckResult::NotChecked),
        ] {
            let used = used.map(|mebibytes: u64| mebibytes * MIB);
            assert_eq!(result(|check| check_memory(used, 100 * MIB, check)), expect, "{used:?}");
        }
        let now = Now { monotonic_ms: 0, unix_ms: 1_000_000 };
        for (newest, expect) in [
            (Some(999_000), CheckResult::Ok),
            (Some(1_005_000), CheckResult::Ok),
            (Some(1_005_001), CheckResult::Critical),
            (None, CheckResult::NotChecked),
        ] {
            assert_eq!(result(|check| check_clock(newest, now, check)), expect, "{newest:?}");
        }
    }
}
