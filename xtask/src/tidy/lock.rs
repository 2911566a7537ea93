//! Lock files: every component comes from crates.io or npm and has a checksum.
//! Never: checks for known vulnerabilities.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Lock files of Rust and of npm. Peers of the benchmarks are not part of the product.
const RUST: [&str; 3] = ["Cargo.lock", "fuzz/Cargo.lock", "tests/clients/rust/Cargo.lock"];
const NPM: [&str; 3] = [
    "web/package-lock.json",
    "tests/clients/package-lock.json",
    "examples/own-login/package-lock.json",
];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM_REGISTRY: &str = "https://registry.npmjs.org/";

/// What is wrong, each as `file: what`.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let read = |name: &str| {
        std::fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
    };
    let mut findings = Vec::new();
    for name in RUST {
        findings.extend(rust(&read(name)?).into_iter().map(|what| format!("{name}: {what}")));
    }
    for name in NPM {
        let lock = serde_json::from_str(&read(name)?);
        let lock = lock.with_context(|| format!("cannot read {name}"))?;
        findings.extend(npm(&lock).into_iter().map(|what| format!("{name}: {what}")));
    }
    Ok(findings)
}

/// The findings in a lock file of Cargo. Packages without a source are folders of this repository.
fn rust(lock: &str) -> Vec<String> {
    let field = |package: &str, name: &str| {
        let start = format!("{name} = \"");
        let line = package.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(String::from(line.trim_end_matches('"')))
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .filter_map(|package| {
            let name = field(package, "name")?;
            match field(package, "source") {
                Some(source) if source != CRATES_IO => {
                    Some(format!("{name} comes from {source} and not from crates.io"))
                }
                Some(_) if field(package, "checksum").is_none() => {
                    Some(format!("{name} has no checksum"))
                }
                Some(_) | None => None,
            }
        })
        .collect()
}

/// The findings in a lock file of npm. A package without an address comes from the registry; the
/// one without a name is the project.
fn npm(lock: &Value) -> Vec<String> {
    let packages = lock.get("packages").and_then(Value::as_object).into_iter().flatten();
    packages
        .filter(|(name, _)| !name.is_empty())
        .filter_map(|(name, package)| {
            let text = |field: &str| package.get(field).and_then(Value::as_str);
            match text("resolved") {
                Some(from) if !from.starts_with(NPM_REGISTRY) => {
                    Some(format!("{name} comes from {from} and not from npm"))
                }
                Some(_) | None if text("integrity").is_none() => {
                    Some(format!("{name} has no checksum"))
                }
                Some(_) | None => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn crate_of_another_source_or_without_checksum_is_found() {
        let of = |source: &str, checksum: &str| {
            rust(&format!("version = 4\n\n[[package]]\nname = \"x\"\n{source}{checksum}")).len()
        };
        let registry = format!("source = \"{CRATES_IO}\"\n");
        assert_eq!(of(&registry, "checksum = \"00\"\n"), 0);
        assert_eq!(of("", ""), 0);
        assert_eq!(of(&registry, ""), 1);
        assert_eq!(of("source = \"git+https://example.com/x\"\n", "checksum = \"00\"\n"), 1);
    }

    #[test]
    fn package_of_another_source_or_without_checksum_is_found() {
        let of = |package: Value| npm(&json!({"packages": {"": {}, "node_modules/x": package}}));
        assert!(of(json!({"integrity": "sha512-x"})).is_empty());
        let from = format!("{NPM_REGISTRY}x/-/x-1.tgz");
        assert!(of(json!({"integrity": "sha512-x", "resolved": from})).is_empty());
        assert_eq!(of(json!({})).len(), 1);
        let elsewhere = json!({"integrity": "sha512-x", "resolved": "https://example.com/x.tgz"});
        assert_eq!(of(elsewhere).len(), 1);
    }
}
