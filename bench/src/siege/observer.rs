//! A program beside an experiment, such as a browser that shows the dashboard of the server.
//! Never: beside a run whose figures go to the page, because it takes processor time.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use tokio::time::{Duration, sleep};

use crate::siege::server::launch::PAGE;
use crate::siege::server::target::Target;

/// A running program. It reads lines: `attack` when the attack starts, `over` when it ends.
pub(crate) struct Observer {
    child: Child,
    input: Arc<Mutex<ChildStdin>>,
}

impl Observer {
    /// Starts a program with words, and the places of the server in its environment.
    pub(crate) fn start(command: &str, target: &Target) -> Result<Self> {
        let mut words = command.split(' ').filter(|word| !word.is_empty());
        let program = words.next().context("the command of the observer is empty")?;
        let mut child = Command::new(program)
            .args(words)
            .env("SIEGE_URL", format!("https://{}", target.door.address))
            .env("SIEGE_PAGE", PAGE)
            .env("SIEGE_DIRECTORY", target.directory.path())
            .env("SIEGE_LINES", target.served.before.join("\n"))
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let input = child.stdin.take().context("no standard input")?;
        Ok(Self { child, input: Arc::new(Mutex::new(input)) })
    }

    /// Tells it when the attack starts and ends, from now on in milliseconds.
    pub(crate) fn announce(&self, from_ms: u64, until_ms: u64) {
        for (at_ms, line) in [(from_ms, "attack\n"), (until_ms, "over\n")] {
            let input = Arc::clone(&self.input);
            tokio::task::spawn_local(async move {
                sleep(Duration::from_millis(at_ms)).await;
                let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
                // It can have ended; its exit code says so.
                let _unread = input.write_all(line.as_bytes());
            });
        }
    }

    /// Waits for its end; the server runs until then.
    pub(crate) fn wait(mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(status.success(), "the observer ended with {status}");
        Ok(())
    }
}
