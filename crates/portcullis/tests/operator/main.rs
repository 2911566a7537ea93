//! Commands of an operator while the server runs, and their effect on its clients.
//! Never: a change that waits for a restart.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what fails in a test fails the test"
)]

mod people; // users, invitations, rooms, keys and tokens
mod alert; // alerts and their receivers
mod timing; // users while the disk of the log is full
mod log; // the security log
mod monitoring; // metrics, dashboard and rules
mod operations; // operations of administrators, by both ways
mod capacity; // capacity planning
mod data_files; // owners and modes of the files in the data directory
mod changes; // operations that change something
mod connections; // open connections, listed and closed
mod doctor; // checks of the installation
mod drill; // attack cases against the own deployment
mod blocks; // networks that an operator blocks
mod proof; // proofs of the key, as commands send them
mod reload; // the configuration, read again
mod reads; // users, references and networks, as administrators read them

use portcullis_test::{Config, TestServer};

pub(crate) fn start(config: &Config) -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), config)
}

/// What it prints when it does what was asked.
pub(crate) fn done(server: &TestServer, arguments: &[&str], input: &str) -> String {
    let output = server.operate(arguments, input);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when it does not.
pub(crate) fn refused(server: &TestServer, arguments: &[&str], input: &str) -> String {
    let output = server.operate(arguments, input);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}
