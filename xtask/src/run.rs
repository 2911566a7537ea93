//! Builds and starts the server with its page, and the benchmarks.
//! Never: runs a test.

use anyhow::Result;

use crate::command::{become_program, is_there, must, program, step};
use crate::figures;
use crate::install::node_packages;
use crate::peers;

/// Builds the page and the server, and starts the server in the development profile.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    build_page()?;
    step("build and start the server");
    let mut whole = vec!["run", "--release", "--package", "portcullis", "--", "serve"];
    whole.extend_from_slice(arguments);
    become_program(program("cargo", &whole, "."))
}

/// Builds the chat page, if Node.js is there; the server works without it.
pub(crate) fn build_page() -> Result<()> {
    if !is_there("node") {
        println!("no Node.js: the server is built without its chat page");
        return Ok(());
    }
    step("build the chat page");
    node_packages("web")?;
    must(program("npm", &["run", "--silent", "build"], "web"))
}

/// Builds the server and the attackers optimised, and runs the siege.
pub(crate) fn siege(arguments: &[&str]) -> Result<()> {
    if is_there("node") {
        node_packages("bench/peers/node")?;
    }
    // The office of D-14 loads the page.
    build_page()?;
    step("build the server and the siege");
    let build = ["build", "--release", "--package", "portcullis", "--package", "bench"];
    must(program("cargo", &build, "."))?;
    step("run the siege");
    let mut whole = vec!["run", "--quiet", "--release", "--package", "bench", "--", "siege"];
    whole.extend_from_slice(arguments);
    must(program("cargo", &whole, "."))
}

/// Builds the peers, the server and the benchmarks optimised, and runs them.
pub(crate) fn bench(arguments: &[&str]) -> Result<()> {
    // A check measures no peer.
    if !arguments.contains(&"--check") {
        peers::build()?;
    }
    step("build the server and the benchmarks");
    let build = ["build", "--release", "--package", "portcullis", "--package", "bench"];
    must(program("cargo", &build, "."))?;
    step("measure");
    let mut whole = vec!["run", "--quiet", "--release", "--package", "bench", "--"];
    whole.extend_from_slice(arguments);
    must(program("cargo", &whole, "."))?;
    // `portcullis capacity` has the figures of the page.
    figures::run()
}
