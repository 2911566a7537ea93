//! The files and the memory that this process may use.
//! Never: a guess; a limit that the system does not report is 0.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// The number of files that this process may have open; 0 without a limit.
pub(crate) fn files_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(0)
}

/// The memory that this process may use, in bytes; 0 if it is unknown.
///
/// It is the smallest limit of its control groups, or the memory of the machine.
#[must_use]
pub fn memory_max_bytes() -> u64 {
    let groups = read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|path| bytes(&path));
    let facts = read_to_string("/proc/meminfo").unwrap_or_default();
    let total = facts.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let total = total.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    limits.chain(total.map(|kibibytes| kibibytes * 1024)).min().unwrap_or(0)
}

fn bytes(path: &Path) -> Option<u64> {
    // A group without a limit reports `max`; in version 1, a number above any memory size.
    read_to_string(path).ok()?.trim().parse().ok()
}

/// The files that may hold a limit: of the control group that `/proc/self/cgroup` names, and of
/// all groups above it.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = group.trim_start_matches('/');
        let above = Path::new(group).ancestors();
        files.extend(above.map(|group| Path::new(root).join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_groups_can_hold_the_limit() {
        let check = |groups, expect: &[&str]| {
            let expect: Vec<_> = expect.iter().map(PathBuf::from).collect();
            assert_eq!(limit_files(groups), expect, "{groups}");
        };
        check(
            "0::/system.slice/portcullis.service\n",
            &[
                "/sys/fs/cgroup/system.slice/portcullis.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ],
        );
        check("0::/\n", &["/sys/fs/cgroup/memory.max"]);
        check(
            "5:cpu,cpuacct:/a\n4:hugetlb,memory:/docker/b\n0::/\n",
            &[
                "/sys/fs/cgroup/memory/docker/b/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory.max",
            ],
        );
        check("", &[]);
        check("nonsense\n1:\n", &[]);
    }

    #[test]
    fn memory_of_this_machine_is_reported() {
        assert!(memory_max_bytes() > 16 * 1024 * 1024);
    }
}
