//! The server binary: configuration, command line, wiring, signals.
//! Never: decisions about requests.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli; // command line arguments
mod manual; // manual pages and shell completions of the command line
mod command; // commands beside a running server: users, keys, tokens
mod config; // the configuration file and its settings
mod setup; // commands for a new configuration: definitions of keys, a first file
mod start; // checks, wiring, output, signals
mod doctor; // the checks of the regular audit
mod drill; // attack cases against the own deployment
mod capacity; // capacity planning
mod block_on; // asynchronous work of a command or a check
mod feed_dispatch; // forwards committed changes to accounts and chat
mod sealing; // seals fields of the store
mod needed_keys; // the field keys, and those that the database needs
mod acme; // certificates by ACME
mod reload; // reads the configuration again while the server runs
mod tls; // certificates and the TLS configuration
mod output; // standard output and standard error
#[cfg(test)]
mod documented_commands; // tests of the commands of the documentation

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
