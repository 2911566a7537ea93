//! `portcullis alert`: the channels of alerts, and the alerts and silences of a running server.
//! Never: a URL or a secret of a channel in the output.

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use portcullis_admin::{note_delivery, send_monitor_trial, send_trial};
use portcullis_audit::AlertSeverity;
use serde_json::{Map, Value, json};

use super::digest;
use super::private_request::operate;
use crate::command::block::read_reason;
use crate::command::installation::Installation;
use crate::command::user::read_time;
use crate::config::Receiver;
use crate::output::{errln, outln, shell_word};
use crate::start::files::output_files::ALERT_DELIVERIES;
use crate::start::wiring::block_on;

/// `portcullis alert …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// Sends a test alert to each channel and prints the results; the server does not need to run.
    Test,
    /// Sends the weekly digest now, by each mail channel; the server does not need to run.
    Digest,
    /// Lists the open alerts of the running server, the most severe first, and all silences.
    List {
        /// Prints the answer of the server as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Acknowledges an alert: it sends updates only when it is more severe or ten times as many.
    Ack {
        /// The id of the alert, from `portcullis alert list`.
        id: String,
        /// The reason for the record, of 3 to 200 characters.
        #[arg(long, value_parser = read_reason)]
        reason: String,
    },
    /// Silences alerts: no channel and no administrator gets them until the silence ends.
    Silence(SilenceArguments),
    /// Ends a silence before its end.
    Unsilence {
        /// The id of the silence, from `portcullis alert list`.
        id: String,
        /// The reason for the record, of 3 to 200 characters.
        #[arg(long, value_parser = read_reason)]
        reason: String,
    },
}

/// `portcullis alert silence …`: the alerts that all conditions select.
#[derive(Debug, Args)]
pub(crate) struct SilenceArguments {
    /// The rule, such as A2. Without --rule and --key, all rules except A13 and A14.
    #[arg(long)]
    rule: Option<String>,
    /// The key of an alert: its kind and value, as `portcullis alert list` prints them.
    #[arg(long, num_args = 2, value_names = ["KIND", "VALUE"], allow_hyphen_values = true)]
    key: Option<Vec<String>>,
    /// Only alerts up to this severity.
    #[arg(long, value_enum)]
    severity: Option<SeverityName>,
    /// A duration of at most 7d: a number and s, m, h or d, such as 2h.
    #[arg(long = "for", value_name = "TIME", value_parser = read_time, default_value = "1h")]
    lasting_ms: i64,
    /// The reason for the record, of 3 to 200 characters.
    #[arg(long, value_parser = read_reason)]
    reason: String,
}

/// The severities on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SeverityName {
    Info,
    Medium,
    High,
    Critical,
}

impl SeverityName {
    fn severity(self) -> AlertSeverity {
        match self {
            Self::Info => AlertSeverity::Info,
            Self::Medium => AlertSeverity::Medium,
            Self::High => AlertSeverity::High,
            Self::Critical => AlertSeverity::Critical,
        }
    }
}

/// Runs the command.
pub(crate) fn run(installation: &Installation, command: &AlertCommand) -> Result<()> {
    match command {
        AlertCommand::Test => test(installation),
        AlertCommand::Digest => digest::run(installation),
        AlertCommand::List { json } => list(installation, *json),
        AlertCommand::Ack { id, reason } => {
            operate(installation, "alert:acknowledge", &json!({ "id": id, "reason": reason }))?;
            Ok(outln!("{id}: acknowledged")?)
        }
        AlertCommand::Silence(arguments) => {
            let answer = operate(installation, "alert:silence", &arguments.payload())?;
            let silence = answer.get("silence").unwrap_or(&Value::Null);
            Ok(outln!("{}", silence_line(silence))?)
        }
        AlertCommand::Unsilence { id, reason } => {
            operate(installation, "alert:unsilence", &json!({ "id": id, "reason": reason }))?;
            Ok(outln!("{id}: silence ended")?)
        }
    }
}

impl SilenceArguments {
    fn payload(&self) -> Value {
        let mut payload = Map::new();
        let mut add = |name: &str, value: Value| payload.insert(String::from(name), value);
        if let Some(rule) = &self.rule {
            add("rule", json!(rule));
        }
        if let Some([kind, value]) = self.key.as_deref() {
            add("key", json!({ "kind": kind, "value": value }));
        }
        if let Some(severity) = self.severity {
            add("severity", json!(severity.severity().name()));
        }
        add("duration_s", json!(self.lasting_ms / 1_000));
        add("reason", json!(self.reason));
        Value::Object(payload)
    }
}

fn list(installation: &Installation, as_json: bool) -> Result<()> {
    let answer = operate(installation, "admin:alerts", &json!({}))?;
    if as_json {
        return Ok(outln!("{answer}")?);
    }
    let each = |name: &str| {
        let found = answer.get(name).and_then(Value::as_array);
        found.map(Vec::as_slice).unwrap_or_default()
    };
    for alert in each("alerts") {
        outln!("{}", alert_line(alert))?;
    }
    for silence in each("silences") {
        outln!("silence {}", silence_line(silence))?;
    }
    Ok(())
}

/// One alert as a line; its texts are escaped, because a client may have chosen them.
fn alert_line(alert: &Value) -> String {
    let text = |name: &str| escaped(alert.get(name));
    let mut line = format!(
        "{}  {}  {}  {}  {} since {}, last {}  {}",
        text("id"),
        text("severity"),
        text("rule"),
        text("state"),
        alert.get("count").unwrap_or(&Value::Null),
        text("first"),
        text("last"),
        text("title"),
    );
    line.push_str(&key(alert));
    if let Some(found) = alert.get("acknowledged").filter(|found| !found.is_null()) {
        let of = |name: &str| escaped(found.get(name));
        line.push_str(&format!("  acknowledged by {}: {}", of("by"), of("note")));
    }
    line
}

/// One silence as a line.
fn silence_line(silence: &Value) -> String {
    let text = |name: &str| escaped(silence.get(name));
    let rule = match silence.get("rule") {
        Some(Value::String(_)) => text("rule"),
        _ => String::from("all rules"),
    };
    let severity = match silence.get("severity") {
        Some(Value::String(_)) => format!("  up to {}", text("severity")),
        _ => String::new(),
    };
    let (id, until, by, reason) = (text("id"), text("until"), text("by"), text("reason"));
    format!("{id}  {rule}{}{severity}  until {until}  by {by}: {reason}", key(silence))
}

/// The key of an alert or a silence, in the form of `--key` on a command line.
fn key(of: &Value) -> String {
    match of.get("key") {
        Some(Value::Object(key)) => {
            let word = |name: &str| shell_word(&escaped(key.get(name)));
            format!("  {} {}", word("kind"), word("value"))
        }
        _ => String::new(),
    }
}

/// A text in which control and invisible characters are escaped.
fn escaped(value: Option<&Value>) -> String {
    let text = value.and_then(Value::as_str).unwrap_or("-");
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\'' | '"' | '\\' => out.push(letter),
            _ => out.extend(letter.escape_debug()),
        }
    }
    out
}

fn test(installation: &Installation) -> Result<()> {
    let channels = &installation.settings.audit.alert.channels;
    if channels.is_empty() {
        bail!("the configuration has no channel of alerts: add [[alert.channel]]");
    }
    let deliveries = installation.settings.storage.data.join(ALERT_DELIVERIES);
    let mut failed = 0;
    for channel in channels {
        let now = installation.now();
        let result = match &channel.receiver {
            Receiver::Channel(channel) => block_on(send_trial(channel, now))?,
            Receiver::Monitor(monitor) => block_on(send_monitor_trial(monitor, now))?,
        };
        match result.fault {
            None => {
                // An operator who cannot write the file has tested the channel all the same.
                if let Err(error) = note_delivery(&deliveries, &result.channel, now) {
                    errln!("warning: {} cannot be written: {error}", deliveries.display());
                }
                outln!("{}: delivered", result.channel)?;
            }
            Some(fault) => {
                failed += 1;
                outln!("{}: failed: {fault}", result.channel)?;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} channels failed", channels.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_has_the_members_that_were_given() {
        let bare = SilenceArguments {
            rule: None,
            key: None,
            severity: None,
            lasting_ms: 7_200_000,
            reason: String::from("a test"),
        };
        assert_eq!(bare.payload(), json!({ "duration_s": 7_200, "reason": "a test" }));
        let all = SilenceArguments {
            rule: Some(String::from("A2")),
            key: Some(vec![String::from("name"), String::from("ann b")]),
            severity: Some(SeverityName::High),
            ..bare
        };
        let expect = json!({
            "rule": "A2", "key": { "kind": "name", "value": "ann b" }, "severity": "high",
            "duration_s": 7_200, "reason": "a test",
        });
        assert_eq!(all.payload(), expect);
    }

    #[test]
    fn printed_key_is_the_same_words_for_a_shell() {
        for (value, expect) in [
            ("ada", "ada"),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("o'brien", r"'o'\''brien'"),
            ("ann b", "'ann b'"),
            (r#"a\"b\\c"#, r#"'a\"b\\c'"#),
            ("$(id)`x`", "'$(id)`x`'"),
            ("", "''"),
        ] {
            let alert = json!({ "key": { "kind": "name", "value": value } });
            let printed = key(&alert);
            assert_eq!(printed, format!("  name {expect}"));
        }
    }

    #[test]
    fn lines_escape_texts_of_clients() {
        let alert = json!({
            "id": "01k", "severity": "high", "rule": "A2", "state": "firing", "count": 37,
            "first": "f", "last": "l", "title": "Guessing", "acknowledged": null,
            "key": { "kind": "name", "value": "\u{1b}[2J\n\u{202e}x" },
        });
        let expect = "01k  high  A2  firing  37 since f, last l  Guessing  name \
                      '\\u{1b}[2J\\n\\u{202e}x'";
        assert_eq!(alert_line(&alert), expect);
        let silence = json!({
            "id": "3", "rule": null, "key": null, "severity": "medium", "until": "u",
            "reason": "a \"known\" scanner", "by": "rita",
        });
        let expect = "3  all rules  up to medium  until u  by rita: a \"known\" scanner";
        assert_eq!(silence_line(&silence), expect);
    }
}
