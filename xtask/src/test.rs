//! `cargo xtask test`: all checks and tests, those that fail fastest first.
//! Never: leaves out a step without a message.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::command::{must, program, step};
use crate::parallel::{Step, alone, together};
use crate::{install, run, tidy};

/// Seconds each fuzz target runs.
const FUZZ_SECONDS: &str = "10";
/// Test threads for each processor; `.config/nextest.toml` says how many threads a test takes.
const TEST_THREADS_EACH: usize = 4;

/// Runs every step. Fuzzing can be left out with a reason.
///
/// Tests in Rust, the siege and the benchmarks run alone: they measure time, or need a processor
/// for the server. Other steps run at the same time.
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
    together(vec![checks_in_rust(), checks_of_pages()])?;
    let threads = (TEST_THREADS_EACH * processors()).to_string();
    let tests = ["nextest", "run", "--workspace", "--no-fail-fast", "--test-threads", &threads];
    alone(Step::new("tests in Rust: unit and over the wire", program("cargo", &tests, ".")))?;
    if let Some(reason) = without_fuzz {
        step("fuzzing in short");
        println!("fuzzing is left out: {reason}");
    }
    let named = "stories: stock clients, a browser, and Node's own server beside this one";
    let stories = Step::new(named, stories("test"));
    // Alone: a stock client in Python waits 30 s longer when other programs take the processors.
    alone(stories)?;
    alone(Step::new(
        "the Debian package",
        program("cargo", &["xtask", "package", "--check"], "."),
    ))?;
    together(vec![after_the_stories(without_fuzz)])?;
    if has_two_processors() {
        alone(siege())?;
        alone(benchmarks())?;
    }
    println!("\neverything is green");
    Ok(())
}

/// Lints, and the programs that later steps start.
fn checks_in_rust() -> Vec<Step> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    // All of the workspace, as in every other step: fewer packages have other features, and would
    // be built once more.
    let parts = ["build", "--workspace", "--bins", "--examples"];
    let tests = ["nextest", "run", "--workspace", "--no-run"];
    vec![
        Step::new("lints", program("cargo", &clippy, ".")),
        Step::new("build the server, the examples and the siege", program("cargo", &parts, ".")),
        Step::new("build the tests in Rust", program("cargo", &tests, ".")),
        Step::new("samples of the documentation", program("cargo", &["xtask", "samples"], ".")),
        Step::new(
            "site of the documentation",
            program("cargo", &["xtask", "docs", "--check"], "."),
        ),
    ]
}

fn checks_of_pages() -> Vec<Step> {
    let mut steps = Vec::new();
    for folder in ["web", "tests/clients"] {
        steps.push(Step::new("page and stories: types", npm("check", folder)));
        steps.push(Step::new("page and stories: format", npm("format:check", folder)));
    }
    steps.push(Step::new("page: unit tests", npm("test", "web")));
    steps
}

/// A run of stories against what was built.
pub(crate) fn stories(script: &str) -> Command {
    let mut stories = npm(script, "tests/clients");
    stories.env("PORTCULLIS_BIN", built("portcullis"));
    stories.env("PORTCULLIS_EXAMPLES", built("examples"));
    stories.env("STORY_PYTHON", install::story_python());
    stories
}

/// Steps that use all of a processor.
fn after_the_stories(without_fuzz: Option<&str>) -> Vec<Step> {
    let documentation = program("cargo", &["test", "--workspace", "--doc", "--quiet"], ".");
    let mut steps = vec![Step::new("examples in the documentation", documentation)];
    if without_fuzz.is_none() {
        let fuzz = program("sh", &["fuzz/run.sh", FUZZ_SECONDS], ".");
        steps.push(Step::new("fuzzing in short, over the committed corpus", fuzz));
    }
    steps
}

/// Measures honest users during small attacks of a few seconds each. Only checks that do not depend
/// on the speed of the machine can fail; other results are printed.
fn siege() -> Step {
    let mut whole = vec!["siege"];
    whole.extend(["D-1", "D-2", "D-3", "D-4", "D-5", "D-6", "D-7", "D-11", "D-12", "D-13", "D-14"]);
    whole.extend(["--quick", "--no-peers", "--check"]);
    Step::new("the siege in short", program(&built("bench").to_string_lossy(), &whole, "."))
}

/// Runs every row of the benchmarks to its end, without an evaluation of the figures.
fn benchmarks() -> Step {
    let bench = program(&built("bench").to_string_lossy(), &["--check"], ".");
    Step::new("the benchmarks in short", bench)
}

/// Whether load and server can have a processor each.
fn has_two_processors() -> bool {
    let has_two = processors() >= 2;
    if !has_two {
        println!("the siege and the benchmarks are left out: they need a second processor");
    }
    has_two
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn npm(script: &str, folder: &str) -> Command {
    program("npm", &["run", "--silent", script], folder)
}

/// A program that the earlier steps have built.
pub(crate) fn built(name: &str) -> PathBuf {
    install::target().join("debug").join(name)
}
