//! Commands for the operator of a new server: the definitions of keys, and a first file.
//! Never: a running server, or its data.

mod config_command; // portcullis config

pub(crate) use config_command::{ConfigCommand, print_definitions};
