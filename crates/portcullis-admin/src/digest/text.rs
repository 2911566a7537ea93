//! The letter of the digest: a subject and plain text.
//! Never: a name of a user, an address of one client, or a link.

use std::fmt::Write as _;

use portcullis_audit::utc;

use super::week::{Tally, Week};
use crate::message::text::harmless;
use crate::self_audit::acceptance::Acceptance;
use crate::self_audit::report::AuditReport;

/// Most lines of a list.
const LIST_MAX: usize = 5;
const DAY_MS: i64 = 24 * 60 * 60_000;

/// The content of a digest.
pub(crate) struct DigestContent<'a> {
    /// The host name of the server.
    pub(crate) host: &'a str,
    /// The numbers of the week, or why the security log cannot be read.
    pub(crate) week: Result<&'a Week, String>,
    /// The newest report of the regular audit.
    pub(crate) report: Option<&'a AuditReport>,
    /// The newest signed note of the security log.
    pub(crate) note: Option<&'a str>,
    pub(crate) until_unix_ms: i64,
}

impl DigestContent<'_> {
    /// The subject in the first line, and the text in the others.
    pub(crate) fn letter(&self) -> String {
        let counts = self.report.map(AuditReport::counts).unwrap_or_default();
        let host = harmless(self.host);
        let (critical, warnings) = (counts.critical, counts.warnings);
        let mut text = format!(
            "Portcullis weekly digest of {host}: {critical} critical, {warnings} warnings\n\
             Week from {} to {}\n",
            utc(self.until_unix_ms - 7 * DAY_MS),
            utc(self.until_unix_ms),
        );
        match &self.week {
            Ok(week) => add_numbers(&mut text, week),
            Err(error) => {
                let error = harmless_line(error);
                let _written = writeln!(
                    text,
                    "\nThe security log cannot be read: {error}. The numbers are missing."
                );
            }
        }
        self.add_findings(&mut text);
        if let Some(note) = self.note {
            let _written = writeln!(text, "\nNewest note of the security log. Keep it:\n{note}");
        }
        text
    }

    fn add_findings(&self, text: &mut String) {
        let Some(report) = self.report else {
            text.push_str("\nRegular audit\n  no report yet\n");
            return;
        };
        let _written = writeln!(text, "\nRegular audit of {}", report.at);
        if report.findings().next().is_none() {
            text.push_str("  no findings\n");
        }
        for (_, finding) in report.findings() {
            let (severity, found) = (finding.severity.name(), harmless_line(&finding.found));
            let accepted = if finding.accepted.is_some() { "accepted " } else { "" };
            let _written = writeln!(text, "  {accepted}{severity} {}: {found}", finding.key);
            let _written = match &finding.accepted {
                Some(Acceptance { reason, until }) => {
                    writeln!(text, "    until {until}: {}", harmless_line(reason))
                }
                None => writeln!(text, "    -> {}", harmless_line(&finding.remedy)),
            };
        }
    }
}

fn add_numbers(text: &mut String, week: &Week) {
    if week.unreadable > 0 {
        let _written = writeln!(
            text,
            "\n{} files of the security log could not be read: the numbers are too low.",
            week.unreadable
        );
    }
    let Week { rejections, networks, users, privileged, .. } = week;
    list(text, "Rejected requests, by rule", rejections);
    list(text, "Networks with most recorded rejections", networks);
    list(text, "Users with most recorded rejections, by id", users);
    list(text, "Privileged operations", privileged);
    add_alerts(text, week);
}

fn add_alerts(text: &mut String, week: &Week) {
    let mut times = week.acknowledged_ms.clone();
    times.sort_unstable();
    let open = week.unacknowledged();
    let _written = writeln!(text, "\nAlerts");
    let _written = match (times.get(times.len() / 2), times.last()) {
        (Some(middle), Some(longest)) => writeln!(
            text,
            "  {} acknowledged: half of them within {}, all within {}",
            times.len(),
            span(*middle),
            span(*longest)
        ),
        (_, _) => writeln!(text, "  none acknowledged"),
    };
    let _written = writeln!(text, "  {open} not acknowledged");
}

fn list(text: &mut String, title: &str, tally: &Tally) {
    let _written = writeln!(text, "\n{title}: {}", tally.total());
    for (name, count) in tally.highest(LIST_MAX) {
        let _written = writeln!(text, "  {count:>9}  {}", harmless(name));
    }
}

/// A text of a report, which is longer than the bound of texts of clients.
fn harmless_line(text: &str) -> String {
    text.replace(char::is_control, " ").replace("://", ": //")
}

fn span(ms: i64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0 => String::from("a minute"),
        1..=119 => format!("{minutes} minutes"),
        120..=2_879 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::self_audit::check_id::CheckId;
    use crate::self_audit::report::tests::report;

    #[test]
    fn letter_has_each_part_and_no_link() {
        let report = report(0, &[(CheckId::D5, "token")]);
        let mut week = Week::default();
        week.acknowledged_ms.extend([600_000, 60_000]);
        let complete = week.clone();
        let content = DigestContent {
            host: "chat.example",
            week: Ok(&complete),
            report: Some(&report),
            note: Some("chat.example/portcullis/7q/chain-v1\n184467"),
            until_unix_ms: 7 * DAY_MS,
        };
        let letter = content.letter();
        let expect = "\
Portcullis weekly digest of chat.example: 0 critical, 1 warnings
Week from 1970-01-01T00:00:00.000Z to 1970-01-08T00:00:00.000Z

Rejected requests, by rule: 0

Networks with most recorded rejections: 0

Users with most recorded rejections, by id: 0

Privileged operations: 0

Alerts
  2 acknowledged: half of them within 10 minutes, all within 10 minutes
  0 not acknowledged

Regular audit of 1970-01-01T00:00:00.000Z
  warning D5 token: a key is old
    -> rotate it

Newest note of the security log. Keep it:
chat.example/portcullis/7q/chain-v1
184467
";
        assert_eq!(letter, expect);
        let empty = DigestContent { report: None, note: None, ..content };
        assert!(empty.letter().contains("no report yet"));
        week.unreadable = 2;
        let partial = DigestContent { week: Ok(&week), ..empty };
        assert!(partial.letter().contains("2 files of the security log could not be read"));
    }
}
