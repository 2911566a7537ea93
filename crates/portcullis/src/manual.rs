//! The manual pages and the shell completions, generated from the command line.
//! Never: a text that the command line does not have.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::{Shell, generate_to};

/// The name of the program.
const PROGRAM: &str = "portcullis";
/// The shells whose completions are written.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes a manual page for each command, and the completions: `portcullis.1`,
/// `portcullis-user.1`, `portcullis.bash`, `_portcullis`, `portcullis.fish`.
pub(crate) fn write(mut program: Command, directory: &Path) -> Result<()> {
    let cannot_write = || {
        let shown = directory.display();
        format!("cannot write into {shown}: create the directory, or name one you can write to")
    };
    for shell in SHELLS {
        generate_to(shell, &mut program, PROGRAM, directory).with_context(cannot_write)?;
    }
    clap_mangen::generate_to(program, directory).with_context(cannot_write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::definition;

    /// The names of all commands below a command, such as `portcullis-user-list`, except hidden
    /// ones: those are for the server itself.
    fn names(command: &Command, name: &str, found: &mut Vec<String>) {
        found.push(String::from(name));
        let shown = |inner: &&Command| inner.get_name() != "help" && !inner.is_hide_set();
        for inner in command.get_subcommands().filter(shown) {
            names(inner, &format!("{name}-{}", inner.get_name()), found);
        }
    }

    fn read(directory: &Path, name: &str) -> String {
        std::fs::read_to_string(directory.join(name)).unwrap_or_else(|_| panic!("no {name}"))
    }

    #[test]
    fn every_command_has_a_manual_page_and_completions() {
        let directory = tempfile::tempdir().unwrap();
        write(definition(), directory.path()).unwrap();
        let mut all = Vec::new();
        names(&definition(), PROGRAM, &mut all);
        assert!(all.len() > 50 && all.iter().any(|name| name == "portcullis-user-ban"), "{all:?}");
        let (bash, zsh, fish) = (
            read(directory.path(), "portcullis.bash"),
            read(directory.path(), "_portcullis"),
            read(directory.path(), "portcullis.fish"),
        );
        for name in &all {
            let page = read(directory.path(), &format!("{name}.1"));
            let title = format!(".TH {name} 1");
            assert!(page.replace("\\-", "-").contains(&title), "{name}: {page}");
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
            let word = name.rsplit('-').next().unwrap();
            for (shell, text) in [("bash", &bash), ("zsh", &zsh), ("fish", &fish)] {
                assert!(text.contains(word), "{shell}: {name}");
            }
        }
    }

    #[test]
    fn missing_directory_is_a_named_error() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("none");
        let error = write(definition(), &missing).unwrap_err().to_string();
        assert!(error.contains("create the directory"), "{error}");
    }
}
