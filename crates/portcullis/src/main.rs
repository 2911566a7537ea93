//! The server binary: configuration, command line, wiring, signals.
//! Never: logic of its own.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli; // what can be typed
mod command; // what is done beside a server: people, keys, tokens
mod config; // what can be configured, and what it comes to
mod wiring; // one server out of all parts
mod feed; // from commits to every product
mod sealing; // the key ring as the store knows it
mod machine; // what is asked of the machine: a directory, a port, files, a log
mod validate; // what can be known before a start
mod output_files; // what the server may write to
mod log_key; // the key of hashes in the security log
mod tls; // how TLS is spoken
mod certificate; // how long a certificate is valid, and for which names
mod tls_development; // certificates for this machine only
mod pages; // the chat page inside the binary
mod output; // what commands print
mod banner; // what a person needs next
mod signals; // when to stop, when to read again

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
