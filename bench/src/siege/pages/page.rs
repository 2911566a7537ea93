//! The page of the siege: the method, the results, and a part for each experiment.
//! Never: a figure typed in by hand, or a missed line left out.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;

use crate::pages::machine::{self, Machine, version};
use crate::siege::comparison::AlertComparison;
use crate::siege::experiment::ExperimentResult;
use crate::siege::experiment::{Experiment, Size};
use crate::siege::figures::line::Verdict;
use crate::siege::figures::outcome::Outcome;
use crate::siege::pages::ablation;
use crate::siege::pages::comparison;
use crate::siege::pages::section::{charts, section};
use crate::siege::pages::shared_section::{self, SharedResult};
use crate::siege::server::defence::Defence;

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))
}

/// Writes the page and its charts.
pub(crate) fn write(
    all: &[ExperimentResult],
    shared: &[SharedResult],
    people: usize,
) -> Result<()> {
    let folder = docs().join("siege");
    std::fs::create_dir_all(&folder)?;
    for (experiment, outcomes) in all {
        for (name, chart) in charts(experiment, outcomes) {
            std::fs::write(folder.join(name), chart)?;
        }
    }
    let path = docs().join("siege.md");
    let mut page = page(all, shared, people, &machine::read()?);
    // A comparison is a measurement of its own, which this run has not repeated.
    let former = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some(part) = part_of(&former, comparison::HEADING) {
        page = placed(&page, comparison::HEADING, &part);
    }
    Ok(std::fs::write(path, page)?)
}

/// Puts a comparison in its place on the page.
pub(crate) fn replace_comparison(compared: &AlertComparison) -> Result<()> {
    let path = docs().join("siege.md");
    let page = std::fs::read_to_string(&path)?;
    let Machine { date, .. } = machine::read()?;
    let measured = format!("Measured on {date}, {}.\n\n", version());
    let part = comparison::section(compared) + &measured;
    let page = placed(&page, comparison::HEADING, &part);
    Ok(std::fs::write(path, replaced_part(&page, METHOD, &how(Size::Full.people())))?)
}

/// Puts experiments that were measured again, each by itself, in their places on the page.
pub(crate) fn replace(again: &[ExperimentResult], shared: &[SharedResult]) -> Result<()> {
    let path = docs().join("siege.md");
    let mut page = std::fs::read_to_string(&path)?;
    let Machine { date, .. } = machine::read()?;
    let again_at = format!("Measured again by itself on {date}, {}.\n\n", version());
    for (experiment, outcomes) in again {
        for (name, chart) in charts(experiment, outcomes) {
            std::fs::write(docs().join("siege").join(name), chart)?;
        }
        let part = section(experiment, outcomes) + &again_at;
        page = replaced(&page, experiment.name, &rows(experiment, outcomes), &part);
    }
    for (experiment, outcomes) in shared {
        let part = shared_section::section(experiment, outcomes) + &again_at;
        let rows = shared_section::rows(experiment, outcomes);
        page = replaced(&page, experiment.name, &rows, &part);
    }
    page = replaced_part(&page, METHOD, &how(Size::Full.people()));
    Ok(std::fs::write(path, page)?)
}

/// The page with other rows in its summary and another part for an experiment. What is new on the
/// page comes last, in the summary and on the page.
fn replaced(page: &str, name: &str, rows: &str, part: &str) -> String {
    let (row, heading) = (format!("| {name}"), format!("## {name}: "));
    let is_own = |line: &str| line.strip_prefix(&row).is_some_and(|it| it.starts_with([' ', ',']));
    let is_new = !page.lines().any(is_own);
    let (mut out, mut rows, mut in_summary) = (String::new(), Some(rows), false);
    for line in page.split_inclusive('\n') {
        if line.starts_with("## ") {
            in_summary = line.starts_with(SUMMARY);
        }
        let ends_table = is_new && in_summary && line == "\n" && out.ends_with("|\n");
        if is_own(line) || ends_table {
            out.push_str(rows.take().unwrap_or_default());
        }
        if !is_own(line) {
            out.push_str(line);
        }
    }
    placed(&out, &heading, part)
}

/// The page with this text for the part under a heading; a new part is the last one before the
/// method.
fn placed(page: &str, heading: &str, part: &str) -> String {
    if page.lines().any(|line| line.starts_with(heading)) {
        return replaced_part(page, heading, part);
    }
    let mut out = String::from(page);
    out.insert_str(page.find(METHOD).unwrap_or(page.len()), part);
    out
}

/// The part under a heading, with its heading.
fn part_of(page: &str, heading: &str) -> Option<String> {
    let start = page.find(heading)?;
    let part = page.get(start..)?;
    let end = part.get(1..)?.find("\n## ").map_or(part.len(), |at| at + 2);
    part.get(..end).map(String::from)
}

/// The page with another text for the part under a heading.
fn replaced_part(page: &str, heading: &str, part: &str) -> String {
    let (mut out, mut inside) = (String::new(), false);
    for line in page.split_inclusive('\n') {
        if line.starts_with("## ") {
            inside = line.starts_with(heading);
            if inside {
                out.push_str(part);
            }
        }
        if !inside {
            out.push_str(line);
        }
    }
    out
}

fn page(
    all: &[ExperimentResult],
    shared: &[SharedResult],
    people: usize,
    machine: &Machine,
) -> String {
    let Machine { processor, processors, memory_gib, kernel, date } = machine;
    let mut out = String::from(HEAD);
    let _written = write!(
        out,
        "| measured on | {date} |\n|---|---|\n| version | {} |\n\
         | processor | {processor}, {processors} cores |\n\
         | memory | {memory_gib:.0} GiB |\n| kernel | Linux {kernel} |\n\n",
        version(),
    );
    out.push_str(&summary(all, shared));
    for (experiment, outcomes) in all {
        out.push_str(&section(experiment, outcomes));
    }
    for (experiment, outcomes) in shared {
        out.push_str(&shared_section::section(experiment, outcomes));
    }
    out.push_str(&how(people));
    out
}

/// The part about the method, at the end of the page.
fn how(people: usize) -> String {
    let how = HOW.replace("{people}", &people.to_string());
    how.replace("{polling}", &(people / 10).to_string())
}

/// The heading of the summary.
const SUMMARY: &str = "## Summary";
/// The heading of the last part.
const METHOD: &str = "## How it is measured";

const HEAD: &str = "# Siege

How attacks affect honest users. `cargo xtask siege` attacks a server and writes this page; no
figure comes from another source.

";

const HOW: &str = include_str!("../../../siege_method.md");

/// The table of criteria and their verdicts.
pub(crate) fn summary(all: &[ExperimentResult], shared: &[SharedResult]) -> String {
    let mut out =
        String::from("## Summary\n\n| | experiment | requirement | |\n|---|---|---|---|\n");
    for (experiment, outcomes) in all {
        out.push_str(&rows(experiment, outcomes));
        if experiment.name == ablation::JUDGED_ON {
            out.push_str(&ablation::row(all).unwrap_or_default());
        }
    }
    for (experiment, outcomes) in shared {
        out.push_str(&shared_section::rows(experiment, outcomes));
    }
    out.push('\n');
    out.push_str(&ablation::others(all));
    out
}

/// The rows of the summary for one experiment.
fn rows(experiment: &Experiment, outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    let ours = outcomes.iter().filter(|outcome| outcome.defence == Defence::Priorities);
    let rounds = ours.clone().count();
    for (round, outcome) in ours.enumerate() {
        for (verdict, text) in experiment.line.verdicts(outcome) {
            let verdict = match verdict {
                Verdict::Holds => "holds",
                Verdict::Missed => "**missed**",
                Verdict::Reported => "-",
            };
            let (name, title) = (experiment.name, experiment.title);
            let round = match rounds {
                0 | 1 => String::new(),
                _ => format!(", {} of {rounds}", round + 1),
            };
            let _written = writeln!(out, "| {name}{round} | {title} | {text} | {verdict} |");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiment_is_replaced_in_summary_and_section_only() {
        let page = "## Summary\n| D-1 | a |\n| D-6 | b |\n| D-6 | c |\n| D-60 | d |\n\n\
                    ## D-1: one\nx\n## D-6: six\ny\nz\n## D-60: more\nw\n";
        let expect = "## Summary\n| D-1 | a |\n| D-6 | new |\n| D-60 | d |\n\n\
                      ## D-1: one\nx\n## D-6: again\nq\n## D-60: more\nw\n";
        assert_eq!(replaced(page, "D-6", "| D-6 | new |\n", "## D-6: again\nq\n"), expect);
        assert_eq!(replaced(page, "D-7", "", ""), page);
    }

    #[test]
    fn new_experiment_is_added_at_the_end() {
        let page = "## Summary\n\n| | x |\n|---|---|\n| D-1 | a |\n\nText.\n\n## D-1: one\nx\n";
        let expect = "## Summary\n\n| | x |\n|---|---|\n| D-1 | a |\n| D-11a | new |\n\nText.\n\n\
                      ## D-1: one\nx\n## D-11a: two\ny\n";
        let added = replaced(page, "D-11a", "| D-11a | new |\n", "## D-11a: two\ny\n");
        assert_eq!(added, expect);
        assert_eq!(replaced(&added, "D-11a", "| D-11a | new |\n", "## D-11a: two\ny\n"), expect);
    }

    #[test]
    fn comparison_keeps_its_place_over_a_whole_run() {
        let heading = comparison::HEADING;
        let (page, part) = ("# S\n## D-1: a\nx\n", format!("{heading}\n\nfigures\n"));
        let whole = format!("{page}{METHOD}\ny\n");
        assert_eq!(part_of(&whole, heading), None);
        let placed_once = placed(&whole, heading, &part);
        assert_eq!(placed_once, format!("{page}{part}{METHOD}\ny\n"));
        assert_eq!(part_of(&placed_once, heading), Some(part.clone()));
        assert_eq!(placed(&placed_once, heading, &part), placed_once);
        assert_eq!(part_of(&part, heading), Some(part.clone()), "the last part of a page");
    }

    #[test]
    fn summary_without_experiments_has_no_rows() {
        assert!(summary(&[], &[]).ends_with("|---|---|---|---|\n\n"));
    }
}
