//! The start of the server binary: checks, wiring, output, signals.
//! Never: parsing of the configuration.

pub(crate) mod wiring; // one server out of all parts
pub(crate) mod validate; // what can be known before a start
pub(crate) mod machine; // what is asked of the machine: a directory, a port, files, a log
pub(crate) mod output_files; // what the server may write to
pub(crate) mod log_key; // the key of hashes in the security log
pub(crate) mod pages; // the chat page inside the binary
pub(crate) mod banner; // what a person needs next
pub(crate) mod signals; // when to stop, when to read again
