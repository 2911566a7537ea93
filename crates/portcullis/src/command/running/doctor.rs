//! `portcullis doctor`: checks the installation, by the running server or without it.
//! Never: a change; a running server stores its report, as it does each night.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use portcullis_admin::{AuditCause, AuditReport, CheckBuilder, CheckId, CheckResult, ReportFiles};
use portcullis_model::{Clock, SystemClock};
use portcullis_store::inspect;
use serde_json::{Value, json};

use super::private_request::operate;
use crate::command::access;
use crate::command::installation::{Installation, InstallationArguments};
use crate::config::weakenings;
use crate::doctor::examination::{Addresses, Examination, ServerState};
use crate::doctor::examine::examine;
use crate::output::{errln, outln};
use crate::start::files::output_files::AUDIT_REPORTS;
use crate::start::wiring::is_configuration_fault;

/// The exit code when something needs care now.
const CRITICAL: u8 = 3;
/// The exit code when something needs care soon.
const WARNINGS: u8 = 4;
/// Time between two requests for the report of a run.
const AGAIN: Duration = Duration::from_millis(300);
/// Most requests: a run takes two minutes at most.
const REQUESTS_MAX: u32 = 80;

/// The arguments of `portcullis doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Prints the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs all checks and prints the report.
pub(crate) fn run(server: &InstallationArguments, arguments: &DoctorArguments) -> Result<ExitCode> {
    let report = match Installation::read_valid(server) {
        Ok(installation) => checked(&installation)?,
        Err(error) if is_configuration_fault(&error) => invalid(&error),
        Err(error) => return Err(error),
    };
    if arguments.json {
        outln!("{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        outln!("{}", report.to_text().trim_end())?;
    }
    Ok(match report.result() {
        CheckResult::Ok | CheckResult::NotChecked => ExitCode::SUCCESS,
        CheckResult::Warning => ExitCode::from(WARNINGS),
        CheckResult::Critical => ExitCode::from(CRITICAL),
    })
}

fn checked(installation: &Installation) -> Result<AuditReport> {
    let settings = &installation.settings;
    let why;
    let state = match inspect(&settings.storage.database) {
        Ok(false) => ServerState::Stopped,
        Ok(true) => match by_server(installation) {
            Ok(report) => return Ok(report),
            Err(error) => {
                errln!("warning: the checks run without the server: {error:#}");
                why = format!("{error:#}");
                let (public, private) = (settings.server.public, settings.server.private);
                ServerState::Other { addresses: Addresses { public, private }, why: &why }
            }
        },
        // Neither stopped nor running: the reason is in each check that needs to know it.
        Err(error) => {
            why = format!("{:#}", anyhow::Error::from(error));
            errln!("warning: it is not known whether the server runs: {why}");
            ServerState::Unknown { why: &why }
        }
    };
    let reports = ReportFiles::new(settings.storage.data.join(AUDIT_REPORTS)).read();
    let weakened = access::actions(settings)
        .and_then(|(actions, _)| Ok(weakenings(settings, &actions)?))
        .map_err(|error| format!("{error:#}"));
    let examination = Examination {
        settings,
        weakened: weakened.as_deref().map_err(String::as_str),
        state,
        reports: &reports,
        now: installation.now(),
    };
    let mut report = examine(&examination, AuditCause::Command);
    report.accept(&settings.storage.doctor.accepted);
    report.hide_rest();
    Ok(report)
}

/// The report of the running server.
fn by_server(installation: &Installation) -> Result<AuditReport> {
    let mut answer = operate(installation, "admin:doctor", &json!({ "run": true }))?;
    for _ in 0..REQUESTS_MAX {
        if answer.get("running") != Some(&json!(true)) {
            return read_answer(&answer);
        }
        thread::sleep(AGAIN);
        answer = operate(installation, "admin:doctor", &json!({}))?;
        if answer.get("running") == Some(&json!(true)) {
            thread::sleep(AGAIN * 4);
        }
    }
    bail!("its checks take more than two minutes")
}

/// The report of a run that has ended. After a failed run the report is that of an earlier one.
fn read_answer(answer: &Value) -> Result<AuditReport> {
    let failed = answer.get("failed").filter(|failed| !failed.is_null());
    if let Some(failed) = failed {
        let text = |name| failed.get(name).and_then(Value::as_str).unwrap_or("unknown");
        bail!("the run of the server failed at {}: {}", text("at"), text("why"));
    }
    let report = answer.get("report").filter(|report| !report.is_null());
    let report = report.cloned().context("the answer of the server has no report")?;
    serde_json::from_value(report).context("the server has another version")
}

/// The report when the configuration is not valid, so that nothing else can be checked.
fn invalid(error: &anyhow::Error) -> AuditReport {
    let checks = CheckId::ALL.map(|id| match id {
        CheckId::D1 => {
            let mut check = CheckBuilder::new(id);
            let found = format!("the configuration is not valid: {error:#}");
            check.alarm("file", found, "correct it: the next start fails; portcullis check");
            check.finish()
        }
        _ => CheckBuilder::not_checked(id, "the configuration is not valid"),
    });
    let (version, now) = (env!("CARGO_PKG_VERSION"), SystemClock::start().now());
    AuditReport::new(AuditCause::Command, version, checks.to_vec(), now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_of_an_earlier_run_is_not_read_after_a_failed_run() {
        let report = serde_json::to_value(invalid(&anyhow::anyhow!("x"))).unwrap();
        let failed = json!({ "at": "2026-11-30T02:00:00.000Z", "why": "it ended early" });
        for (answer, expect) in [
            (json!({ "report": report, "running": false, "failed": null }), Ok(())),
            (json!({ "report": report, "running": false }), Ok(())),
            (
                json!({ "report": report, "running": false, "failed": failed }),
                Err("failed at 2026-11-30T02:00:00.000Z: it ended early"),
            ),
            (json!({ "report": null, "failed": null }), Err("has no report")),
            (json!({ "report": {}, "failed": null }), Err("another version")),
        ] {
            let read = read_answer(&answer).map(drop).map_err(|error| format!("{error:#}"));
            match expect {
                Ok(()) => assert_eq!(read, Ok(()), "{answer}"),
                Err(part) => assert!(read.unwrap_err().contains(part), "{answer}"),
            }
        }
    }
}
