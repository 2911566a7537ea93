//! The project's own commands: `cargo xtask run | test | tidy | bench`, and the others below.
//! Never: anything that only works on one machine.

mod acceptance; // every stock client by every setting
mod command; // programs started, with what to say when they fail
mod parallel; // steps that run at the same time
mod install; // what a fresh machine lacks
mod peers; // the servers that benchmarks compare with
mod run; // the server with its page
mod samples; // the samples of the documentation, as crates of their own
mod test; // everything that has to be green
mod tidy; // structure, checked by machine

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match act(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", rest @ ..] => run::run(rest),
        ["test"] => test::run(None),
        ["test", "--without-fuzz", reason] if !reason.is_empty() => test::run(Some(reason)),
        ["samples"] => samples::run(),
        ["acceptance"] => acceptance::run(),
        ["tidy"] => tidy::run(),
        ["bench", rest @ ..] => run::bench(rest),
        ["siege", rest @ ..] => run::siege(rest),
        _ => bail!(
            "unknown command {words:?}: use run [ARGUMENTS], test [--without-fuzz REASON], \
             samples, acceptance, tidy, or bench [NAME] [--quick | --check], \
             or siege [D-1 ... D-14] [--quick] [--no-peers]"
        ),
    }
}
