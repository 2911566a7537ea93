//! Signals that stop the server or reload certificates, and a regular tick.
//! Never: the shutdown itself.

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_audit::Output;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

/// Exit code when the process did not stop in time.
const FORCED_EXIT: i32 = 1;
/// Exit code when a signal stops the start, as after a drain.
const STOPPED_START: i32 = 0;
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

/// The handlers of the start, active while this value exists.
///
/// SIGHUP does not end the process: the reload follows the start. SIGTERM and SIGINT end it at
/// once; without handlers, the kernel would drop them for the first process of a container.
pub(crate) struct StartSignals {
    signals: Signals,
    stop: StartStop,
}

impl StartSignals {
    /// Installs the handlers. Call it first.
    pub(crate) fn catch() -> Result<Self> {
        // First, so that it gets each signal that the others get.
        let stop = StartStop::catch()?;
        Ok(Self { signals: Signals::catch()?, stop })
    }

    /// Ends the start. Call it before the addresses are printed: from now on, a signal to stop
    /// drains the server.
    pub(crate) fn end(self) -> Signals {
        let Self { signals, stop } = self;
        drop(stop);
        signals
    }
}

/// A thread that ends the process at a signal to stop, until this is dropped.
struct StartStop {
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl StartStop {
    fn catch() -> Result<Self> {
        let runtime = runtime()?;
        let inside = runtime.enter();
        let (mut terminate, mut interrupt) =
            (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
        drop(inside);
        let (end, mut ended) = oneshot::channel();
        let wait = move || {
            let is_ended = runtime.block_on(async {
                tokio::select! {
                    // A signal at the end of the start is left for the drain.
                    biased;
                    _ = &mut ended => true,
                    _ = terminate.recv() => false,
                    _ = interrupt.recv() => false,
                }
            });
            if !is_ended {
                tracing::info!("the start was stopped by a signal");
                exit(STOPPED_START);
            }
        };
        let thread = std::thread::Builder::new().name(String::from("start-stop")).spawn(wait);
        let thread = thread.context("cannot start the thread that ends a start")?;
        Ok(Self { thread: Some((end, thread)) })
    }
}

impl Drop for StartStop {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            // After it, no signal ends the process without a drain.
            let _ended = thread.join();
        }
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
    fn catch() -> Result<Self> {
        let runtime = runtime()?;
        let inside = runtime.enter();
        let terminate = catch(SignalKind::terminate())?;
        let interrupt = catch(SignalKind::interrupt())?;
        let hang_up = catch(SignalKind::hangup())?;
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

fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().context("cannot start a runtime for signals")
}

fn catch(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("cannot catch signals")
}

/// Ends the process, after the last lines of the operational log.
fn exit(code: i32) -> ! {
    if let Ok(errors) = Output::stderr() {
        errors.flush(LAST_LINES);
    }
    std::process::exit(code)
}

/// Ends the process after this time, even if a disk, a handler or a reader blocks.
pub(crate) fn end_within(deadline: Duration) {
    let wait = move || {
        std::thread::sleep(deadline);
        tracing::error!("the server did not stop in time: the process is ended");
        exit(FORCED_EXIT);
    };
    let thread = std::thread::Builder::new().name(String::from("stop-deadline"));
    if let Err(error) = thread.spawn(wait) {
        tracing::warn!(%error, "cannot start the thread that limits the time to stop");
    }
}
