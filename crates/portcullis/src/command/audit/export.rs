//! `portcullis audit export`: records in the format of another program.
//! Never: personal data when it was excluded, or a line end inside a record.

use anyhow::Result;
use clap::{Args, ValueEnum};
use portcullis_audit::is_personal_label;
use serde_json::Value;

use super::filter::PeriodArguments;
use super::format_cef::cef;
use super::format_ocsf::ocsf;
use super::output::LineOutput;
use super::search::each_line;
use crate::command::installation::Installation;
use crate::output::errln;

/// `portcullis audit export …`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The format of each line.
    #[arg(long, value_enum, default_value = "ecs")]
    format: ExportFormat,
    /// Leaves out users, addresses, user agents, paths, and labels that can identify a person.
    #[arg(long)]
    without_personal: bool,
    #[command(flatten)]
    period: PeriodArguments,
}

/// A format of another program.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Elastic Common Schema 8.11: the lines of the log.
    Ecs,
    /// Open Cybersecurity Schema Framework 1.3: one JSON object a line.
    Ocsf,
    /// Common Event Format, version 0.
    Cef,
}

/// Prints the records of a period, oldest first.
pub(super) fn run(installation: &Installation, arguments: &ExportArguments) -> Result<()> {
    let period = arguments.period.period(installation.now().unix_ms);
    let mut out = LineOutput::new();
    let mut skipped: u64 = 0;
    each_line(installation, &period, |line| {
        if !period.has(line) {
            return Ok(());
        }
        let Ok(mut record) = serde_json::from_slice::<Value>(line) else {
            skipped += 1;
            return Ok(());
        };
        if arguments.without_personal {
            remove_personal(&mut record);
        }
        match arguments.format {
            ExportFormat::Ecs if arguments.without_personal => {
                out.line(record.to_string().as_bytes())?;
            }
            ExportFormat::Ecs => out.line(line)?,
            ExportFormat::Ocsf => out.line(ocsf(&record).to_string().as_bytes())?,
            ExportFormat::Cef => out.line(cef(&record).as_bytes())?,
        }
        Ok(())
    })?;
    out.flush()?;
    if skipped > 0 {
        errln!("warning: {skipped} lines are not records and were left out");
    }
    Ok(())
}

/// Removes the members that can identify a person, and those of the hash chain, which would not
/// fit the rest.
fn remove_personal(record: &mut Value) {
    let Some(members) = record.as_object_mut() else { return };
    let labels = members.get("labels").and_then(Value::as_object);
    let has_personal =
        labels.is_some_and(|labels| labels.keys().any(|label| is_personal_label(label)));
    for name in ["source", "user", "user_agent", "url", "integrity"] {
        members.remove(name);
    }
    if has_personal {
        members.remove("labels");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn personal_members_are_removed() {
        let record = |labels: Value| {
            json!({
                "event": {"code": "user_created"}, "source": {"ip": "192.0.2.1"},
                "user": {"name": "ada"}, "user_agent": {"original": "x"}, "url": {"path": "/ada"},
                "labels": labels, "integrity": {"salt": "s"},
            })
        };
        let mut kept = record(json!({"conn_id": "1"}));
        remove_personal(&mut kept);
        assert_eq!(kept, json!({"event": {"code": "user_created"}, "labels": {"conn_id": "1"}}));
        for label in ["stated_reason", "party", "address", "alert_key"] {
            let mut removed = record(json!({"conn_id": "1", label: "ada"}));
            remove_personal(&mut removed);
            assert_eq!(removed, json!({"event": {"code": "user_created"}}), "{label}");
        }
        remove_personal(&mut json!("text"));
    }
}
