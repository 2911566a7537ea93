//! D1: the configuration, weakened guarantees, and whether the next start would succeed.
//! Never: a change of a setting.

use std::path::Path;

use portcullis_admin::CheckBuilder;

use crate::config::{ConfigurationFile, Settings, Sources};
use crate::doctor::examination::{Examination, ServerState};
use crate::start::validate::{validate, validate_in_server};

/// Warnings of `check` that other checks report, or that are only about the command itself.
const ELSEWHERE: [&str; 4] =
    ["listen", "--data", "capacity.connections_total", "tls.certificate_file"];

/// Checks the configuration.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let settings = examination.settings;
    for danger in &settings.dangers {
        let name = format!("danger.{}", danger.key);
        check.warn(&name, danger.text, format!("remove danger.{} if you can", danger.key));
    }
    let weakened = match examination.weakened {
        Ok(weakened) => weakened,
        Err(error) => {
            let found = format!("the next start fails: {error}");
            check.alarm("events", found, "correct this before the next start; portcullis check");
            &[]
        }
    };
    for weakened in weakened {
        let found = format!("{}: {}", weakened.key, weakened.text);
        check.warn(weakened.key, found, "use the default, or note why the setting is weaker");
    }
    let validated = match examination.state {
        ServerState::Own { .. } => validate_in_server(settings, examination.now),
        ServerState::Other { .. } | ServerState::Stopped | ServerState::Unknown { .. } => {
            validate(settings, examination.now)
        }
    };
    match validated {
        Ok(findings) => {
            let own = findings.warnings.iter().filter(|one| !ELSEWHERE.contains(&one.key));
            for warning in own {
                let found = format!("{}: {}", warning.key, warning.text);
                check.warn(warning.key, found, "correct the setting");
            }
        }
        Err(error) => {
            let found = format!("the next start fails: {error:#}");
            check.alarm("start", found, "correct this before the next start; portcullis check");
        }
    }
    if let (ServerState::Own { needs_restart, .. }, Some(file)) =
        (examination.state, &settings.file)
    {
        check_file(settings, file, needs_restart, check);
    }
    let weakened = weakened.len() + settings.dangers.len();
    let name = settings.profile.name();
    check.fact(format!("profile {name}, {weakened} weakened settings"));
}

/// Compares the file with the text that the server has read.
fn check_file(
    settings: &Settings,
    read: &ConfigurationFile,
    needs_restart: &[String],
    check: &mut CheckBuilder,
) {
    let name = read.path.display();
    let text = match ConfigurationFile::read(&read.path) {
        Ok(file) => file.text,
        Err(error) => {
            let found = format!("the next start fails: {error}");
            check.alarm("file", found, "restore the configuration file");
            return;
        }
    };
    if !needs_restart.is_empty() {
        let keys = needs_restart.join(", ");
        let found = format!("{name} was changed, and these keys need a restart: {keys}");
        check.warn("restart", found, "restart the server, or undo the change");
    }
    if text == read.text {
        check.fact(format!("{name} is as the server has read it"));
        return;
    }
    match read_again(settings, &read.path, &text) {
        Ok(()) => {
            let found = format!("{name} was changed, and the server has not read it again");
            check.warn("file", found, "run portcullis reload, or undo the change");
        }
        Err(error) => {
            let found = format!("{name} was changed and is not valid: {error}");
            check.alarm("file", found, "correct it: the next start fails; portcullis check");
        }
    }
}

fn read_again(settings: &Settings, path: &Path, text: &str) -> Result<(), String> {
    let sources = Sources {
        profile: Some(settings.profile),
        data: Some(settings.storage.data.clone()),
        environment: std::env::vars_os().collect(),
        ..Sources::default()
    };
    Settings::read_text(path, text, &sources).map(drop).map_err(|error| error.to_string())
}
