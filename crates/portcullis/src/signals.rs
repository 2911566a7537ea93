//! When to stop.
//! Never: what stopping means; the server knows that.

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Waits until somebody asks the process to end. SIGHUP is told that nothing can be reloaded yet.
pub(crate) fn wait_for_stop() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait for signals")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hang_up.recv() => {
                    tracing::warn!("the configuration cannot be reloaded; restart to apply it");
                }
            }
        }
    })
}
