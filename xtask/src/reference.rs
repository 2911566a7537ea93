//! Writes the files that are generated from the definitions of configuration keys.
//! Never: a text of its own; the binary prints the files.

use anyhow::{Context, Result, ensure};

use crate::command::{must, program, root, step};
use crate::test::built;

/// The files, and the words of `portcullis config` that print them.
const FILES: [(&str, &str); 2] =
    [("keys", "docs/configuration-keys.md"), ("example", "packaging/portcullis.example.toml")];

/// Writes all files.
pub(crate) fn run() -> Result<()> {
    step("write the generated files");
    // All of the workspace: fewer packages have other features, and would be built once more.
    must(program("cargo", &["build", "--quiet", "--workspace", "--bin", "portcullis"], "."))?;
    for (word, name) in FILES {
        let binary = built("portcullis");
        let mut command = program(&binary.to_string_lossy(), &["config", word], ".");
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?} ended with {}: {error}", output.status);
        std::fs::write(root().join(name), &output.stdout)
            .with_context(|| format!("cannot write {name}"))?;
        println!("{name}");
    }
    Ok(())
}
