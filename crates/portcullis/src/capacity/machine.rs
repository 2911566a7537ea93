//! The facts of this machine: processors, memory, open files, ports, network, disk.
//! Never: a guess; what the system does not report is unknown.

use std::fs::{File, read_dir, read_to_string};
use std::io::Write;
use std::path::Path;

use portcullis_model::Moment;
use portcullis_server::memory_max_bytes;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

/// Writes of the measurement of the disk. All of them take less than a second on most disks.
const WRITES: usize = 24;
/// A page of the database, which each commit writes at least.
const PAGE: [u8; 4096] = [0; 4096];

/// A machine, as far as it is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: u64,
    pub(crate) memory_bytes: Option<u64>,
    /// Open files of one process; without a value there is no limit.
    pub(crate) files: Option<u64>,
    /// Ports from which this machine can connect to one address.
    pub(crate) ports: Option<u64>,
    /// Entries in the table of connections of the firewall.
    pub(crate) tracked_connections: Option<u64>,
    pub(crate) network_mbit: Option<f64>,
    /// Time of a commit, in microseconds.
    pub(crate) commit_us: Option<f64>,
    /// How that time was measured, or why not.
    pub(crate) commit_from: String,
}

impl Machine {
    /// Reads the facts of this machine; the disk is that of a directory.
    pub(crate) fn read(data: &Path) -> Self {
        let number = |path: &str| read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let ports = read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
        let (commit_us, commit_from) = match measure_commit(data) {
            Ok(us) => (Some(us), format!("{WRITES} writes on the disk of {}", data.display())),
            Err(why) => (None, format!("not measured: {why}")),
        };
        Self {
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
            memory_bytes: Some(memory_max_bytes()).filter(|bytes| *bytes > 0),
            // At its start the server raises the limit to the maximum.
            files: getrlimit(Resource::Nofile).maximum,
            ports: ports.as_deref().and_then(ports_of),
            tracked_connections: number("/proc/sys/net/netfilter/nf_conntrack_max"),
            network_mbit: network_mbit(Path::new("/sys/class/net")),
            commit_us,
            commit_from,
        }
    }
}

/// `32768 60999` is 28,232 ports.
fn ports_of(range: &str) -> Option<u64> {
    let mut ends = range.split_whitespace().map(|end| end.parse::<u64>().ok());
    let (first, last) = (ends.next()??, ends.next()??);
    last.checked_sub(first).map(|ports| ports + 1)
}

/// The speed of the fastest interface, as far as one reports its speed; virtual ones do not.
fn network_mbit(interfaces: &Path) -> Option<f64> {
    let speeds = read_dir(interfaces).ok()?.flatten().filter_map(|interface| {
        let speed = read_to_string(interface.path().join("speed")).ok()?;
        speed.trim().parse::<f64>().ok().filter(|speed| *speed > 0.0)
    });
    speeds.reduce(f64::max)
}

/// The median time of a synchronised write of one page, in microseconds. The file has no name, so
/// nothing of it remains.
fn measure_commit(data: &Path) -> Result<f64, String> {
    // A relative path ends at the current directory.
    let directory = data.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let at_fault = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mode = Mode::RUSR | Mode::WUSR;
    let file = open(directory, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode);
    let mut file = File::from(file.map_err(|error| at_fault(error.into()))?);
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let started = Moment::now();
        file.write_all(&PAGE).and_then(|()| file.sync_data()).map_err(at_fault)?;
        times.push(Moment::now().since(started).as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    times.get(WRITES / 2).copied().ok_or_else(|| String::from("no write was measured"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_of_ports_is_counted() {
        for (range, expect) in [
            ("32768\t60999\n", Some(28_232)),
            ("1024 65535", Some(64_512)),
            ("5 5", Some(1)),
            ("6 5", None),
            ("32768", None),
            ("", None),
        ] {
            assert_eq!(ports_of(range), expect, "{range:?}");
        }
    }

    #[test]
    fn fastest_interface_that_reports_a_speed_counts() {
        let directory = tempfile::tempdir().unwrap();
        for (interface, speed) in [("a", "-1\n"), ("b", "1000\n"), ("c", "10000\n"), ("d", "")] {
            std::fs::create_dir(directory.path().join(interface)).unwrap();
            std::fs::write(directory.path().join(interface).join("speed"), speed).unwrap();
        }
        assert_eq!(network_mbit(directory.path()), Some(10_000.0));
        assert_eq!(network_mbit(&directory.path().join("a")), None);
    }

    #[test]
    fn facts_of_this_machine_are_plausible_and_nothing_remains() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::read(&directory.path().join("missing/data"));
        assert!(machine.cores >= 1, "{machine:?}");
        assert!(machine.memory_bytes.is_some_and(|bytes| bytes > 1 << 24), "{machine:?}");
        assert!(machine.commit_us.is_none_or(|us| us > 0.0), "{machine:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
