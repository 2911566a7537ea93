//! Measures the server's CPU time and memory per unit of work, beside its peers'.
//! Never: CI; figures are read by people.

mod token; // tokens of the benchmark's issuer
mod dialect; // what a client says
mod client; // a raw client over one socket
mod measure; // processor time and memory of another process
mod explain; // what a server rejected while a row failed
mod plenty; // limits that no benchmark reaches
mod echo_server; // the engine with every guard on and three small events
mod contender; // the servers that are measured
mod effort; // how much is measured
mod fan_out; // deliveries to many members
mod echo; // a message and its answer
mod connect; // a connection, made and kept
mod refused; // what it costs to say no
mod product; // the real binary: guarded, stored chat messages
mod look_up; // a look-up beside reads of history
mod baseline; // what a round trip costs at least
mod sample; // the figures of one measurement
mod work; // every kind of work, with its target
mod compare; // the rounds
mod growth; // what a delivery costs as work grows
mod machine; // where and when it was measured
mod chart; // charts, written as SVG
mod report_tables; // tables and verdicts
mod report; // the page and its charts
mod siege; // what honest users notice of an attack
mod act; // the command line

use anyhow::Result;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["echo-server", shards, tls, key] => echo_server::serve(shards, tls, key),
        ["tcp-server"] => baseline::serve(),
        ["tcp-refusals"] => baseline::serve_refusals(),
        ["siege", options @ ..] => siege::run(options),
        options => act::run(options),
    }
}
