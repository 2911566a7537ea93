//! Commands for the operator of a new server: the definitions of keys, and a first file.
//! Never: a running server, or its data.

mod config_command; // portcullis config
mod init; // portcullis init
mod arguments; // its command line
mod questions; // its questions on a terminal
mod plan; // the answers, and their checks
mod text; // the file, from the answers
mod write; // writes the file

pub(crate) use arguments::InitArguments;
pub(crate) use config_command::{ConfigCommand, print_definitions};
pub(crate) use init::init;
