//! `cargo xtask advisories DIR`: fails if an advisory concerns a dependency of the binary.
//! Never: a download; the operator provides the advisories.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::command::{must, program, step};
use crate::install::target;

/// The check of `portcullis doctor` that compares advisories with the dependencies of the binary.
const CHECK: &str = "D10";
/// The exit codes of `portcullis doctor` when it has checked: healthy, critical, warnings.
const CODES: [i32; 3] = [0, 3, 4];

/// Checks the advisories of a folder, in the format OSV.
pub(crate) fn run(directory: &str) -> Result<()> {
    let directory = Path::new(directory);
    let directory = directory.canonicalize().with_context(|| {
        format!("cannot read {}: name a folder with advisories in OSV", directory.display())
    })?;
    step("build the server");
    must(program("cargo", &["build", "--package", "portcullis"], "."))?;
    step("compare the advisories with the dependencies of the binary");
    let folder = target().join("advisories");
    std::fs::create_dir_all(&folder)?;
    let configuration = folder.join("portcullis.toml");
    std::fs::write(&configuration, format!("[doctor]\nadvisories_dir = {directory:?}\n"))?;
    let binary = target().join("debug/portcullis");
    let mut doctor = program(&binary.to_string_lossy(), &["doctor", "--json", "--config"], ".");
    doctor.arg(&configuration).arg("--data").arg(folder.join("data"));
    let output = doctor.output().context("cannot start the server")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let has_checked = output.status.code().is_some_and(|code| CODES.contains(&code));
    ensure!(has_checked, "`portcullis doctor` ended with {}: {errors}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).context("read the report")?;
    println!("{}", judge(&report)?);
    Ok(())
}

/// The facts of the check; an error if it has findings, or did not run as a whole.
fn judge(report: &Value) -> Result<String> {
    let checks = report.get("checks").and_then(Value::as_array).into_iter().flatten();
    let of_check = |check: &&Value| check.get("id").and_then(Value::as_str) == Some(CHECK);
    let check = checks.into_iter().find(of_check).context("the report has no check D10")?;
    let texts = |list: &str, key: &str| -> Vec<String> {
        let list = check.get(list).and_then(Value::as_array).into_iter().flatten();
        let text = |one: &Value| one.get(key).unwrap_or(one).as_str().map(String::from);
        list.filter_map(text).collect()
    };
    let facts = texts("facts", "").join("; ");
    let not_checked = texts("not_checked", "");
    match check.get("result").and_then(Value::as_str) {
        Some("ok") if not_checked.is_empty() => Ok(facts),
        Some("ok") => bail!("the advisories were partly checked: {}", not_checked.join("\n")),
        Some("warning" | "critical") => bail!("{}", texts("findings", "found").join("\n")),
        other => bail!("the advisories were not checked ({other:?}): {facts}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // T-272
    #[test]
    fn t272_finding_or_missing_check_fails_the_step() {
        let report = |check: Value| json!({ "checks": [{ "id": "D1", "result": "ok" }, check] });
        let finding = |result: &str, found: &str| {
            let findings = [json!({ "found": found })];
            json!({ "id": "D10", "result": result, "findings": findings })
        };
        let cases = [
            (json!({ "id": "D10", "result": "ok", "facts": ["9 files"] }), Ok("9 files")),
            (finding("warning", "A concerns b"), Err("A concerns b")),
            (finding("critical", "C concerns d"), Err("C concerns d")),
            (json!({ "id": "D10", "result": "not_checked" }), Err("were not checked")),
            (
                json!({ "id": "D10", "result": "ok", "not_checked": ["A concerns b"] }),
                Err("partly checked: A concerns b"),
            ),
            (json!({ "id": "D11", "result": "ok" }), Err("has no check D10")),
        ];
        for (check, expect) in cases {
            let judged = judge(&report(check.clone())).map_err(|error| error.to_string());
            match (judged, expect) {
                (Ok(facts), Ok(expect)) => assert_eq!(facts, expect, "{check}"),
                (Err(error), Err(expect)) => assert!(error.contains(expect), "{check}: {error}"),
                (judged, _) => panic!("{check}: {judged:?}"),
            }
        }
    }
}
