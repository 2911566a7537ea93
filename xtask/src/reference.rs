//! Writes the files that are generated from the definitions of configuration keys.
//! Never: a text of its own; the binary prints the files.

use anyhow::{Context, Result, ensure};

use crate::command::{program, root, step};

/// The files, and the words of `portcullis config` that print them.
const FILES: [(&str, &str); 2] =
    [("keys", "docs/configuration-keys.md"), ("example", "packaging/portcullis.example.toml")];

/// Writes all files.
pub(crate) fn run() -> Result<()> {
    step("write the generated files");
    for (word, name) in FILES {
        let arguments = ["run", "--quiet", "--bin", "portcullis", "--", "config", word];
        let mut command = program("cargo", &arguments, ".");
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?} ended with {}: {error}", output.status);
        std::fs::write(root().join(name), &output.stdout)
            .with_context(|| format!("cannot write {name}"))?;
        println!("{name}");
    }
    Ok(())
}
