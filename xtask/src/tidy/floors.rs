//! Dependencies between crates: a crate depends only on crates of lower floors.
//! Never: development dependencies; tests can use every crate.

use std::path::Path;

use anyhow::{Context, Result};

/// Every crate's floor.
const FLOORS: [(&str, u8); 12] = [
    ("portcullis", 5),
    ("portcullis-admin", 4),
    ("portcullis-accounts", 3),
    ("portcullis-chat", 3),
    ("portcullis-server", 2),
    ("portcullis-guard", 1),
    ("portcullis-audit", 1),
    ("portcullis-store", 1),
    ("portcullis-seal", 1),
    ("portcullis-outbound", 1),
    ("portcullis-wire", 0),
    ("portcullis-model", 0),
];
/// The crate of shared types, which every floor above the lowest uses.
const NOUNS: &str = "portcullis-model";
/// A crate for tests, outside the floors.
const TEST_CRATE: &str = "portcullis-test";

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
    if name == TEST_CRATE {
        return Vec::new();
    }
    let Some(own) = floor(name) else {
        return vec![format!("{name}: has no floor: add it to FLOORS in xtask/src/tidy/floors.rs")];
    };
    let mut findings = Vec::new();
    if !text.contains(&format!("name = \"{name}\"")) {
        findings.push(format!("{name}: the crate's name differs from its folder's name"));
    }
    if !text.contains("[lints]\nworkspace = true") {
        findings.push(format!(
            "{name}: does not use the workspace's lints: add `[lints] workspace = true`"
        ));
    }
    for dependency in dependencies(text) {
        match floor(&dependency) {
            Some(theirs) if theirs < own => {}
            Some(_) => findings.push(format!("{name}: may not depend on {dependency}")),
            None if dependency == TEST_CRATE => {
                findings.push(format!("{name}: {dependency} is for tests only"));
            }
            None => {}
        }
    }
    if own > 0 && !dependencies(text).any(|dependency| dependency == NOUNS) {
        findings.push(format!("{name}: does not depend on {NOUNS}"));
    }
    findings
}

/// Our own crates under `[dependencies]`, and those of a build script or a single platform.
fn dependencies(text: &str) -> impl Iterator<Item = String> {
    let mut inside = false;
    text.lines().filter_map(move |line| {
        if let Some(section) = line.trim().strip_prefix('[') {
            let (section, single) = match section.split_once("dependencies.") {
                Some((kind, name)) => (format!("{kind}dependencies]"), Some(name)),
                None => (String::from(section), None),
            };
            inside = section.ends_with("dependencies]") && !section.contains("dev-");
            let name = single.map(|name| name.trim_end_matches(']').to_owned());
            return name.filter(|name| inside && name.starts_with("portcullis"));
        }
        // A renamed dependency on our crate counts, too.
        let renamed = line.split_once("package = \"").and_then(|(_, rest)| rest.split_once('"'));
        let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
        let name = renamed.map_or_else(|| line.get(..end).unwrap_or_default(), |(name, _)| name);
        (inside && name.starts_with("portcullis")).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, more: &str) -> String {
        format!(
            "[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n[dependencies]\n\
             portcullis-model.workspace = true\n{more}\n[dev-dependencies]\n\
             portcullis-test.workspace = true\n"
        )
    }

    #[test]
    fn dependency_on_a_higher_floor_is_found() {
        let cases = [
            ("portcullis-server", "portcullis-guard.workspace = true", true),
            ("portcullis-server", "portcullis-wire = { path = \"../portcullis-wire\" }", true),
            ("portcullis-guard", "portcullis-server.workspace = true", false),
            ("portcullis-guard", "portcullis-store = { path = \"../portcullis-store\" }", false),
            ("portcullis-guard", "store = { package = \"portcullis-store\" }", false),
            ("portcullis-guard", "[build-dependencies]\nportcullis-store.workspace = true", false),
            ("portcullis-guard", "[dependencies.portcullis-store]\nworkspace = true", false),
            (
                "portcullis-guard",
                "[target.'cfg(unix)'.dependencies]\nportcullis-store.workspace = true",
                false,
            ),
            ("portcullis-guard", "[dev-dependencies]\nportcullis-store.workspace = true", true),
            ("portcullis-chat", "portcullis-accounts.workspace = true", false),
            ("portcullis-chat", "portcullis-test.workspace = true", false),
            ("portcullis-chat", "serde.workspace = true", true),
        ];
        for (name, more, expect) in cases {
            let findings = check_manifest(name, &manifest(name, more));
            assert_eq!(findings.is_empty(), expect, "{name} {more} {findings:?}");
        }
    }

    #[test]
    fn crate_without_floor_name_model_or_lints_is_found() {
        let valid = manifest("portcullis-chat", "");
        let cases = [
            ("portcullis-chat", valid.clone(), 0),
            ("portcullis-new", valid.clone(), 1),
            ("portcullis-guard", valid.clone(), 1),
            ("portcullis-chat", valid.replace("portcullis-model.workspace = true", ""), 1),
            ("portcullis-chat", valid.replace("[lints]\nworkspace = true", ""), 1),
            ("portcullis-test", String::new(), 0),
        ];
        for (name, text, expect) in cases {
            assert_eq!(check_manifest(name, &text).len(), expect, "{name} {text}");
        }
    }
}
