//! A report for an operator who reads it at a terminal, at night.
//! Never: a colour or a symbol that is needed to understand it.

use std::fmt::Write as _;

use super::check::{Check, CheckResult};
use super::report::AuditReport;

/// Columns of a line.
const WIDTH: usize = 96;
/// Columns before the text of a finding.
const INDENT: usize = 4;

impl AuditReport {
    /// The report as text: what needs care first, and what to do.
    #[must_use]
    pub fn to_text(&self) -> String {
        let counts = self.counts();
        let by = if self.server { "by the running server" } else { "without a running server" };
        let accepted = match counts.accepted {
            0 => String::new(),
            accepted => format!(", {accepted} accepted"),
        };
        let mut text = format!(
            "{} critical, {}{accepted}, {} not checked, {} ok   ({}, {by})\n",
            counts.critical,
            plural(counts.warnings, "warning"),
            counts.not_checked,
            counts.ok,
            self.at,
        );
        let mut checks: Vec<&Check> = self.checks.iter().collect();
        checks.sort_by_key(|check| std::cmp::Reverse(order(check.result)));
        let mut group = None;
        for check in checks {
            if group != Some(check.result) {
                text.push('\n');
            }
            group = Some(check.result);
            add_check(&mut text, check);
        }
        if !self.acceptance_notes.is_empty() {
            text.push_str("\n[doctor] accept\n");
        }
        for note in &self.acceptance_notes {
            add_wrapped(&mut text, note, "", INDENT);
        }
        text
    }
}

/// Findings first, then checks that could not run.
fn order(result: CheckResult) -> u8 {
    match result {
        CheckResult::Ok => 0,
        CheckResult::NotChecked => 1,
        CheckResult::Warning => 2,
        CheckResult::Critical => 3,
    }
}

fn add_check(text: &mut String, check: &Check) {
    let is_partial = check.result == CheckResult::Ok && !check.not_checked.is_empty();
    let partly = if is_partial { " (partly checked)" } else { "" };
    let (result, id) = (check.result.words(), check.id.name());
    let head = format!("{result:<11}  {id:<3}  {}{partly}", check.title);
    let summary = match check.result {
        CheckResult::Ok => check.facts.join("; "),
        CheckResult::NotChecked => check.not_checked.join("; "),
        CheckResult::Warning | CheckResult::Critical => String::new(),
    };
    let summary = if summary.is_empty() { summary } else { format!(": {summary}") };
    add_wrapped(text, &format!("{head}{summary}"), "", 18);
    for finding in &check.findings {
        let severity = finding.severity.name();
        let is_that_of_the_check = severity == check.result.words();
        let mark = match &finding.accepted {
            Some(_) => format!("accepted {severity}: "),
            None if is_that_of_the_check => String::new(),
            None => format!("{severity}: "),
        };
        add_wrapped(text, &format!("{mark}{}", finding.found), "", INDENT);
        match &finding.accepted {
            Some(accepted) => {
                let why = format!("until {}: {}", accepted.until, accepted.reason);
                add_wrapped(text, &why, "", INDENT);
            }
            None => add_wrapped(text, &finding.remedy, "-> ", INDENT),
        }
    }
    let more = check.hidden.len() + check.uncounted;
    if more > 0 {
        let keys: Vec<&str> = check.hidden.iter().map(|finding| finding.key.as_str()).collect();
        add_wrapped(text, &format!("and {more} more: {}", keys.join(", ")), "", INDENT);
    }
    if check.result != CheckResult::NotChecked {
        for why in &check.not_checked {
            add_wrapped(text, &format!("not checked: {why}"), "", INDENT);
        }
    }
}

/// Adds a text in lines. The first line of a head is not indented.
fn add_wrapped(text: &mut String, words: &str, mark: &str, indent: usize) {
    let is_head = indent > INDENT;
    let mut line = if is_head { String::new() } else { format!("{:indent$}{mark}", "") };
    let hanging = if is_head { indent } else { indent + mark.len() };
    let mut is_empty = true;
    // Spaces within the head keep its columns.
    for word in words.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _written = writeln!(text, "{}", line.trim_end());
            line = format!("{:hanging$}", "");
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _written = writeln!(text, "{}", line.trim_end());
}

fn plural(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::super::acceptance::AcceptedFinding;
    use super::super::check_builder::CheckBuilder;
    use super::super::check_id::CheckId;
    use super::super::report::AuditCause;
    use super::*;
    use portcullis_model::Now;

    #[test]
    fn text_names_what_needs_care_first_and_what_to_do() {
        let mut modes = CheckBuilder::new(CheckId::D4);
        modes.alarm("key", "data/tls.key can be read by other users (mode 644)", "chmod 600 it");
        let mut keys = CheckBuilder::new(CheckId::D5);
        keys.warn("token", "the key is 100 days old", "run portcullis keys rotate");
        keys.skip("session secrets: the server was never started");
        let mut tls = CheckBuilder::new(CheckId::D2);
        tls.fact("TLS 1.3 and 1.2, 80 days left");
        tls.skip("TLS 1.1: the connection timed out");
        let backup = CheckBuilder::not_checked(CheckId::D6, "no backup is recorded");
        let checks = vec![tls.finish(), modes.finish(), keys.finish(), backup];
        let now = Now { monotonic_ms: 0, unix_ms: 1_790_824_365_000 };
        let text = AuditReport::new(AuditCause::Command, "0.1.0", checks, now).to_text();
        let expect = "\
1 critical, 1 warning, 1 not checked, 1 ok   (2026-10-01T03:12:45.000Z, without a running server)

critical     D4   File modes
    data/tls.key can be read by other users (mode 644)
    -> chmod 600 it

warning      D5   Ages of keys
    the key is 100 days old
    -> run portcullis keys rotate
    not checked: session secrets: the server was never started

not checked  D6   Backup: no backup is recorded

ok           D2   TLS as a client gets it (partly checked): TLS 1.3 and 1.2, 80 days left
    not checked: TLS 1.1: the connection timed out
";
        assert_eq!(text, expect);
    }

    #[test]
    fn text_has_accepted_findings_with_their_reason_and_names_of_hidden_ones() {
        let mut backup = CheckBuilder::new(CheckId::D6);
        backup.warn("age", "the last backup is 9 days old", "make a backup");
        let mut advisories = CheckBuilder::new(CheckId::D10);
        (0..10).for_each(|number| advisories.warn(&format!("R-{number}"), "a flaw", "update"));
        let now = Now { monotonic_ms: 0, unix_ms: 1_790_824_365_000 };
        let checks = vec![backup.finish(), advisories.finish()];
        let mut report = AuditReport::new(AuditCause::Command, "0.1.0", checks, now);
        let entry = |key: &str| AcceptedFinding {
            key: String::from(key),
            reason: String::from("the disk is replaced in October"),
            until_unix_ms: now.unix_ms + 1_000,
        };
        report.accept(&[entry("D6 age"), entry("D6 ages")]);
        report.hide_rest();
        let text = report.to_text();
        let expect = "0 critical, 10 warnings, 1 accepted, 0 not checked, 1 ok   (2026-10-01T03:12";
        assert!(text.starts_with(expect), "{text}");
        assert!(text.contains("    and 2 more: D10 R-8, D10 R-9\n"), "{text}");
        let expect = "
ok           D6   Backup
    accepted warning: the last backup is 9 days old
    until 2026-10-01T03:12:46.000Z: the disk is replaced in October

[doctor] accept
    no finding has the key \"D6 ages\" now: remove the entry
";
        assert!(text.ends_with(expect), "{text}");
    }
}
