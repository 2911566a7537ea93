//! Processor time and memory of another process, as the kernel accounts them.
//! Never: wall time as a figure.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The load has this processor to itself.
const LOAD_PROCESSOR: usize = 1;

/// The processors on which a server may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processors {
    /// Processor 0.
    First,
    /// Processors 0 and 1; the second is shared with the load.
    Both,
}

/// A server under measurement; killed on drop.
pub(crate) struct MeasuredServer {
    child: Child,
    /// The address on which it listens.
    pub(crate) address: std::net::SocketAddr,
    /// Lines it printed before that.
    pub(crate) before: Vec<String>,
}

impl MeasuredServer {
    /// Starts a command on its processors and waits for `listening public URL`.
    pub(crate) fn start(mut command: Command, processors: Processors) -> Result<Self> {
        match processors {
            Processors::First => pin(&[0])?,
            Processors::Both => pin(&[0, 1])?,
        }
        // The child inherits where this thread may run.
        let started = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn();
        pin(&[LOAD_PROCESSOR])?;
        let mut child = started.with_context(|| format!("cannot start {command:?}"))?;
        let output = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut before = Vec::new();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                bail!("the server ended before it listened: {command:?}");
            };
            if let Some(url) = line.strip_prefix("listening public ") {
                let host = url.split("//").nth(1).unwrap_or(url);
                break host.trim_end_matches('/').parse()?;
            }
            before.push(line);
        };
        // The server's later output is read, so that it never waits for us.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Self { child, address, before })
    }

    /// User and system time of all its threads so far, in microseconds.
    ///
    /// Read from `/proc/PID/task/*/schedstat`, which counts nanoseconds where `stat` counts
    /// hundredths of a second; a thread that ended is not in it, and servers keep theirs.
    pub(crate) fn cpu_us(&self) -> Result<f64> {
        let mut nanoseconds = 0.0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = text.split(' ').next().context("no schedstat")?;
            nanoseconds += first.trim().parse::<f64>()?;
        }
        Ok(nanoseconds / 1000.0)
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).context("no VmRSS")?.parse()?)
    }
}

impl MeasuredServer {
    /// Ends it at once, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for MeasuredServer {
    fn drop(&mut self) {
        let _killed = self.kill();
    }
}

/// Keeps the calling thread, and what it starts, on these of the processors it may use.
pub(crate) fn pin(processors: &[usize]) -> Result<()> {
    static USABLE: OnceLock<Vec<usize>> = OnceLock::new();
    let usable = USABLE.get_or_init(usable);
    let mut set = rustix::thread::CpuSet::new();
    for processor in processors {
        set.set(*usable.get(*processor).context("two processors are needed")?);
    }
    rustix::thread::sched_setaffinity(None, &set).context("cannot pin")
}

/// The processors this process was given, before it chose among them.
fn usable() -> Vec<usize> {
    let given = rustix::thread::sched_getaffinity(None).unwrap_or_default();
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|processor| given.is_set(*processor)).collect()
}

/// Lets this process and its children open as many sockets as the system allows.
pub(crate) fn raise_file_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    let _kept = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}
