//! Runs asynchronous work of a command or a check to its end.
//! Never: inside of a runtime.

use anyhow::{Context, Result};

/// Runs asynchronous work to its end.
pub(crate) fn block_on<F: Future>(work: F) -> Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("cannot start a runtime")?.block_on(work))
}
