//! The channel that runs a program with the alert on its standard input.
//! Never: a shell, an environment, or a program that runs for longer than its time.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::Semaphore;

use crate::spool::delivery::{Delivery, SendOutcome};
use crate::transport::program_runner::has_ended;

/// The argument with which this program becomes the runner of another one.
pub const RUN_PROGRAM: &str = "run-program";
/// Programs of all channels that run at once.
static SLOTS: Semaphore = Semaphore::const_new(2);
/// Time between two checks whether a program has ended.
const CHECK_EVERY: Duration = Duration::from_millis(20);
/// Time for the runner to end all that a program started.
const RUNNER_END: Duration = Duration::from_secs(4);
/// The longest fault that a runner reports.
const FAULT_MAX_BYTES: u64 = 4 * 1024;
/// Time for a program.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest message: it fits into the pipe, so that a program that does not read blocks nothing.
const INPUT_MAX_BYTES: usize = 32 * 1024;

/// Ends the program of a message when nothing waits for it any more: the server stops.
#[derive(Debug, Default)]
struct EndOnDrop(Arc<AtomicBool>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a program for each message.
#[derive(Debug, Clone)]
pub struct Program {
    program: String,
    arguments: Vec<String>,
}

impl Program {
    /// A program and its arguments, which no shell reads.
    #[must_use]
    pub fn new(program: String, arguments: Vec<String>) -> Self {
        Self { program, arguments }
    }

    pub(crate) async fn send(&self, delivery: &Delivery) -> SendOutcome {
        let failed = |why: String| SendOutcome::Failed { why, retry_after_s: None };
        if delivery.body.len() > INPUT_MAX_BYTES {
            return SendOutcome::Rejected { why: String::from("the message is over 32 KiB") };
        }
        let Ok(_slot) = SLOTS.acquire().await else {
            return failed(String::from("the server ends"));
        };
        let (program, body) = (self.clone(), Arc::clone(&delivery.body));
        let end = EndOnDrop::default();
        let is_over = Arc::clone(&end.0);
        match tokio::task::spawn_blocking(move || program.run(&body, TIMEOUT, &is_over)).await {
            Ok(Ok(())) => SendOutcome::Delivered,
            Ok(Err(why)) => failed(why),
            Err(_) => failed(String::from("the thread of the program failed")),
        }
    }

    fn run(&self, body: &str, timeout: Duration, is_over: &AtomicBool) -> Result<(), String> {
        if is_over.load(Ordering::Relaxed) {
            return Err(String::from("the server ends"));
        }
        // This program in another process: the server adopts no processes.
        let mut runner = Command::new("/proc/self/exe")
            .args([RUN_PROGRAM, "--", &self.program])
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the program cannot be started: {error}"))?;
        let mut input = runner.stdin.take();
        if let Some(input) = &mut input {
            let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
            // A runner that does not read has a fault of its own to report.
            let _unread = input.write_all(&[&length.to_be_bytes(), body.as_bytes()].concat());
        }
        wait(&mut runner, input, timeout, is_over)
    }
}

/// Waits for the program; when its time is over, the end of its input ends it.
fn wait(
    runner: &mut Child,
    input: Option<ChildStdin>,
    timeout: Duration,
    is_over: &AtomicBool,
) -> Result<(), String> {
    let in_time = wait_for_end(runner, timeout, is_over)?;
    drop(input);
    let never = AtomicBool::new(false);
    let ends = in_time || wait_for_end(runner, RUNNER_END, &never)?;
    if !ends {
        let _ended = kill_process_group(Pid::from_child(runner), Signal::KILL);
    }
    let status = runner.wait().map_err(|error| format!("the program has no exit code: {error}"))?;
    if !in_time {
        return Err(format!("the program took longer than {timeout:?} and was killed"));
    }
    let mut fault = String::new();
    let read = runner.stdout.take().map(|out| out.take(FAULT_MAX_BYTES).read_to_string(&mut fault));
    match read {
        Some(Ok(_)) if fault.is_empty() && status.success() => Ok(()),
        Some(Ok(_)) if status.success() => Err(fault),
        _ => Err(format!("the program could not be supervised: {status}")),
    }
}

/// Whether the runner ends within a time.
fn wait_for_end(runner: &Child, timeout: Duration, is_over: &AtomicBool) -> Result<bool, String> {
    let checks = timeout.as_millis() / CHECK_EVERY.as_millis();
    for _ in 0..checks {
        match has_ended(Pid::from_child(runner)) {
            Ok(true) => return Ok(true),
            Ok(false) if is_over.load(Ordering::Relaxed) => return Ok(false),
            Ok(false) => std::thread::sleep(CHECK_EVERY),
            Err(error) => return Err(format!("the program cannot be observed: {error}")),
        }
    }
    Ok(false)
}
