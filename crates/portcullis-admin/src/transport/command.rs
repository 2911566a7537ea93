//! The channel that runs a program with the alert on its standard input.
//! Never: a shell, an environment, or a program that runs for longer than its time.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::sync::Semaphore;

use crate::spool::delivery::{Delivery, SendOutcome};

/// Programs of all channels that run at once.
static SLOTS: Semaphore = Semaphore::const_new(2);
/// Time between two checks whether a program has ended.
const CHECK_EVERY: Duration = Duration::from_millis(20);
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
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("the program cannot be started: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input decides by its exit code.
            let _unread = stdin.write_all(body.as_bytes());
        }
        wait(&mut child, timeout, is_over)
    }
}

/// Waits for the program, and ends what is left of its process group.
fn wait(child: &mut Child, timeout: Duration, is_over: &AtomicBool) -> Result<(), String> {
    let group = Pid::from_child(child);
    let checks = timeout.as_millis() / CHECK_EVERY.as_millis();
    let mut has_ended = false;
    for _ in 0..checks {
        // The program is not reaped here, so the number of its group remains its own.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        has_ended = match waitid(WaitId::Pid(group), options) {
            Ok(status) => status.is_some(),
            Err(error) => return Err(format!("the program cannot be observed: {error}")),
        };
        if has_ended || is_over.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(CHECK_EVERY);
    }
    let _ended = kill_process_group(group, Signal::KILL);
    let status = child.wait().map_err(|error| format!("the program has no exit code: {error}"))?;
    if !has_ended {
        return Err(format!("the program took longer than {timeout:?} and was killed"));
    }
    if !status.success() {
        return Err(format!("the program ended with {status}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Held by tests that use the slots of programs.
    static SLOTS_USED: Mutex<()> = Mutex::new(());

    fn lock() -> MutexGuard<'static, ()> {
        SLOTS_USED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const SHORT: Duration = Duration::from_millis(200);

    fn program(arguments: &[&str]) -> Program {
        let (program, arguments) = arguments.split_first().unwrap();
        let arguments = arguments.iter().copied().map(String::from).collect();
        Program::new(String::from(*program), arguments)
    }

    fn run(arguments: &[&str], timeout: Duration) -> Result<(), String> {
        program(arguments).run("{\"a\":1}", timeout, &AtomicBool::new(false))
    }

    /// Waits until the process whose number is in a file has ended.
    fn wait_for_end(file: &std::path::Path) {
        let number = std::fs::read_to_string(file).unwrap();
        let state = format!("/proc/{}/stat", number.trim());
        while std::fs::read_to_string(&state).is_ok_and(|state| !state.contains(") Z ")) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn t402_arguments_are_literal_and_the_environment_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let script = format!(
            "tr '\\0' '\\n' < /proc/$$/environ > '{0}'; cat >> '{0}'; printf %s \"$1\" >> '{0}'",
            out.display()
        );
        run(&["/bin/sh", "-c", &script, "x", "; $(touch /tmp/x) `id`"], TIMEOUT).unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        assert_eq!(text, "{\"a\":1}; $(touch /tmp/x) `id`");
    }

    #[test]
    fn t402_program_that_hangs_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("child");
        let script = format!("sleep 100 & echo $! > '{}'; wait", out.display());
        let error = run(&["/bin/sh", "-c", &script], SHORT).unwrap_err();
        assert_eq!(error, "the program took longer than 200ms and was killed");
        wait_for_end(&out);
    }

    #[test]
    fn t402_children_that_outlive_the_program_are_killed() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("child");
        let script = format!("sleep 100 & echo $! > '{}'", out.display());
        run(&["/bin/sh", "-c", &script], TIMEOUT).unwrap();
        wait_for_end(&out);
    }

    #[test]
    fn t402_program_ends_with_the_server() {
        let _slot = lock();
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("child");
        let script =
            format!("sleep 100 & echo $! > '{0}.new'; mv '{0}.new' '{0}'; wait", out.display());
        let program = program(&["/bin/sh", "-c", &script]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let delivery = Delivery::sample("script", "{}");
        runtime.block_on(async {
            let running = tokio::spawn(async move { program.send(&delivery).await });
            while !out.exists() {
                tokio::task::yield_now().await;
            }
            running.abort();
            assert!(running.await.unwrap_err().is_cancelled());
        });
        runtime.shutdown_timeout(TIMEOUT);
        wait_for_end(&out);
    }

    #[test]
    fn t402_exit_code_decides() {
        assert_eq!(run(&["/bin/true"], TIMEOUT), Ok(()));
        assert!(run(&["/bin/false"], TIMEOUT).unwrap_err().contains("exit status: 1"));
        assert!(run(&["/bin/no-such-program"], TIMEOUT).unwrap_err().contains("cannot be started"));
    }

    #[test]
    fn t402_two_programs_run_at_once() {
        let _slots = lock();
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let script = format!("echo + >> '{0}'; sleep 0.2; echo - >> '{0}'", out.display());
        let program = program(&["/bin/sh", "-c", &script]);
        let delivery = Delivery::sample("script", "{}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let all = [(); 4].map(|()| {
                let (program, delivery) = (program.clone(), delivery.clone());
                async move { program.send(&delivery).await }
            });
            let [first, second, third, fourth] = all;
            let outcomes = tokio::join!(first, second, third, fourth);
            assert_eq!(outcomes.3, SendOutcome::Delivered);
        });
        let (mut running, mut most) = (0, 0);
        for line in std::fs::read_to_string(&out).unwrap().lines() {
            running += if line == "+" { 1 } else { -1 };
            most = most.max(running);
        }
        assert_eq!((running, most), (0, 2));
    }
}
