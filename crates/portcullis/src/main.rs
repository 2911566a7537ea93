//! The server binary: configuration, command line, wiring, signals.
//! Never: logic of its own.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli; // command line arguments
mod command; // commands beside a running server: users, keys, tokens
mod config; // the configuration file and its settings
mod start; // checks, wiring, output, signals
mod feed; // forwards commits to all products
mod sealing; // the key ring that the store uses
mod tls; // certificates and the TLS configuration
mod output; // standard output and standard error

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
