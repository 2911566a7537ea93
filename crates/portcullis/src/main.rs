//! The server binary: configuration, command line, wiring, signals.
//! Never: logic of its own.

mod cli; // what can be typed
mod config; // what can be configured, and what it comes to
mod development_authority; // certificates for this machine only
mod pages; // the chat page inside the binary
mod signals;
mod tls; // which certificate is shown
mod wiring; // one server out of all parts // when to stop

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
