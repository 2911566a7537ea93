//! Signals that stop the server or reload certificates, and a regular tick.
//! Never: the shutdown itself.

use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_audit::Output;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// Exit code when the process did not stop in time.
const FORCED_EXIT: i32 = 1;
/// Time to write the last lines of the operational log.
const LAST_LINES: Duration = Duration::from_millis(500);
/// Period of [`Wake::Tick`].
const TICK: Duration = Duration::from_secs(5);

/// Events while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// SIGHUP: reload certificates, reopen logs.
    Reload,
    /// A period has passed.
    Tick,
}

/// The handler of SIGHUP, active while this value exists: during the start, the signal must not end
/// the process. The reload follows the start.
pub(crate) struct ReloadSignal {
    runtime: Runtime,
    hang_up: Signal,
}

impl ReloadSignal {
    /// Installs the handler. Call it first.
    pub(crate) fn catch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start a runtime for signals")?;
        let inside = runtime.enter();
        let hang_up = catch(SignalKind::hangup())?;
        drop(inside);
        Ok(Self { runtime, hang_up })
    }
}

/// Handlers of signals, active while this value exists.
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Installs the other handlers. Call it before the addresses are printed.
    pub(crate) fn catch(reload: ReloadSignal) -> Result<Self> {
        let ReloadSignal { runtime, hang_up } = reload;
        let inside = runtime.enter();
        let terminate = catch(SignalKind::terminate())?;
        let interrupt = catch(SignalKind::interrupt())?;
        // Then a write beyond the limit of file sizes fails, and does not end the process.
        drop(catch(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        drop(inside);
        Ok(Self { runtime, terminate, interrupt, hang_up })
    }

    /// Waits for SIGTERM or SIGINT.
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

fn catch(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot catch signals")
}

/// Ends the process after this time, even if a disk, a handler or a reader blocks.
pub(crate) fn end_within(deadline: Duration) {
    let wait = move || {
        std::thread::sleep(deadline);
        tracing::error!("the server did not stop in time: the process is ended");
        if let Ok(errors) = Output::stderr() {
            errors.flush(LAST_LINES);
        }
        std::process::exit(FORCED_EXIT);
    };
    let thread = std::thread::Builder::new().name(String::from("stop-deadline"));
    if let Err(error) = thread.spawn(wait) {
        tracing::warn!(%error, "cannot start the thread that limits the time to stop");
    }
}
