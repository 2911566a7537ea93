//! Experiments without an attacker on the page and in the terminal.
//! Never: rejections of different rules added up without saying which.

use std::fmt::Write;

use crate::siege::experiment::Size;
use crate::siege::figures::line::Verdict;
use crate::siege::server::defence::Defence;
use crate::siege::shared::experiments::SharedAddress;
use crate::siege::shared::outcome::{Counts, SharedOutcome};

/// An experiment and its outcomes, by defence.
pub(crate) type SharedResult = (SharedAddress, Vec<SharedOutcome>);

/// The rows of the summary: criteria and verdicts.
pub(crate) fn rows(experiment: &SharedAddress, outcomes: &[SharedOutcome]) -> String {
    let mut out = String::new();
    for outcome in outcomes.iter().filter(|it| it.defence == Defence::Priorities) {
        for (verdict, text) in &outcome.verdicts {
            let SharedAddress { name, title, .. } = experiment;
            let _written = writeln!(out, "| {name} | {title} | {text} | {} |", word(*verdict));
        }
    }
    out
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Missed => "**missed**",
        Verdict::Reported => "-",
    }
}

/// The part of the page about an experiment.
pub(crate) fn section(experiment: &SharedAddress, outcomes: &[SharedOutcome]) -> String {
    let mut out = format!("## {}: {}\n\n", experiment.name, experiment.title);
    for sentence in experiment.course(Size::Full) {
        let _written = writeln!(out, "- {sentence}");
    }
    let columns = experiment.columns();
    let rule = "---|".repeat(columns.len() + 1);
    let _written = writeln!(out, "\n| | {} |\n|{rule}", columns.join(" | "));
    for outcome in outcomes {
        let (name, figures) = (outcome.defence.name(), outcome.figures.join(" | "));
        let _written = writeln!(out, "| {name} | {figures} |");
    }
    out.push_str(
        "\n| | rejected by the server, by rule | failed attempts, as clients see them |\n",
    );
    out.push_str("|---|---|---|\n");
    for outcome in outcomes {
        let (name, failures) = (outcome.defence.name(), listed(&outcome.failures));
        let rejections = match outcome.defence {
            Defence::SocketIo => String::from("-"),
            Defence::Priorities | Defence::Flat | Defence::Unguarded => listed(&outcome.rejections),
        };
        let _written = writeln!(out, "| {name} | {rejections} | {failures} |");
    }
    out.push('\n');
    out
}

/// Some lines for the terminal.
pub(crate) fn line(experiment: &SharedAddress, outcome: &SharedOutcome) -> String {
    let columns = experiment.columns().iter().zip(&outcome.figures);
    let figures: Vec<_> = columns.map(|(column, figure)| format!("{column} {figure}")).collect();
    let (name, defence) = (experiment.name, outcome.defence.name());
    let mut out = format!("{name} {defence}: {}", figures.join(", "));
    let (rejections, failures) = (listed(&outcome.rejections), listed(&outcome.failures));
    let _written = write!(out, "\n    rejected by rule: {rejections}; failed: {failures}");
    for (verdict, text) in &outcome.verdicts {
        let word = match verdict {
            Verdict::Holds => "holds",
            Verdict::Missed => "MISSED",
            Verdict::Reported => "reported",
        };
        let _written = write!(out, "\n    {word}: {text}");
    }
    out
}

fn listed(counts: &Counts) -> String {
    let all: Vec<_> = counts.iter().map(|(name, many)| format!("{name}: {many}")).collect();
    if all.is_empty() { String::from("none") } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::shared::experiments::ALL;

    fn outcome(verdict: Verdict) -> SharedOutcome {
        SharedOutcome {
            defence: Defence::Priorities,
            figures: vec![String::from("1"); 9],
            rejections: Counts::from([(String::from("connect_per_prefix"), 3)]),
            failures: Counts::new(),
            verdicts: vec![(verdict, String::from("all are back"))],
        }
    }

    #[test]
    fn rejections_are_listed_by_rule_and_missed_lines_are_marked() {
        let [first, ..] = ALL;
        let outcomes = [outcome(Verdict::Missed)];
        assert!(
            section(&first, &outcomes).contains("| Portcullis | connect_per_prefix: 3 | none |")
        );
        assert!(rows(&first, &outcomes).ends_with("| all are back | **missed** |\n"));
        assert!(line(&first, &outcomes[0]).contains("MISSED: all are back"));
    }
}
