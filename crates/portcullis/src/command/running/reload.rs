//! `portcullis reload`: a running server reads its configuration again.
//! Never: a change of the configuration file.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::private_request::operate;
use crate::command::installation::Installation;
use crate::output::{counted, errln, outln};
use crate::reload::reloader::ReloadMode;

/// `portcullis reload`.
#[derive(Debug, Args)]
pub(crate) struct ReloadArguments {
    /// Only shows what would change.
    #[arg(long)]
    dry_run: bool,
}

/// Lets the server read its configuration again, and prints what has changed.
pub(crate) fn run(installation: &Installation, arguments: &ReloadArguments) -> Result<()> {
    let mode = if arguments.dry_run { ReloadMode::Preview } else { ReloadMode::Apply };
    let payload = json!({ "dry_run": arguments.dry_run });
    let response = operate(installation, "config:reload", &payload)?;
    let list = |name: &str| {
        let list = response.get(name).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    };
    for warning in list("warnings") {
        errln!("warning: {}", warning.as_str().unwrap_or_default());
    }
    let (mut applied, mut waiting) = (0, 0);
    for change in list("changes") {
        let text = |name: &str| change.get(name).and_then(Value::as_str);
        let (old, new) = (text("old").unwrap_or("not set"), text("new").unwrap_or("not set"));
        let needs_restart = text("takes_effect") == Some("restart");
        let mark = if needs_restart { " (needs a restart)" } else { "" };
        outln!("{}: {old} -> {new}{mark}", text("key").unwrap_or_default())?;
        *(if needs_restart { &mut waiting } else { &mut applied }) += 1;
    }
    if let Some(line) = certificate_line(&response, mode) {
        outln!("{line}")?;
    }
    let (done, later) = (counted(applied, "change"), counted(waiting, "change"));
    match arguments.dry_run {
        true => outln!("{done} would apply, {later} would need a restart")?,
        false => {
            let verb = if waiting == 1 { "needs" } else { "need" };
            outln!("{done} applied, {later} {verb} a restart")?
        }
    }
    Ok(())
}

/// The line about the certificate that the server has read again.
fn certificate_line(response: &Value, mode: ReloadMode) -> Option<String> {
    let certificate = response.get("certificate").filter(|certificate| certificate.is_object())?;
    let until = certificate.get("until").and_then(Value::as_str).unwrap_or_default();
    let is_new = certificate.get("is_new") == Some(&Value::Bool(true));
    Some(match (is_new, mode) {
        (true, ReloadMode::Apply) => format!("certificate: a new one is in use, until {until}"),
        (true, ReloadMode::Preview) => {
            format!("certificate: a new one would be in use, until {until}")
        }
        (false, _) => format!("certificate: unchanged, until {until}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_that_was_read_again_gets_a_line() {
        let response =
            |is_new| json!({ "certificate": { "is_new": is_new, "until": "2027-01-15" } });
        let apply = ReloadMode::Apply;
        for (response, mode, expect) in [
            (response(true), apply, Some("certificate: a new one is in use, until 2027-01-15")),
            (
                response(true),
                ReloadMode::Preview,
                Some("certificate: a new one would be in use, until 2027-01-15"),
            ),
            (response(false), apply, Some("certificate: unchanged, until 2027-01-15")),
            (json!({ "certificate": null }), apply, None),
            (json!({}), apply, None),
        ] {
            assert_eq!(certificate_line(&response, mode).as_deref(), expect, "{response}");
        }
    }
}
