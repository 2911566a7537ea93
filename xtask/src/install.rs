//! What a fresh machine lacks, installed the way its own tools do it.
//! Never: installed twice; never a download of our own.

use anyhow::{Context, Result, bail};

use crate::command::{is_there, must, program, step};

/// Folders with an npm lock file of their own.
const NODE_FOLDERS: [&str; 2] = ["web", "tests/clients"];

/// Everything the tests need beside Rust and Node.js.
pub(crate) fn for_tests() -> Result<()> {
    step("install: what the tests need");
    if !is_there("cargo-nextest") {
        must(program("cargo", &["install", "cargo-nextest", "--locked"], "."))?;
    }
    if !is_there("node") {
        bail!("Node.js 20 or newer is needed for the page and the client stories");
    }
    if !is_there("chromium") {
        apt("chromium")?;
    }
    for folder in NODE_FOLDERS {
        node_packages(folder)?;
    }
    Ok(())
}

/// The packages of one folder, exactly as locked.
pub(crate) fn node_packages(folder: &str) -> Result<()> {
    let installed = crate::command::root().join(folder).join("node_modules/.package-lock.json");
    let lock = crate::command::root().join(folder).join("package-lock.json");
    let modified = |path: &std::path::Path| std::fs::metadata(path).and_then(|it| it.modified());
    if let (Ok(installed), Ok(lock)) = (modified(&installed), modified(&lock))
        && installed >= lock
    {
        return Ok(());
    }
    must(program("npm", &["ci", "--no-audit", "--no-fund"], folder))
}

fn apt(package: &str) -> Result<()> {
    println!("installing the Debian package {package}");
    let as_root = |arguments: &[&str]| {
        let mut command = match is_root() {
            true => program("apt-get", arguments, "."),
            false => {
                let mut whole = vec!["apt-get"];
                whole.extend_from_slice(arguments);
                program("sudo", &whole, ".")
            }
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        must(command)
    };
    as_root(&["update", "-qq"])
        .and_then(|()| as_root(&["install", "-y", "-qq", "--no-install-recommends", package]))
        .with_context(|| format!("please install the package {package} and start again"))
}

fn is_root() -> bool {
    let output = std::process::Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}
