//! The report as lines for a terminal: one for each case, then what to fix.
//! Never: a colour; the first word of a line says the result.

use super::result::{CaseResult, CaseStatus, DrillReport};

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
pub(crate) fn summary(report: &DrillReport) -> String {
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
    match report.alerts.as_slice() {
        [] => text.push_str("\nNo alert fired during the drill.\n"),
        alerts => {
            text.push_str("\nAlerts that fired during the drill:\n");
            for alert in alerts {
                text.push_str(&format!("- {} ({}): {}\n", alert.rule, alert.severity, alert.title));
            }
        }
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
        let summary = summary(&report);
        for part in ["1 passed, 1 failed, 2 skipped", "- tls-old-versions", "ssl_protocols", "A1"] {
            assert!(summary.contains(part), "{summary}");
        }
    }
}
