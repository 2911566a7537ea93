//! `portcullis config`: prints the definitions of all keys of the configuration file.
//! Never: the values in force; `portcullis check` prints them.

use anyhow::Result;
use clap::Subcommand;

use crate::config::{example, reference, schema};
use crate::output::outln;

/// `portcullis config …`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints the JSON Schema of the configuration file, for editors.
    Schema,
    /// Prints a configuration file with every key as a comment, its description and its default.
    Example,
    /// Prints all keys as a page in Markdown.
    Keys,
}

/// Runs `portcullis config`.
pub(crate) fn print_definitions(command: &ConfigCommand) -> Result<()> {
    let text = match command {
        ConfigCommand::Schema => schema()?,
        ConfigCommand::Example => example()?,
        ConfigCommand::Keys => reference()?,
    };
    outln!("{}", text.trim_end())?;
    Ok(())
}
