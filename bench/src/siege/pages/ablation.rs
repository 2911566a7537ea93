//! D-10: the value of priorities: the loss of the same server without them.
//! Never: a difference that is left out because it is small.

use std::fmt::Display;

use crate::siege::experiment::ExperimentResult;
use crate::siege::figures::outcome::Outcome;
use crate::siege::figures::totals::{Delay, Totals};
use crate::siege::server::defence::Defence;

/// The experiment D-10 is judged on.
pub(crate) const JUDGED_ON: &str = "D-9";
/// The smallest visible difference: points of a hundred, or a factor of slowness.
const POINTS: f64 = 5.0;
const TIMES: u32 = 2;

/// A defence's figures under attack, over its rounds.
struct Rounds {
    goodput: Spread<f64>,
    p99: Spread<Delay>,
    come_in: Spread<f64>,
}

/// The middle of some figures, the least and the greatest.
struct Spread<T> {
    median: T,
    least: T,
    greatest: T,
}

impl<T: Copy> Spread<T> {
    fn of(mut figures: Vec<T>, key: fn(&T) -> f64) -> Option<Self> {
        figures.sort_by(|a, b| key(a).total_cmp(&key(b)));
        let (least, greatest) = (*figures.first()?, *figures.last()?);
        Some(Self { median: *figures.get(figures.len() / 2)?, least, greatest })
    }

    fn text<U: Display + PartialEq>(&self, show: impl Fn(T) -> U) -> String {
        let (median, least, greatest) = (show(self.median), show(self.least), show(self.greatest));
        if least == greatest {
            return median.to_string();
        }
        format!("{median} ({least} to {greatest})")
    }
}

impl Rounds {
    fn of(outcomes: &[Outcome], defence: Defence) -> Option<Self> {
        let attacks =
            || outcomes.iter().filter(move |it| it.defence == defence).map(|it| it.attack);
        let come_in = |totals: Totals| totals.arrivals.unwrap_or(0.0);
        Some(Self {
            goodput: Spread::of(attacks().map(|it| it.goodput).collect(), |it| *it)?,
            p99: Spread::of(attacks().map(|it| it.p99).collect(), slowness)?,
            come_in: Spread::of(attacks().map(come_in).collect(), |it| *it)?,
        })
    }

    /// Whether this is visibly worse than that.
    fn is_worse_than(&self, other: &Self) -> bool {
        self.goodput.median < other.goodput.median - POINTS
            || self.come_in.median < other.come_in.median - POINTS
            || slowness(&self.p99.median) > slowness(&other.p99.median) * f64::from(TIMES)
    }

    fn text(&self) -> String {
        let percent = |figure: f64| format!("{figure:.1} %");
        format!(
            "goodput {}, p99 {}, {} admitted",
            self.goodput.text(percent),
            self.p99.text(|delay| delay),
            self.come_in.text(percent),
        )
    }
}

/// The sort key of delays.
fn slowness(delay: &Delay) -> f64 {
    match delay {
        Delay::Took(us) => f64::from(*us),
        Delay::Nothing | Delay::Beyond(_) => f64::from(u32::MAX),
    }
}

/// The line of D-10 in the table of criteria.
pub(crate) fn row(all: &[ExperimentResult]) -> Option<String> {
    let (experiment, outcomes) = all.iter().find(|(it, _)| it.name == JUDGED_ON)?;
    let with = Rounds::of(outcomes, Defence::Priorities)?;
    let without = Rounds::of(outcomes, Defence::Flat)?;
    let verdict = if without.is_worse_than(&with) { "holds" } else { "**missed**" };
    Some(format!(
        "| D-10 | {} ({JUDGED_ON}) without priorities is visibly worse | without: {}; with: {} \
         | {verdict} |\n",
        experiment.title,
        without.text(),
        with.text(),
    ))
}

/// The results of the other experiments on the same question.
pub(crate) fn others(all: &[ExperimentResult]) -> String {
    let (mut worse, mut alike) = (Vec::new(), Vec::new());
    for (experiment, outcomes) in all {
        let with = Rounds::of(outcomes, Defence::Priorities);
        let without = Rounds::of(outcomes, Defence::Flat);
        let Some((with, without)) = with.zip(without) else { continue };
        if without.is_worse_than(&with) { &mut worse } else { &mut alike }.push(experiment.name);
    }
    if worse.is_empty() && alike.is_empty() {
        return String::new();
    }
    let list = |names: &[&str]| match names {
        [] => String::from("none"),
        some => some.join(", "),
    };
    format!(
        "D-10 is judged on {JUDGED_ON} alone. With rounds, figures are medians, with the \
         smallest and the largest in brackets. Visibly worse means goodput or admitted users lower \
         by {POINTS} points, or a p99 more than {TIMES} times as long. Without priorities visibly \
         worse: {}. Little difference: {}.\n\n",
        list(&worse),
        list(&alike),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(goodput: &[f64], p99: Delay) -> Rounds {
        Rounds {
            goodput: Spread::of(goodput.to_vec(), |it| *it).unwrap(),
            p99: Spread::of(vec![p99], slowness).unwrap(),
            come_in: Spread::of(vec![100.0], |it| *it).unwrap(),
        }
    }

    #[test]
    fn ablation_compares_the_medians() {
        let with = rounds(&[99.0, 100.0, 98.0], Delay::Took(20_000));
        assert!(!rounds(&[100.0, 60.0, 97.0], Delay::Took(40_000)).is_worse_than(&with));
        assert!(rounds(&[100.0, 60.0, 70.0], Delay::Took(20_000)).is_worse_than(&with));
        assert!(rounds(&[100.0], Delay::Beyond(9_000)).is_worse_than(&with));
        assert_eq!(with.goodput.text(|it| format!("{it:.0} %")), "99 % (98 % to 100 %)");
        assert_eq!(with.p99.text(|delay| delay), "20.0 ms");
    }
}
