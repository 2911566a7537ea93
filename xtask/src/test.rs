//! Everything that has to be green, in the order in which failures are cheapest.
//! Never: a step that is left out without saying so.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command::{must, program, step};
use crate::{install, run, tidy};

/// Seconds each fuzz target runs.
const FUZZ_SECONDS: &str = "5";

/// Runs every step; fuzzing may be left out for a reason.
pub(crate) fn run(without_fuzz: Option<&str>) -> Result<()> {
    step("format");
    must(program("cargo", &["fmt", "--all", "--check"], "."))?;
    for apart in ["fuzz", "tests/clients/rust"] {
        must(program("cargo", &["fmt", "--check"], apart))?;
    }
    step("tidy");
    tidy::run()?;
    install::for_tests()?;
    run::build_page()?;
    step("page and stories: types and format");
    for folder in ["web", "tests/clients"] {
        npm("check", folder)?;
        npm("format:check", folder)?;
    }
    step("page: unit tests");
    npm("test", "web")?;
    step("lints");
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    must(program("cargo", &clippy, "."))?;
    step("build the server and the examples");
    let parts = ["build", "--package", "portcullis", "--bins", "--examples"];
    must(program("cargo", &parts, "."))?;
    step("tests in Rust: unit and over the wire");
    must(program("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"], "."))?;
    step("examples in the documentation");
    must(program("cargo", &["test", "--workspace", "--doc", "--quiet"], "."))?;
    fuzz(without_fuzz)?;
    step("stories: stock clients, a browser, and Node's own server beside this one");
    must(stories("test"))?;
    if has_two_processors() {
        besiege()?;
        benchmarks()?;
    }
    println!("\neverything is green");
    Ok(())
}

/// A run of stories against what was built.
pub(crate) fn stories(script: &str) -> Command {
    let mut stories = program("npm", &["run", "--silent", script], "tests/clients");
    stories.env("PORTCULLIS_BIN", built("portcullis"));
    stories.env("PORTCULLIS_EXAMPLES", built("examples"));
    stories.env("STORY_PYTHON", install::story_python());
    stories
}

/// What honest users notice of small attacks, a few seconds each. Only what does not depend on how
/// fast this machine is can fail; the rest is told.
fn besiege() -> Result<()> {
    step("the siege in short");
    let mut whole = vec!["run", "--quiet", "--package", "bench", "--", "siege"];
    whole.extend(["D-1", "D-2", "D-3", "D-4", "D-5", "D-6", "D-7", "D-11", "D-12"]);
    whole.extend(["--quick", "--no-peers", "--check"]);
    must(program("cargo", &whole, "."))
}

/// Whether every row of the benchmarks runs to its end; no figure is judged.
fn benchmarks() -> Result<()> {
    step("the benchmarks in short");
    let whole = ["run", "--quiet", "--package", "bench", "--", "--check"];
    must(program("cargo", &whole, "."))
}

/// Whether the load can have a processor beside the server's.
fn has_two_processors() -> bool {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    if processors < 2 {
        println!("the siege and the benchmarks are left out: they need a second processor");
    }
    processors >= 2
}

fn npm(script: &str, folder: &str) -> Result<()> {
    must(program("npm", &["run", "--silent", script], folder))
}

/// What was just built.
fn built(name: &str) -> PathBuf {
    install::target().join("debug").join(name)
}

/// A short run of every fuzz target over its committed corpus and what grows from it.
fn fuzz(without: Option<&str>) -> Result<()> {
    step("fuzzing in short");
    if let Some(reason) = without {
        println!("fuzzing is left out: {reason}");
        return Ok(());
    }
    must(program("sh", &["fuzz/run.sh", FUZZ_SECONDS], "."))
}
