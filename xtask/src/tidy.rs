//! Structure, checked by machine: floors, sizes, headers, names.
//! Never: style that rustfmt and clippy check already.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::command::root;
use crate::{tidy_floors, tidy_source};

/// Folders that hold our Rust.
const FOLDERS: [&str; 4] = ["crates", "xtask", "bench", "fuzz"];

pub(crate) fn run() -> Result<()> {
    let root = root();
    let mut findings = tidy_floors::check(&root)?;
    for folder in FOLDERS {
        let mut files = Vec::new();
        collect(&root.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file)?;
            let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            let found = tidy_source::check(&name, &text);
            findings.extend(found.into_iter().map(|finding| format!("{name}{finding}")));
        }
    }
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} to mend", findings.len());
    }
    println!("tidy: nothing to mend");
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target" && name != "node_modules") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
