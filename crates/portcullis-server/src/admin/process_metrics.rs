//! Metrics of this process under the names that all exporters use, and of this build.
//! Never: a guess; what the system does not report is 0.

use std::fs::{read_dir, read_to_string};
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::time::{ClockId, clock_gettime};

use crate::load::process_limits::files_max;

type FloatGauge = Gauge<f64, AtomicU64>;

/// The metrics of this process.
#[derive(Debug, Default)]
pub(crate) struct ProcessMetrics {
    cpu_seconds: Counter<f64, AtomicU64>,
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    open_files: Gauge,
    max_files: Gauge,
    threads: Gauge,
    start_seconds: FloatGauge,
}

/// The fields of `/proc/self/stat` that metrics report (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    threads: i64,
    /// Since the start of the machine.
    start_ticks: u64,
    virtual_bytes: i64,
    resident_pages: i64,
}

impl ProcessMetrics {
    /// Registers the metrics. Their names have no prefix.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "process_cpu_seconds",
            "Processor time of this process, in user and system mode",
            self.cpu_seconds.clone(),
        );
        registry.register(
            "process_start_time_seconds",
            "Start of this process since 1970, in seconds",
            self.start_seconds.clone(),
        );
        let gauges = [
            ("resident_memory_bytes", "Memory in use, in bytes", &self.resident_bytes),
            ("virtual_memory_bytes", "Address space in use, in bytes", &self.virtual_bytes),
            ("open_fds", "Open files and sockets", &self.open_files),
            ("max_fds", "Limit of open files and sockets; 0 without one", &self.max_files),
            ("threads", "Threads of this process", &self.threads),
        ];
        for (name, help, gauge) in gauges {
            registry.register(format!("process_{name}"), help, gauge.clone());
        }
    }

    /// Reads all values.
    pub(crate) fn set(&self) {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
        self.cpu_seconds.inc_by((seconds - self.cpu_seconds.get()).max(0.0));
        self.open_files.set(open_files());
        self.max_files.set(i64::try_from(files_max()).unwrap_or(i64::MAX));
        let stat = read_to_string("/proc/self/stat").unwrap_or_default();
        let Some(stat) = Stat::parse(&stat) else { return };
        self.threads.set(stat.threads);
        self.virtual_bytes.set(stat.virtual_bytes);
        let page = i64::try_from(page_size()).unwrap_or_default();
        self.resident_bytes.set(stat.resident_pages.saturating_mul(page));
        if let Some(booted_s) = booted_s(&read_to_string("/proc/stat").unwrap_or_default()) {
            let since_boot_s = stat.start_ticks as f64 / clock_ticks_per_second().max(1) as f64;
            self.start_seconds.set(booted_s as f64 + since_boot_s);
        }
    }
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program can contain spaces and brackets; it ends with the last bracket.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        // The first of these is field 3.
        Some(Self {
            threads: fields.nth(17)?.parse().ok()?,
            start_ticks: fields.nth(1)?.parse().ok()?,
            virtual_bytes: fields.next()?.parse().ok()?,
            resident_pages: fields.next()?.parse().ok()?,
        })
    }
}

/// The start time of the machine, in seconds since 1970.
fn booted_s(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// The number of open files; the file that counts them is one of them.
fn open_files() -> i64 {
    // Since Linux 6.2 the size of the directory is their number.
    let size = std::fs::metadata("/proc/self/fd").map_or(0, |facts| facts.len());
    let count = if size > 0 {
        size
    } else {
        read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64)
    };
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The metric `build_info`, whose value is always 1.
pub(crate) fn register_build(registry: &mut Registry, version: &str) {
    let labels = vec![
        ("version", String::from(version)),
        ("arch", String::from(std::env::consts::ARCH)),
        ("os", String::from(std::env::consts::OS)),
    ];
    registry.register("build", "Version of this server", Info::new(labels));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_the_program_does_not_shift_the_fields() {
        let text = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 21 0 1234 5000 77 18446";
        let expect =
            Stat { threads: 21, start_ticks: 1_234, virtual_bytes: 5_000, resident_pages: 77 };
        assert_eq!(Stat::parse(text), Some(expect));
        for invalid in
            ["", "7 (a", "7 (a) S 1 2", "7 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 x"]
        {
            assert_eq!(Stat::parse(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn start_of_the_machine_is_read() {
        assert_eq!(booted_s("cpu 1 2\nbtime 1700000000\nprocesses 1\n"), Some(1_700_000_000));
        assert_eq!(booted_s("cpu 1 2\n"), None);
    }

    #[test]
    fn values_of_this_process_are_plausible() {
        let metrics = ProcessMetrics::default();
        metrics.set();
        assert!(metrics.resident_bytes.get() > 1_000_000 && metrics.threads.get() >= 1);
        assert!(metrics.virtual_bytes.get() >= metrics.resident_bytes.get());
        assert!(metrics.open_files.get() >= 3, "{}", metrics.open_files.get());
        assert!(metrics.cpu_seconds.get() > 0.0);
        assert!(metrics.start_seconds.get() > 1_600_000_000.0);
    }
}
