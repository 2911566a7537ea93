//! The project's own commands: `cargo xtask run | test | tidy | bench`.
//! Never: anything that only works on one machine.

mod command; // programs started, with what to say when they fail
mod install; // what a fresh machine lacks
mod run; // the server with its page
mod test; // everything that has to be green
mod tidy; // structure, checked by machine
mod tidy_floors; // who may depend on whom
mod tidy_source; // one source file after another

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("run") => run::run(arguments.get(1..).unwrap_or_default()),
        Some("test") => test::run(),
        Some("tidy") => tidy::run(),
        Some("bench") => run::bench(arguments.get(1..).unwrap_or_default()),
        other => bail!("unknown command {other:?}: use run, test, tidy or bench"),
    }
}
