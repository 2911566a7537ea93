//! Measures the server's CPU time and memory per unit of work, beside its peers'.
//! Never: CI; figures are read by people.

mod clients; // clients that load a server
mod servers; // servers that are measured
mod rows; // kinds of work, and the rounds that measure them
mod pages; // the page of the benchmark
mod siege; // effects of attacks on honest users
mod act; // the command line

use anyhow::Result;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["echo-server", shards, tls, key] => servers::echo_server::serve(shards, tls, key),
        ["tcp-server"] => rows::baseline::serve(),
        ["tcp-refusals"] => rows::baseline::serve_refusals(),
        ["siege", options @ ..] => siege::run(options),
        options => act::run(options),
    }
}
