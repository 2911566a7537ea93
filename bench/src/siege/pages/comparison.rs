//! The comparison of one attack with the alert engine on and off, as text.
//! Never: a verdict about too few messages, or one that the interval does not support.

use std::fmt::Write;

use crate::siege::comparison::{AlertComparison, Pair, RunFigures};
use crate::siege::figures::pairs::{Range, Ratio};

/// The heading of this part of the page.
pub(crate) const HEADING: &str = "## The cost of alerts under attack";
/// The largest permitted difference of p99, in percent.
const PERCENT: f64 = 2.0;
/// The fewest messages of honest users in a run: twenty of them are the slowest hundredth.
const MESSAGES_MIN: u32 = 2_000;
/// The fewest pairs: with fewer, not even the same sign in all of them is evidence.
const PAIRS_MIN: usize = 6;

/// A figure: its name, its unit, and the function that takes it from a run.
type FigureRow = (&'static str, &'static str, fn(&RunFigures) -> f64);

const FIGURES: [FigureRow; 4] = [
    ("p50", " ms", |run| run.p50),
    ("p90", " ms", |run| run.p90),
    ("p99", " ms", |run| run.p99),
    ("processor", " %", |run| run.processor),
];

/// One pair, for the terminal.
pub(crate) fn line(name: &str, number: usize, pair: &Pair) -> String {
    let of = |run: &RunFigures| {
        format!(
            "p50 {:.2}, p90 {:.2}, p99 {:.2} ms, processor {:.1} %",
            run.p50, run.p90, run.p99, run.processor
        )
    };
    format!("{name} pair {number}: alerts on: {}; off: {}", of(&pair.on), of(&pair.off))
}

/// The part of the page.
pub(crate) fn section(comparison: &AlertComparison) -> String {
    let AlertComparison { experiment, pairs } = comparison;
    let runs = || pairs.iter().flat_map(|pair| [pair.on, pair.off]);
    let messages = runs().map(|run| run.messages).min().unwrap_or_default();
    let mut out = format!(
        "{HEADING}\n\n{} ({}) in {} pairs of runs, alternating: one with the alert engine, one \
         with all rules disabled. At least {messages} messages of honest users a run. Medians of \
         the runs while they are attacked, with the smallest and the largest.\n\n\
         | | alerts on | alerts off | on / off, 95 % interval | larger with alerts | sign test |\n\
         |---|---|---|---|---|---|\n",
        experiment.name,
        experiment.title,
        pairs.len(),
    );
    for figure in FIGURES {
        out.push_str(&row(pairs, figure).unwrap_or_default());
    }
    let _written = write!(out, "\n{}\n\n", statement(pairs, messages));
    out
}

fn ratio(pairs: &[Pair], of: fn(&RunFigures) -> f64) -> Option<Ratio> {
    let both: Vec<_> = pairs.iter().map(|pair| (of(&pair.on), of(&pair.off))).collect();
    Ratio::of(&both)
}

fn row(pairs: &[Pair], (name, unit, of): FigureRow) -> Option<String> {
    let range = |run: fn(&Pair) -> RunFigures| {
        let figures: Vec<_> = pairs.iter().map(|pair| of(&run(pair))).collect();
        let Range { median, least, greatest } = Range::of(&figures)?;
        Some(format!("{median:.1}{unit} ({least:.1} to {greatest:.1})"))
    };
    let (on, off) = (range(|pair| pair.on)?, range(|pair| pair.off)?);
    let ratio = ratio(pairs, of)?;
    let Ratio { median, from, to, larger, pairs, .. } = ratio;
    let probability = ratio.sign_probability();
    Some(format!(
        "| {name} | {on} | {off} | {median:.3} ({from:.3} to {to:.3}) | {larger} of {pairs} \
         | p = {probability:.2} |\n"
    ))
}

/// The result for p99, as far as the runs show it.
fn statement(pairs: &[Pair], messages: u32) -> String {
    if messages < MESSAGES_MIN || pairs.len() < PAIRS_MIN {
        return format!(
            "No statement: a run needs {MESSAGES_MIN} messages or more, and a comparison \
             {PAIRS_MIN} pairs or more."
        );
    }
    let Some(ratio) = ratio(pairs, |run| run.p99) else {
        return String::from("No statement: a p99 is missing.");
    };
    if ratio.is_within(PERCENT) {
        return format!("**holds**: p99 with and without alerts is within {PERCENT} %.");
    }
    if ratio.is_above(PERCENT) {
        return format!("**missed**: p99 is more than {PERCENT} % longer with alerts.");
    }
    if ratio.is_below(PERCENT) {
        return format!(
            "Void: p99 is more than {PERCENT} % shorter with alerts, so the runs differ in \
             something else."
        );
    }
    format!(
        "Undecided: the interval of p99 is wider than {PERCENT} % to each side. More pairs make \
         it narrower."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::experiments::ALL;

    fn pairs(count: u32, factor: f64, noise: f64) -> Vec<Pair> {
        let run =
            |p99: f64| RunFigures { messages: 2_000, p50: 2.0, p90: 3.0, p99, processor: 40.0 };
        let pair = |index: u32| {
            let part = 1.0 + noise * (f64::from(index % 4) - 1.5);
            Pair { on: run(5.0 * factor * part), off: run(5.0) }
        };
        (0..count).map(pair).collect()
    }

    #[test]
    fn statement_is_made_only_when_the_runs_support_it() {
        for (count, factor, noise, messages, expect) in [
            (12, 1.0, 0.001, 2_000, "**holds**"),
            (12, 1.05, 0.001, 2_000, "**missed**"),
            (12, 1.0, 0.05, 2_000, "Undecided"),
            (12, 0.9, 0.001, 2_000, "Void"),
            (5, 1.0, 0.001, 2_000, "No statement"),
            (12, 1.0, 0.001, 1_999, "No statement"),
        ] {
            let text = statement(&pairs(count, factor, noise), messages);
            assert!(text.starts_with(expect), "{count} {factor} {noise} {messages}: {text}");
        }
    }

    #[test]
    fn section_has_a_row_for_each_figure() {
        let comparison = AlertComparison { experiment: ALL[1], pairs: pairs(12, 1.0, 0.001) };
        let text = section(&comparison);
        for row in [
            "| p50 | 2.0 ms (2.0 to 2.0) | 2.0 ms (2.0 to 2.0) | 1.000 (1.000 to 1.000) | 0 of 12 ",
            "| p99 | 5.0 ms (5.0 to 5.0) ",
            "| processor | 40.0 % (40.0 to 40.0) ",
            "D-2 (A flood of handshakes with bad tokens) in 12 pairs",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
    }
}
