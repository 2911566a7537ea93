//! Processor time and memory of another process, as the kernel accounts them.
//! Never: wall time as a figure.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// Clock ticks a second in `/proc/PID/stat`; fixed by the kernel's ABI on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A server under measurement; killed on drop.
pub(crate) struct Served {
    child: Child,
    /// Where it listens.
    pub(crate) address: std::net::SocketAddr,
}

impl Served {
    /// Starts a command pinned to processor 0 and waits for `listening public URL`.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start")?;
        let output = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                bail!("the server ended before it listened");
            };
            if let Some(url) = line.strip_prefix("listening public ") {
                let host = url.split("//").nth(1).unwrap_or(url);
                break host.trim_end_matches('/').parse()?;
            }
        };
        // The server's later output is read, so that it never waits for us.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Self { child, address })
    }

    /// User and system time so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(") ").context("no stat")?.1;
        let fields: Vec<&str> = fields.split(' ').collect();
        let ticks = |index: usize| -> Result<f64> {
            Ok(fields.get(index).context("short stat")?.parse::<f64>()?)
        };
        Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND * 1e6)
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("no VmRSS")?.parse()?)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Keeps this process on one processor; children inherit it until they pin themselves.
pub(crate) fn pin(processor: usize) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    rustix::thread::sched_setaffinity(None, &set).context("cannot pin")
}

/// Lets this process open as many sockets as the system allows.
pub(crate) fn raise_file_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    let _kept = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}

/// One printed row: what, how much, of what.
pub(crate) fn row(what: &str, figure: f64, unit: &str) {
    println!("| {what} | {figure:.2} {unit} |");
}
