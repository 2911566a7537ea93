//! The report as lines for a terminal: one for each case, then what to fix.
//! Never: a colour; the first word of a line says the result.

use std::path::Path;

use super::result::{AlertCause, CaseResult, CaseStatus, DrillReport, FiredAlert};
use super::{OF_ANYONE, OF_DRILL, OF_OTHERS, not_reached};

/// The width of the column of names.
const ID_WIDTH: usize = 26;

/// The line of a case.
pub(crate) fn line(case: &CaseResult) -> String {
    let word = match case.result {
        CaseStatus::Passed => "ok  ",
        CaseStatus::Failed => "FAIL",
        CaseStatus::Skipped => "skip",
    };
    format!("{word}  {:ID_WIDTH$}{}: {}", case.id, case.name, case.seen)
}

/// The lines after those of the cases.
///
/// `page` is the file with the report, if there is one.
pub(crate) fn summary(report: &DrillReport, page: Option<&Path>) -> String {
    let mut text = String::new();
    let counts = report.counts;
    text.push_str(&format!(
        "\n{} passed, {} failed, {} skipped; {} connections\n",
        counts.passed, counts.failed, counts.skipped, report.connections
    ));
    if counts.failed > 0 {
        text.push_str("\nTo fix:\n");
        for case in report.failed() {
            text.push_str(&format!(
                "- {} ({})\n  expected: {}\n  seen: {}\n  fix: {}\n",
                case.id,
                case.threat,
                case.expected,
                case.seen,
                case.fix.unwrap_or_default()
            ));
        }
    }
    text.push_str(&alerts(report));
    if let Some(page) = page {
        text.push_str(&format!("\nreport: {}\n", page.display()));
    }
    if let Some(notice) = not_reached(report) {
        text.push_str(&format!("\nINCOMPLETE: {notice}\n"));
    }
    text
}

/// The alerts, by their cause.
fn alerts(report: &DrillReport) -> String {
    let mut text = String::new();
    let mut list = |title: &str, alerts: Vec<&FiredAlert>| {
        if alerts.is_empty() {
            return;
        }
        text.push_str(&format!("\n{title}:\n"));
        for alert in alerts {
            text.push_str(&format!("- {} ({}): {}\n", alert.rule, alert.severity, alert.title));
        }
    };
    list(OF_DRILL, report.alerts_of(AlertCause::Drill));
    list(OF_ANYONE, report.alerts_of(AlertCause::Unknown));
    if report.alerts.is_empty() {
        text.push_str("\nNo alert of the drill fired.\n");
    }
    if report.alerts_of_others > 0 {
        text.push_str(&format!("\n{OF_OTHERS}: {}\n", report.alerts_of_others));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::result::tests::report;
    use super::*;

    #[test]
    fn lines_say_the_result_first_and_the_summary_what_to_fix() {
        let report = report();
        let lines: Vec<String> = report.cases.iter().map(line).collect();
        let firsts: Vec<&str> = lines.iter().map(|line| &line[..4]).collect();
        assert_eq!(firsts, ["ok  ", "FAIL", "skip", "skip"]);
        assert!(lines.iter().all(|line| !line.contains('\u{1b}')));
        let summary = summary(&report, None);
        for part in [
            "1 passed, 1 failed, 2 skipped",
            "- tls-old-versions",
            "ssl_protocols",
            "\nAlerts about the address of the drill:\n- A1 (medium)",
            "\nAlerts about no address, of the drill or of other clients:\n- A5 (medium)",
            "\nAlerts about other addresses, not listed: 2\n",
        ] {
            assert!(summary.contains(part), "{summary}");
        }
        assert!(!summary.contains("INCOMPLETE"), "{summary}");
        let ended =
            super::summary(&DrillReport { not_reached: 3, ..report }, Some(Path::new("/x.html")));
        assert!(ended.contains("\nreport: /x.html\n"), "{ended}");
        let last = ended.trim_end().lines().last().unwrap();
        assert!(last.starts_with("INCOMPLETE: 3 of 4 cases were not tried"), "{last}");
    }
}
