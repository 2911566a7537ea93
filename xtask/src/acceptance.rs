//! `cargo xtask acceptance`: every stock client with every setting.
//! Never: tests an old build of the server.

use anyhow::Result;

use crate::command::{must, program, step};
use crate::install::{self, target};
use crate::test::stories;

/// The client in Rust; a crate outside the workspace, with a lock of its own.
const RUST_STORY: &str = "tests/clients/rust";

/// Builds the server, its examples and the clients, and runs the whole matrix.
pub(crate) fn run() -> Result<()> {
    install::for_tests()?;
    install::for_acceptance()?;
    step("build the server and the examples");
    let parts = ["build", "--package", "portcullis", "--bins", "--examples"];
    must(program("cargo", &parts, "."))?;
    step("build the client in Rust");
    let built = target().join("clients");
    let mut client = program("cargo", &["build", "--locked"], RUST_STORY);
    client.arg("--target-dir").arg(&built);
    must(client)?;
    step("stock clients: Node, Chromium, Python, Rust");
    let mut all = stories("acceptance");
    all.env("STORY_RUST", built.join("debug/rust-socketio-story"));
    must(all)?;
    println!("\nevery stock client is served");
    Ok(())
}
