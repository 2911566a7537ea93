//! The page of the siege: a table and two charts for each experiment.
//! Never: a figure typed in by hand, or a missed line left out.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;

use super::experiment::{CALM_S, Experiment, Outcome};
use super::line::word;
use super::target::Defence;
use super::timeline::{Second, Totals};
use crate::chart::{Curve, curves};
use crate::machine::{self, Machine};

/// Between two points of a chart, in seconds.
const STEP_S: usize = 2;

/// An experiment and what it came to, by defence.
pub(crate) type Done = (Experiment, Vec<Outcome>);

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))
}

/// Writes the page and its charts.
pub(crate) fn write(all: &[Done], people: usize) -> Result<()> {
    let folder = docs().join("siege");
    std::fs::create_dir_all(&folder)?;
    for (experiment, outcomes) in all {
        for (what, unit, of) in CHARTS {
            let name = format!("{}-{what}.svg", experiment.name.to_lowercase());
            std::fs::write(folder.join(name), chart(experiment, outcomes, unit, of))?;
        }
    }
    Ok(std::fs::write(docs().join("siege.md"), page(all, people, &machine::read()?))?)
}

/// What is drawn: a name, its unit, and how some seconds come to a point.
type Drawn = (&'static str, &'static str, fn(&Totals) -> f64);

const CHARTS: [Drawn; 2] = [
    ("goodput", "goodput, % of messages", |totals| totals.goodput),
    ("latency", "slowest of a hundred acknowledgements, ms", |totals| f64::from(totals.p99_ms)),
];

fn chart(
    experiment: &Experiment,
    outcomes: &[Outcome],
    unit: &str,
    of: fn(&Totals) -> f64,
) -> String {
    let curve = |outcome: &Outcome| {
        let points = outcome.seconds.chunks(STEP_S).enumerate();
        let points = points.map(|(index, part)| (index * STEP_S, of(&Totals::of(part))));
        Curve { label: String::from(outcome.defence.name()), points: points.collect() }
    };
    let all: Vec<_> = outcomes.iter().map(curve).collect();
    let title = format!("{}: {}", experiment.name, experiment.title);
    curves(&title, unit, &format!("seconds; attacked from {CALM_S}"), &all)
}

fn page(all: &[Done], people: usize, machine: &Machine) -> String {
    let Machine { processor, processors, memory_gib, kernel, date } = machine;
    let mut out = String::from(HEAD);
    let _written = write!(
        out,
        "| measured on | {date} |\n|---|---|\n| processor | {processor}, {processors} cores |\n\
         | memory | {memory_gib:.0} GiB |\n| kernel | Linux {kernel} |\n\n",
    );
    let _written = write!(out, "{}", HOW.replace("{people}", &people.to_string()));
    out.push_str(&summary(all));
    for (experiment, outcomes) in all {
        out.push_str(&section(experiment, outcomes));
    }
    out
}

const HEAD: &str = "# Siege

What honest users notice of an attack. This page is written by `cargo xtask siege`; nothing on it
is typed in by hand.

";

const HOW: &str = "## How it is measured

The server runs alone on one processor, everybody else on the other, over TLS on this machine, each
client from an address of its own (`127.x.y.z`). {people} honest users, in rooms of ten, each say
something once a second at a fixed time, whatever happened to what they said before; five times a
second somebody who has been here before comes in once more and leaves. A message is good when its
acknowledgement says that it is stored within 250 ms of the time at which it was meant to be sent;
**goodput** is the part of the messages due in a second that are good. Who has not come in after two
seconds has given up.

Attackers come from 2,000 addresses, at fixed rates, on a thread that gives way to the honest. What
the generator had no hands for is told as held back. The limits are the product's own but for one:
users may say 120 things a minute.

- **Portcullis**: as it comes.
- **without priorities**: the same server kept to its normal state, with every place open to
  everybody, no rate for all strangers, nobody known apart, nobody waiting. Limits by address and
  user stay.
- **Socket.IO on Node**: version 4.8 over `node:https`, with what its documentation and common
  guides say to do: WebSocket only, a list of origins, tokens verified at the connection, small
  messages, short time-outs, sixty connections a minute of an address and 120 messages a minute of
  a user, counted in memory. It stores nothing; its acknowledgement says that the message was
  handed on.

";

fn summary(all: &[Done]) -> String {
    let mut out =
        String::from("## In short\n\n| | experiment | what has to hold | |\n|---|---|---|---|\n");
    for (experiment, outcomes) in all {
        let ours = outcomes.iter().find(|outcome| outcome.defence == Defence::Priorities);
        for (holds, text) in ours.iter().flat_map(|ours| experiment.line.verdicts(ours)) {
            let verdict = if holds { "holds" } else { "**missed**" };
            let name = experiment.name;
            let _written = writeln!(out, "| {name} | {} | {text} | {verdict} |", experiment.title);
        }
    }
    if let Some(line) = ablation(all) {
        out.push_str(&line);
    }
    out.push('\n');
    out
}

/// D-10: the same attack with and without priorities.
fn ablation(all: &[Done]) -> Option<String> {
    let (experiment, outcomes) = all.iter().find(|(experiment, _)| experiment.name == "D-9")?;
    let of = |defence| outcomes.iter().find(|outcome| outcome.defence == defence);
    let (with, without) = (of(Defence::Priorities)?, of(Defence::Flat)?);
    let worse = without.attack.goodput < with.attack.goodput - 5.0
        || without.attack.p99_ms > with.attack.p99_ms.saturating_mul(2)
        || without.attack.arrivals.unwrap_or(0.0) < with.attack.arrivals.unwrap_or(0.0) - 5.0;
    let verdict = if worse { "holds" } else { "**missed**" };
    Some(format!(
        "| D-10 | {} without priorities is visibly worse | goodput {:.1} % against {:.1} %, \
         p99 {} ms against {} ms, {:.0} % against {:.0} % come in | {verdict} |\n",
        experiment.title,
        without.attack.goodput,
        with.attack.goodput,
        without.attack.p99_ms,
        with.attack.p99_ms,
        without.attack.arrivals.unwrap_or(0.0),
        with.attack.arrivals.unwrap_or(0.0),
    ))
}

fn section(experiment: &Experiment, outcomes: &[Outcome]) -> String {
    let mut out = format!("## {}: {}\n\n", experiment.name, experiment.title);
    for flood in experiment.floods {
        let _written = writeln!(out, "- {}", flood.title());
    }
    out.push_str(
        "\n| | goodput before | under attack | after | come in | p50 | p99 | processor | memory | \
         attacks, of which held back | let in | states |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        let Outcome { defence, calm, attack, after, seconds, .. } = outcome;
        let come_in =
            attack.arrivals.map_or_else(|| String::from("-"), |part| format!("{part:.0} %"));
        let _written = writeln!(
            out,
            "| {} | {:.1} % | {:.1} % | {:.1} % | {come_in} | {} ms | {} ms | {:.0} % \
             | {:.0} → {:.0} MiB | {}, {} | {} | {} |",
            defence.name(),
            calm.goodput,
            attack.goodput,
            after.goodput,
            attack.p50_ms,
            attack.p99_ms,
            attack.processor,
            calm.resident_mib,
            attack.resident_mib,
            attack.offered,
            attack.held_back,
            attack.let_in,
            states(seconds),
        );
    }
    let late = outcomes.iter().map(|outcome| outcome.attack.late_ms).max().unwrap_or_default();
    let _written = writeln!(out, "\nThe honest were late by themselves by {late} ms at most.\n");
    for (what, unit, _) in CHARTS {
        let name = experiment.name.to_lowercase();
        let _written = writeln!(out, "![{}: {unit}](siege/{name}-{what}.svg)\n", experiment.name);
    }
    out
}

/// Each state and the second it was entered in.
fn states(seconds: &[Second]) -> String {
    let mut told = Vec::new();
    let mut last = None;
    for (at, second) in seconds.iter().enumerate() {
        if second.state.is_some() && second.state != last {
            last = second.state;
            told.push(format!("{} at {at} s", last.map_or("", word)));
        }
    }
    if told.is_empty() { String::from("-") } else { told.join(", ") }
}

/// A line for the terminal.
pub(crate) fn line(experiment: &Experiment, outcome: &Outcome) -> String {
    let Outcome { defence, calm, attack, seconds, .. } = outcome;
    let verdicts = experiment.line.verdicts(outcome).into_iter();
    let verdicts =
        verdicts.map(|(holds, text)| if holds { text } else { format!("MISSED {text}") });
    format!(
        "{} {}: goodput {:.1} → {:.1} %, come in {:?}, p99 {} → {} ms, processor {:.0} %, \
         memory {:.0} → {:.0} MiB, offered {} (held back {}), let in {}, {}, late {} ms\n    {}",
        experiment.name,
        defence.name(),
        calm.goodput,
        attack.goodput,
        attack.arrivals.map(f64::round),
        calm.p99_ms,
        attack.p99_ms,
        attack.processor,
        calm.resident_mib,
        attack.resident_mib,
        attack.offered,
        attack.held_back,
        attack.let_in,
        states(seconds),
        attack.late_ms,
        verdicts.collect::<Vec<_>>().join("; "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_when_they_are_entered() {
        let seconds = [None, Some(0), Some(0), Some(2), Some(2), Some(1), Some(0)];
        let seconds: Vec<_> =
            seconds.iter().map(|state| Second { state: *state, ..Second::default() }).collect();
        assert_eq!(
            states(&seconds),
            "normal at 1 s, shedding at 3 s, elevated at 5 s, normal at 6 s"
        );
        assert_eq!(states(&[Second::default()]), "-");
    }
}
