//! The project's own commands: `cargo xtask run | test | tidy | bench`, and the others below.
//! Never: depends on one machine.

mod acceptance; // every stock client with every setting
mod command; // starts programs
mod parallel; // runs steps at the same time
mod figures; // the figures of capacity planning
mod find; // finds source files by what they say about themselves
mod install; // installs what the tests need
mod package; // the packages, and the lists of what they contain
mod peers; // the servers that benchmarks compare with
mod reference; // the generated files of the configuration
mod run; // starts the server with its page, and the benchmarks
mod site; // the site of the documentation
mod samples; // builds the samples of the documentation
mod test; // all checks and tests
mod tidy; // checks of structure and language

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run_command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", rest @ ..] => run::run(rest),
        ["test"] => test::run(None),
        ["test", "--without-fuzz", reason] if !reason.is_empty() => test::run(Some(reason)),
        ["reference"] => reference::run(),
        ["figures"] => figures::run(),
        ["docs"] => site::run(),
        ["docs", "--check"] => site::check(),
        ["samples"] => samples::run(),
        ["package", rest @ ..] => package::run(rest),
        ["advisories", directory] => package::run_advisories(directory),
        ["sbom"] => package::run_sbom(),
        ["acceptance"] => acceptance::run(),
        ["find", words @ ..] => find::run(words),
        ["tidy"] => tidy::run(),
        ["tidy", check, place] => tidy::run_one(check, place),
        ["bench", rest @ ..] => run::bench(rest),
        ["siege", rest @ ..] => run::siege(rest),
        _ => bail!(
            "unknown command {words:?}: use run [ARGUMENTS], test [--without-fuzz REASON], \
             package [--twice | --try | --check], sbom, advisories DIR, samples, reference, \
             figures, docs [--check], acceptance, find [WORD ...], \
             tidy [words | rings | fields PATH], bench [NAME] [--quick | --check], \
             or siege [D-1 ... D-14] [--quick] [--no-peers] [--compare-alerts PAIRS]"
        ),
    }
}
