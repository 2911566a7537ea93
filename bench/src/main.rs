//! Measures the server's CPU time and memory per unit of work, against a server it starts.
//! Never: a verdict; it prints figures.

mod baseline; // what a round trip costs at least
mod client; // a raw Socket.IO client over one socket
mod echo_server; // the engine with every guard on and two small events
mod fan_out; // deliveries to many members
mod measure; // processor time and memory of another process
mod product; // the real binary: guarded, stored chat messages
mod single; // connects, echo, idle memory

use anyhow::{Result, bail};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["echo-server"] => echo_server::serve(),
        ["tcp-server"] => baseline::serve(),
        [] => run_all(),
        ["baseline"] => on_runtime(baseline::run),
        ["fan-out"] => on_runtime(fan_out::run),
        ["single"] => on_runtime(single::run),
        ["product"] => on_runtime(product::run),
        _ => bail!("unknown arguments {words:?}: use fan-out, single, product, or nothing for all"),
    }
}

fn run_all() -> Result<()> {
    println!("| work | figure |\n|---|---|");
    on_runtime(baseline::run)?;
    on_runtime(fan_out::run)?;
    on_runtime(single::run)?;
    on_runtime(product::run)
}

fn on_runtime<F: Future<Output = Result<()>>>(work: impl FnOnce() -> F) -> Result<()> {
    measure::pin(1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work())
}
