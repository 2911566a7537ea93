//! Advisories about dependencies, compared offline with what the binary contains.
//! Never: the network; the advisories are files of the test in the format OSV.

use std::path::Path;

use serde_json::{Value, json};

use crate::{run, text};

/// The version of a crate in the lock file.
fn locked(name: &str) -> String {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap().1;
    String::from(entry.split('"').next().unwrap())
}

/// An advisory about a crate, with the ranges or versions that it affects.
fn advisory(name: &str, affected: &Value) -> Value {
    let mut entry = json!({ "package": { "ecosystem": "crates.io", "name": name } });
    entry.as_object_mut().unwrap().extend(affected.as_object().unwrap().clone());
    json!({
        "id": "RUSTSEC-2026-0001", "modified": "2026-11-01T00:00:00Z", "summary": "A flaw",
        "affected": [entry],
    })
}

fn range(events: &Value) -> Value {
    json!({ "ranges": [{ "type": "SEMVER", "events": events }] })
}

// T-272
#[test]
fn t272_advisory_about_a_locked_dependency_is_found_offline() {
    let version = locked("rustls");
    let all = range(&json!([{ "introduced": "0" }]));
    let mut revoked = advisory("rustls", &all);
    revoked["withdrawn"] = json!("2026-11-02T00:00:00Z");
    let mut elsewhere = advisory("rustls", &all);
    elsewhere["affected"][0]["package"]["ecosystem"] = json!("npm");
    let cases = [
        (advisory("rustls", &all), true),
        (advisory("rustls", &json!({ "versions": [version] })), true),
        (advisory("rustls", &range(&json!([{ "introduced": version }]))), true),
        (advisory("rustls", &range(&json!([{ "introduced": "0" }, { "fixed": "99.0.0" }]))), true),
        (advisory("rustls", &range(&json!([{ "introduced": "0" }, { "fixed": version }]))), false),
        (advisory("rustls", &range(&json!([{ "introduced": "99.0.0" }]))), false),
        (advisory("proptest", &all), false),
        (advisory("not-a-dependency", &all), false),
        (revoked, false),
        (elsewhere, false),
    ];
    for (advisory, expect) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::create_dir(path.join("advisories")).unwrap();
        std::fs::write(path.join("advisories/one.json"), advisory.to_string()).unwrap();
        std::fs::write(path.join("portcullis.toml"), "[doctor]\nadvisories_dir = \"advisories\"\n")
            .unwrap();
        let output = run(path, &["doctor", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{advisory}: {}", text(&output.stderr)));
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["id"] == "D10").unwrap();
        let findings = check["findings"].as_array().unwrap();
        let named = |finding: &Value| {
            let found = finding["found"].as_str().unwrap();
            found.contains(&format!("RUSTSEC-2026-0001 concerns rustls {version}"))
        };
        assert_eq!(findings.iter().any(named), expect, "{advisory}: {check}");
        assert!(!expect || [Some(3), Some(4)].contains(&output.status.code()), "{advisory}");
    }
}
