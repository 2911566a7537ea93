//! Who may depend on whom: arrows point down, and crates on one floor are strangers.
//! Never: development dependencies; a test may look anywhere.

use std::path::Path;

use anyhow::{Context, Result};

/// Every crate's floor.
const FLOORS: [(&str, u8); 9] = [
    ("portcullis", 4),
    ("portcullis-accounts", 3),
    ("portcullis-chat", 3),
    ("portcullis-server", 2),
    ("portcullis-guard", 1),
    ("portcullis-audit", 1),
    ("portcullis-store", 1),
    ("portcullis-wire", 0),
    ("portcullis-model", 0),
];
/// The nouns, which every floor above the lowest may use.
const NOUNS: &str = "portcullis-model";
/// Beside the floors: for tests only.
const BESIDE: &str = "portcullis-test";

pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        findings.extend(check_manifest(&name, &text));
    }
    Ok(findings)
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

fn check_manifest(name: &str, text: &str) -> Vec<String> {
    if name == BESIDE {
        return Vec::new();
    }
    let Some(own) = floor(name) else {
        return vec![format!("{name}: has no floor; give it one in xtask/src/tidy_floors.rs")];
    };
    let mut findings = Vec::new();
    if !text.contains(&format!("name = \"{name}\"")) {
        findings.push(format!("{name}: the crate's name is not its folder's"));
    }
    for dependency in dependencies(text) {
        match floor(&dependency) {
            Some(theirs) if theirs < own => {}
            Some(_) => findings.push(format!("{name}: may not depend on {dependency}")),
            None if dependency == BESIDE => {
                findings.push(format!("{name}: {dependency} is for tests only"));
            }
            None => {}
        }
    }
    if own > 0 && !dependencies(text).any(|dependency| dependency == NOUNS) {
        findings.push(format!("{name}: does not use the nouns of {NOUNS}"));
    }
    findings
}

/// Our own crates under `[dependencies]`.
fn dependencies(text: &str) -> impl Iterator<Item = String> {
    let mut inside = false;
    text.lines().filter_map(move |line| {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
        }
        let end = line.find(['.', ' ', '='])?;
        let name = line.get(..end)?;
        (inside && name.starts_with("portcullis")).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, dependency: &str) -> String {
        format!(
            "[package]\nname = \"{name}\"\n[dependencies]\nportcullis-model.workspace = true\n\
             {dependency}.workspace = true\n[dev-dependencies]\nportcullis-test.workspace = true\n"
        )
    }

    #[test]
    fn arrows_point_down() {
        let cases = [
            ("portcullis-server", "portcullis-guard", true),
            ("portcullis-guard", "portcullis-server", false),
            ("portcullis-guard", "portcullis-store", false),
            ("portcullis-chat", "portcullis-accounts", false),
            ("portcullis-chat", "portcullis-test", false),
            ("portcullis-chat", "serde", true),
        ];
        for (name, dependency, expect) in cases {
            let findings = check_manifest(name, &manifest(name, dependency));
            assert_eq!(findings.is_empty(), expect, "{name} {dependency} {findings:?}");
        }
    }

    #[test]
    fn a_crate_without_a_floor_is_found() {
        assert!(!check_manifest("portcullis-new", "").is_empty());
    }
}
