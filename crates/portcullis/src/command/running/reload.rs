//! `portcullis reload`: a running server reads its configuration again.
//! Never: a change of the configuration file.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::private_request::operate;
use crate::command::installation::Installation;
use crate::output::{counted, errln, outln};

/// `portcullis reload`.
#[derive(Debug, Args)]
pub(crate) struct ReloadArguments {
    /// Only shows what would change.
    #[arg(long)]
    dry_run: bool,
}

/// Lets the server read its configuration again, and prints what has changed.
pub(crate) fn run(installation: &Installation, arguments: &ReloadArguments) -> Result<()> {
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
