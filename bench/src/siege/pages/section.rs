//! One experiment of the siege: its tables, its charts, its line for the terminal.
//! Never: attacks of different kinds added up.

use std::fmt::Write;

use crate::pages::chart::{Curve, curves};
use crate::siege::experiment::Experiment;
use crate::siege::figures::line::{Verdict, word};
use crate::siege::figures::outcome::Outcome;
use crate::siege::figures::timeline::Second;
use crate::siege::figures::totals::Totals;
use crate::siege::server::defence::Defence;

/// Between two points of a chart, in seconds.
const STEP_S: usize = 2;
/// The position of a second without answers in a chart, in milliseconds.
const CHART_MAX_MS: f64 = 10_000.0;

/// A curve: its name, its unit, and the function from some seconds to a point.
type Drawn = (&'static str, &'static str, fn(&Totals) -> f64);

const CHARTS: [Drawn; 2] = [
    ("goodput", "goodput, % of messages", |totals| totals.goodput),
    ("latency", "slowest of a hundred acknowledgements, ms", |totals| {
        totals.p99.took_ms().map_or(CHART_MAX_MS, |ms| ms.min(CHART_MAX_MS))
    }),
];

/// The name and the text of each chart.
pub(crate) fn charts(experiment: &Experiment, outcomes: &[Outcome]) -> Vec<(String, String)> {
    let of = |(what, unit, of): Drawn| {
        let name = format!("{}-{what}.svg", experiment.name.to_lowercase());
        (name, chart(experiment, outcomes, unit, of))
    };
    CHARTS.map(of).into()
}

fn chart(
    experiment: &Experiment,
    outcomes: &[Outcome],
    unit: &str,
    of: fn(&Totals) -> f64,
) -> String {
    let mut all: Vec<Curve> = Vec::new();
    // Of several rounds the first one is drawn.
    for defence in Defence::ALL {
        let first = outcomes.iter().find(|outcome| outcome.defence == defence);
        all.extend(first.map(|outcome| {
            let points = outcome.seconds.chunks(STEP_S).enumerate();
            let points = points.map(|(index, part)| (index * STEP_S, of(&Totals::of(part))));
            Curve { label: String::from(defence.name()), points: points.collect() }
        }));
    }
    let from_s = outcomes.first().map(|outcome| outcome.from_s).unwrap_or_default();
    let until_s = outcomes.first().map(|outcome| outcome.until_s).unwrap_or_default();
    let title = format!("{}: {}", experiment.name, experiment.title);
    curves(&title, unit, &format!("seconds; attacked from {from_s} to {until_s}"), &all)
}

/// The part of the page about an experiment.
pub(crate) fn section(experiment: &Experiment, outcomes: &[Outcome]) -> String {
    let mut out = format!("## {}: {}\n\n", experiment.name, experiment.title);
    for flood in experiment.floods {
        let _written = writeln!(out, "- {}", flood.title());
    }
    out.push_str(
        "\n| | goodput before | under attack | after | rejected | returning, new address, \
         unauthenticated admitted | p50 | p90 | p99 | processor | memory | states |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (outcome, name) in outcomes.iter().zip(names(outcomes)) {
        let Outcome { normal, attack, after, seconds, .. } = outcome;
        let _written = writeln!(
            out,
            "| {name} | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {} | {} | {} | {} | {} \
             | {} → {} MiB | {} |",
            normal.goodput,
            attack.goodput,
            after.goodput,
            attack.refused,
            come_in(attack),
            attack.p50,
            attack.p90,
            attack.p99,
            whole(attack.processor, " %"),
            whole(outcome.before_mib(), ""),
            whole(attack.resident_mib, ""),
            states(seconds),
        );
    }
    if experiment.line.records.is_some() {
        out.push_str(&written(outcomes));
    }
    out.push_str(&attacks(outcomes));
    for (what, unit, _) in CHARTS {
        let name = experiment.name.to_lowercase();
        let _written = writeln!(out, "![{}: {unit}](siege/{name}-{what}.svg)\n", experiment.name);
    }
    out
}

/// The bytes that each server wrote to its data directory, in KiB a second.
fn written(outcomes: &[Outcome]) -> String {
    let mut out = String::from(
        "\n| KiB a second | records before | records under attack | most in a second | all of the \
         data directory before | under attack |\n|---|---|---|---|---|---|\n",
    );
    for (outcome, name) in outcomes.iter().zip(names(outcomes)) {
        let a_second = |figure: Option<f64>, seconds: &[Second]| {
            whole(figure.map(|figure| figure / seconds.len().max(1) as f64), "")
        };
        let (normal, attack) = (outcome.normal.growth, outcome.attack.growth);
        let (before, during) = (outcome.before(), outcome.during());
        let _written = writeln!(
            out,
            "| {name} | {} | {} | {} | {} | {} |",
            a_second(normal.map(|it| it.records), before),
            a_second(attack.map(|it| it.records), during),
            whole(outcome.attack.growth_max.map(|it| it.records), ""),
            a_second(normal.map(|it| it.directory), before),
            a_second(attack.map(|it| it.directory), during),
        );
    }
    out
}

/// The result of each flood, and its delay.
fn attacks(outcomes: &[Outcome]) -> String {
    let mut out = String::from(
        "\n| attack | server | due | sent | not sent in time | admitted \
         | then disconnected or rejected | late |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (outcome, name) in outcomes.iter().zip(names(outcomes)) {
        for (flood, tally) in &outcome.floods {
            let _written = writeln!(
                out,
                "| {} | {name} | {} | {} | {} | {} | {} | {} ms |",
                flood.unit(),
                tally.due,
                tally.sent,
                tally.held_back,
                tally.admitted,
                tally.rejected,
                tally.late_ms,
            );
        }
    }
    let late_ms = outcomes.iter().map(|outcome| outcome.attack.late_ms).max().unwrap_or_default();
    let over_ms = outcomes.iter().map(|outcome| outcome.over_ms).max().unwrap_or_default();
    let _written = writeln!(
        out,
        "\nThe generator delayed honest messages by {late_ms} ms at most; the last attacker \
         stopped {over_ms} ms after the end of the attack.\n"
    );
    out
}

/// The names of the outcomes: the defence, and the round if there are several.
fn names(outcomes: &[Outcome]) -> Vec<String> {
    let same = |outcome: &Outcome, among: &[Outcome]| {
        among.iter().filter(|other| other.defence == outcome.defence).count()
    };
    let name = |(index, outcome): (usize, &Outcome)| {
        let name = outcome.defence.name();
        let before = outcomes.get(..=index).unwrap_or_default();
        match same(outcome, outcomes) {
            0 | 1 => String::from(name),
            _ => format!("{name}, {}", same(outcome, before)),
        }
    };
    outcomes.iter().enumerate().map(name).collect()
}

fn come_in(totals: &Totals) -> String {
    totals.arrivals_by_kind.map(|part| whole(part, " %")).join(", ")
}

/// A figure without decimals, if there is one.
fn whole(figure: Option<f64>, unit: &str) -> String {
    figure.map_or_else(|| String::from("-"), |figure| format!("{figure:.0}{unit}"))
}

/// Each state and the second it was entered in.
fn states(seconds: &[Second]) -> String {
    let mut entered = Vec::new();
    let mut last = None;
    for (at, second) in seconds.iter().enumerate() {
        if second.state.is_some() && second.state != last {
            last = second.state;
            entered.push(format!("{} at {at} s", last.map_or("", word)));
        }
    }
    if entered.is_empty() { String::from("-") } else { entered.join(", ") }
}

/// Some lines for the terminal.
pub(crate) fn line(experiment: &Experiment, outcome: &Outcome, round: usize) -> String {
    let Outcome { defence, normal, attack, seconds, floods, over_ms, .. } = outcome;
    let mut out = format!(
        "{} {} {round}: goodput {:.1} → {:.1} %, stored {:.1} %, rejected {:.1} %, admitted {}, \
         p99 {} → {}, processor {}, memory {} → {} MiB, {}, late {} ms, over {over_ms} ms",
        experiment.name,
        defence.name(),
        normal.goodput,
        attack.goodput,
        attack.stored,
        attack.refused,
        come_in(attack),
        normal.p99,
        attack.p99,
        whole(attack.processor, " %"),
        whole(outcome.before_mib(), ""),
        whole(attack.resident_mib, ""),
        states(seconds),
        attack.late_ms,
    );
    for (flood, tally) in floods {
        let _written = write!(
            out,
            "\n    {}: due {}, sent {}, not sent in time {}, admitted {}, rejected {}, late {} ms",
            flood.title(),
            tally.due,
            tally.sent,
            tally.held_back,
            tally.admitted,
            tally.rejected,
            tally.late_ms,
        );
    }
    for (verdict, text) in experiment.line.verdicts(outcome) {
        let word = match verdict {
            Verdict::Holds => "holds",
            Verdict::Missed => "MISSED",
            Verdict::Reported => "reported",
        };
        let _written = write!(out, "\n    {word}: {text}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_listed_when_they_are_entered() {
        let seconds = [None, Some(0), Some(0), Some(2), Some(2), Some(1), Some(0)];
        let seconds: Vec<_> =
            seconds.iter().map(|state| Second { state: *state, ..Second::default() }).collect();
        assert_eq!(
            states(&seconds),
            "normal at 1 s, shedding at 3 s, elevated at 5 s, normal at 6 s"
        );
        assert_eq!(states(&[Second::default()]), "-");
    }

    #[test]
    fn second_without_answers_is_not_drawn_as_fast() {
        let [_, (_, _, latency)] = CHARTS;
        let silent = Second { due: 3, ..Second::default() };
        assert!(latency(&Totals::of(&[silent])) >= CHART_MAX_MS);
    }
}
