//! The machine and date of a measurement, and the versions of the peers.
//! Never: the name of a host or a path.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::clients::token::unix_s;
use crate::servers::contender::peers_folder;

/// The facts about the machine that a reader needs to judge the figures.
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) date: String,
}

/// Reads it from `/proc`.
pub(crate) fn read() -> Result<Machine> {
    let file = |path: &str| std::fs::read_to_string(path).context(path.to_owned());
    let (cpu, memory) = (file("/proc/cpuinfo")?, file("/proc/meminfo")?);
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
        value.unwrap_or("unknown").to_owned()
    };
    let kib: f64 = value(&memory, "MemTotal").trim_end_matches(" kB").parse()?;
    let kernel = file("/proc/sys/kernel/osrelease")?;
    // What follows the number names who built it.
    let number = kernel.split(|it: char| it != '.' && !it.is_ascii_digit()).next();
    Ok(Machine {
        processor: value(&cpu, "model name"),
        processors: cpu.lines().filter(|line| line.starts_with("processor")).count(),
        memory_gib: kib / 1024.0 / 1024.0,
        kernel: number.unwrap_or_default().to_owned(),
        date: date(unix_s()?.div_euclid(86_400)),
    })
}

/// The day after so many days since 1970, as `2026-01-31`.
fn date(days: i64) -> String {
    // Years are counted from March, so that the leap day is a year's last.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The version, and the commit where the sources are under Git.
pub(crate) fn version() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).current_dir(folder).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let version = env!("CARGO_PKG_VERSION");
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return String::from(version);
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let changed = if changed.is_none_or(|it| it.is_empty()) { "" } else { ", and changes to it" };
    format!("{version}, commit {commit}{changed}")
}

/// The peers' versions as their lock files have them, and Node's as it says.
pub(crate) fn versions() -> Result<[(&'static str, String); 5]> {
    let cargo = |folder: &str, package: &str| -> Result<String> {
        let text = std::fs::read_to_string(peers_folder().join(folder).join("Cargo.lock"))?;
        let start = format!("name = \"{package}\"\nversion = \"");
        let rest = text.split_once(&start).map(|(_, rest)| rest).unwrap_or_default();
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    };
    let text = std::fs::read_to_string(peers_folder().join("node/package-lock.json"))?;
    let lock: serde_json::Value = serde_json::from_str(&text)?;
    let npm = |package: &str| {
        let version = lock.pointer(&format!("/packages/node_modules~1{package}/version"));
        version.and_then(|it| it.as_str()).unwrap_or("unknown").to_owned()
    };
    let node = Command::new("node").arg("--version").output();
    let node = node.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    Ok([
        ("libuwebsockets-sys", cargo("uwebsockets", "libuwebsockets-sys")?),
        ("socketioxide", cargo("socketioxide", "socketioxide")?),
        ("socket.io", npm("socket.io")),
        ("uws-js-unofficial", npm("@trufflesuite~1uws-js-unofficial")),
        ("node", node.unwrap_or_else(|_| String::from("none"))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_begins_with_the_crate_version() {
        assert!(version().starts_with(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn dates() {
        let cases = [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
        ];
        for (days, expect) in cases {
            assert_eq!(date(days), expect);
        }
    }
}
