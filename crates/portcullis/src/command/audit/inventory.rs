//! `portcullis audit inventory`: events, formats, places and retention.
//! Never: a list of its own beside the code's.

use anyhow::Result;
use clap::Args;
use portcullis_model::Code;
use serde_json::{Value, json};

use super::output::LineOutput;
use crate::command::installation::Installation;
use crate::config::AuditSettings;

const MIB: u64 = 1024 * 1024;

/// `portcullis audit inventory …`.
#[derive(Debug, Args)]
pub(crate) struct InventoryArguments {
    /// Prints one JSON value.
    #[arg(long)]
    json: bool,
}

/// One log of the server.
struct LogRow {
    name: &'static str,
    records: &'static str,
    format: &'static str,
    place: String,
    kept: String,
    readers: &'static str,
}

/// Prints all logs of this configuration, and every name of a record.
pub(super) fn run(installation: &Installation, arguments: &InventoryArguments) -> Result<()> {
    let logs = logs(&installation.settings.audit);
    let mut out = LineOutput::new();
    if arguments.json {
        out.line(json(&logs).to_string().as_bytes())?;
        return Ok(out.flush()?);
    }
    out.line(b"LOGS")?;
    for log in &logs {
        out.line(format!("  {}", log.name).as_bytes())?;
        for (title, text) in log.facts() {
            out.line(format!("    {title:<9}{text}").as_bytes())?;
        }
    }
    out.line(b"")?;
    out.line(b"RECORDS OF THE SECURITY LOG (event.code, class, severity, meaning)")?;
    for code in Code::ALL {
        let (name, class, severity) = (code.name(), code.class().name(), code.severity().name());
        let line = format!("  {name:<30} {class:<10} {severity:<9} {}", code.sentence());
        out.line(line.as_bytes())?;
    }
    Ok(out.flush()?)
}

impl LogRow {
    fn facts(&self) -> [(&'static str, &str); 5] {
        [
            ("records", self.records),
            ("format", self.format),
            ("place", &self.place),
            ("kept", &self.kept),
            ("readers", self.readers),
        ]
    }
}

fn logs(audit: &AuditSettings) -> Vec<LogRow> {
    let kept =
        |total: u64| format!("{} days and {} MiB, whichever is less", audit.keep_days, total / MIB);
    let stdout = if audit.stdout { ", standard output" } else { "" };
    let syslog = audit.syslog.as_ref().map_or(String::new(), |syslog| format!(", {}", syslog.url));
    let access = match &audit.access_file {
        Some(file) => (file.display().to_string(), kept(audit.access_total_bytes)),
        None => (String::from("off (audit.access_file)"), String::from("-")),
    };
    vec![
        LogRow {
            name: "security log",
            records: "all names below, except access",
            format: "JSON lines, ECS 8.11",
            place: format!("{}{stdout}{syslog}", audit.file.display()),
            kept: kept(audit.keep_total_bytes),
            readers: "owner and group of the file (mode 0640)",
        },
        LogRow {
            name: "trace of attempts",
            records: "access: what limits count",
            format: "JSON lines, ECS 8.11",
            place: access.0,
            kept: access.1,
            readers: "owner and group of the file (mode 0640)",
        },
        LogRow {
            name: "operational log",
            records: "starts, stops, faults of the server and of what it depends on",
            format: "JSON lines",
            place: String::from("standard error"),
            kept: String::from("by the program that collects it"),
            readers: "the program that collects it",
        },
        LogRow {
            name: "operations at the command line",
            records: "each change; a running server moves it into the security log",
            format: "rows of the database (operator_acts)",
            place: String::from("the database"),
            kept: String::from("until they are moved"),
            readers: "owner of the database (mode 0600)",
        },
    ]
}

fn json(logs: &[LogRow]) -> Value {
    let logs: Vec<Value> = logs
        .iter()
        .map(|log| {
            let facts = log.facts().map(|(title, text)| (String::from(title), json!(text)));
            let mut row: serde_json::Map<String, Value> = facts.into_iter().collect();
            row.insert(String::from("name"), json!(log.name));
            Value::Object(row)
        })
        .collect();
    let records: Vec<Value> = Code::ALL
        .iter()
        .map(|code| {
            json!({
                "code": code.name(),
                "class": code.class().name(),
                "severity": code.severity().name(),
                "meaning": code.sentence(),
            })
        })
        .collect();
    json!({ "logs": logs, "records": records })
}
