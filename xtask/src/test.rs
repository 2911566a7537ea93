//! Everything that has to be green, in the order in which failures are cheapest.
//! Never: a step that can be skipped without saying so.

use anyhow::Result;

use crate::command::{must, program, root, step};
use crate::{install, run, tidy};

/// Seconds each fuzz target runs.
const FUZZ_SECONDS: &str = "5";

pub(crate) fn run() -> Result<()> {
    step("format");
    must(program("cargo", &["fmt", "--all", "--check"], "."))?;
    step("tidy");
    tidy::run()?;
    install::for_tests()?;
    run::build_page()?;
    step("page: types and format");
    must(program("npm", &["run", "--silent", "check"], "web"))?;
    must(program("npm", &["run", "--silent", "test"], "web"))?;
    step("lints");
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    must(program("cargo", &clippy, "."))?;
    step("build the server");
    must(program("cargo", &["build", "--package", "portcullis"], "."))?;
    step("tests in Rust: unit and over the wire");
    must(program("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"], "."))?;
    step("examples in the documentation");
    must(program("cargo", &["test", "--workspace", "--doc", "--quiet"], "."))?;
    fuzz()?;
    step("stories: stock clients and a browser");
    must(program("npm", &["run", "--silent", "check"], "tests/clients"))?;
    let mut stories = program("npm", &["run", "--silent", "test"], "tests/clients");
    stories.env("PORTCULLIS_BIN", target().join("debug/portcullis"));
    must(stories)?;
    println!("\neverything is green");
    Ok(())
}

fn target() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

/// A short run of every fuzz target over its committed corpus and what grows from it.
fn fuzz() -> Result<()> {
    step("fuzzing in short");
    must(program("bash", &["fuzz/run.sh", FUZZ_SECONDS], "."))
}
