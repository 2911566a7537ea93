//! The list of components for machines (SBOM), in the format CycloneDX 1.5.
//! Never: the moment or the machine of the build, so that equal sources have equal lists.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::components::{Component, Registry};

/// Writes the list as JSON. `built_unix_s` is the moment of the sources.
pub(crate) fn sbom(components: &[Component], built_at: &str) -> Result<String> {
    let binary = components.iter().find(|one| one.is_binary());
    let binary = binary.context("the binary is not one of its components")?;
    let others = components.iter().filter(|one| !one.is_binary());
    let dependencies: Vec<Value> = components
        .iter()
        .map(|one| json!({ "ref": one.reference(), "dependsOn": one.uses }))
        .collect();
    let list = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": built_at,
            "component": entry(binary, "application"),
        },
        "components": others.map(|one| entry(one, "library")).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    Ok(serde_json::to_string_pretty(&list)? + "\n")
}

fn entry(component: &Component, kind: &str) -> Value {
    let mut entry = json!({
        "type": kind,
        "bom-ref": component.reference(),
        "name": component.name,
        "version": component.version,
        "licenses": [{ "expression": component.licence }],
    });
    let Some(fields) = entry.as_object_mut() else { return entry };
    if component.registry != Registry::Own {
        fields.insert(String::from("purl"), json!(component.reference()));
    }
    if let Some((algorithm, digest)) = &component.digest {
        fields.insert(String::from("hashes"), json!([{ "alg": algorithm, "content": digest }]));
    }
    entry
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::package::components::components;

    const BUILT_AT: &str = "2026-11-29T00:00:00Z";

    // T-275
    #[test]
    fn t275_list_of_components_is_complete_and_reproducible() {
        let all = components().unwrap();
        let first = sbom(&all, BUILT_AT).unwrap();
        assert!(first == sbom(&components().unwrap(), BUILT_AT).unwrap(), "two runs differ");
        let list: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(list["metadata"]["component"]["name"], "portcullis");
        let listed = list["components"].as_array().unwrap();
        let of = |name: &str| listed.iter().find(|one| one["name"] == name);
        for name in ["tokio", "rustls", "aws-lc-sys", "libsqlite3-sys", "socket.io-client", "uplot"]
        {
            let one = of(name).unwrap_or_else(|| panic!("{name} is not listed"));
            assert!(one["hashes"][0]["content"].as_str().unwrap().len() >= 64, "{name}");
            assert!(!one["licenses"][0]["expression"].as_str().unwrap().is_empty(), "{name}");
        }
        assert!(of("portcullis-guard").is_some(), "crates of this repository are listed");
        for name in ["tempfile", "proptest", "portcullis-test", "esbuild", "xtask"] {
            assert!(of(name).is_none(), "{name} is not in the binary");
        }
        let references: BTreeSet<&str> =
            listed.iter().map(|one| one["bom-ref"].as_str().unwrap()).collect();
        assert_eq!(references.len(), listed.len(), "references are unique");
        for dependency in list["dependencies"].as_array().unwrap() {
            for used in dependency["dependsOn"].as_array().unwrap() {
                assert!(references.contains(used.as_str().unwrap()), "{used} is not listed");
            }
        }
        assert!(!first.contains("/root") && !first.contains("/home"), "a path of the machine");
    }
}
