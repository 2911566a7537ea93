//! When to stop, when to read certificates again, when to look at the clock.
//! Never: what stopping means; the server knows that.

use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_audit::Output;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// The exit code of a process that had to be ended.
const FORCED_EXIT: i32 = 1;
/// How long the last lines of the operational log may take.
const LAST_LINES: Duration = Duration::from_millis(500);
/// How often something is done when nothing else happens.
const TICK: Duration = Duration::from_secs(5);

/// What happens while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// SIGHUP: read again what can be read again.
    Reload,
    /// Some seconds have passed.
    Tick,
}

/// Signals, caught from the moment this exists.
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Catches the signals. To be done before anybody is told that the server runs.
    pub(crate) fn catch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime for signals")?;
        let inside = runtime.enter();
        let catch = |kind| signal(kind).context("cannot catch signals");
        let terminate = catch(SignalKind::terminate())?;
        let interrupt = catch(SignalKind::interrupt())?;
        let hang_up = catch(SignalKind::hangup())?;
        // With a limit of file sizes a write then fails, and does not end the process.
        drop(catch(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        drop(inside);
        Ok(Self { runtime, terminate, interrupt, hang_up })
    }

    /// Waits until somebody asks the process to end.
    pub(crate) fn wait_for_stop(mut self, mut wake: impl FnMut(Wake)) {
        self.runtime.block_on(async {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return,
                    _ = self.interrupt.recv() => return,
                    _ = self.hang_up.recv() => wake(Wake::Reload),
                    _ = ticks.tick() => wake(Wake::Tick),
                }
            }
        });
    }
}

/// Ends the process after this time, even if a disk, a handler or a reader hangs.
pub(crate) fn end_within(deadline: Duration) {
    let wait = move || {
        std::thread::sleep(deadline);
        tracing::error!("the server did not stop in its time and is ended");
        if let Ok(errors) = Output::stderr() {
            errors.flush(LAST_LINES);
        }
        std::process::exit(FORCED_EXIT);
    };
    let thread = std::thread::Builder::new().name(String::from("stop-deadline"));
    if let Err(error) = thread.spawn(wait) {
        tracing::warn!(%error, "the time to stop cannot be watched");
    }
}
