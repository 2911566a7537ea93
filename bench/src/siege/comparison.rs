//! One attack with the alert engine on and off, in pairs that alternate.
//! Never: two runs at a time, or a statement about runs with too few messages.

use anyhow::{Context, Result, bail, ensure};

use crate::siege::experiment::{Experiment, Size};
use crate::siege::experiments::ALL;
use crate::siege::figures::outcome::Outcome;
use crate::siege::pages::comparison;
use crate::siege::server::defence::{AlertEngine, Defence, Needs};

/// The most pairs of one comparison.
pub(crate) const PAIRS_MAX: usize = 200;
/// The seconds after the attack; they are not part of the comparison.
const AFTER_S: u64 = 1;

/// The figures of one run while it is attacked; latencies and processor time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RunFigures {
    /// Messages that honest users were to send.
    pub(crate) messages: u32,
    /// In milliseconds.
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    /// In percent of one processor.
    pub(crate) processor: f64,
}

/// A run with the engine, and a run without.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    pub(crate) on: RunFigures,
    pub(crate) off: RunFigures,
}

/// The attack of a comparison, and its pairs.
pub(crate) struct AlertComparison {
    pub(crate) experiment: Experiment,
    pub(crate) pairs: Vec<Pair>,
}

/// Runs an experiment in pairs; the setting that runs first alternates as well.
pub(crate) async fn run(name: &str, pairs: usize, size: Size) -> Result<AlertComparison> {
    let found = ALL.iter().find(|experiment| experiment.is_named(name));
    let experiment = found.with_context(|| format!("{name} has no attacker to compare"))?;
    let experiment = experiment.sized(size);
    let mut measured = Vec::new();
    for number in 1..=pairs {
        let pair = if number % 2 == 1 {
            let on = measure(&experiment, AlertEngine::On, size).await?;
            Pair { on, off: measure(&experiment, AlertEngine::Off, size).await? }
        } else {
            let off = measure(&experiment, AlertEngine::Off, size).await?;
            Pair { on: measure(&experiment, AlertEngine::On, size).await?, off }
        };
        println!("{}", comparison::line(name, number, &pair));
        measured.push(pair);
    }
    Ok(AlertComparison { experiment, pairs: measured })
}

async fn measure(experiment: &Experiment, engine: AlertEngine, size: Size) -> Result<RunFigures> {
    let needs = Needs { engine, ..experiment.needs };
    let experiment = Experiment { needs, after_s: AFTER_S, ..*experiment };
    let outcome = experiment.run(Defence::Priorities, size).await?;
    check_engine(engine, &outcome)?;
    figures(&outcome)
}

/// A comparison is void if the engine did not run, or ran although it was switched off.
fn check_engine(engine: AlertEngine, outcome: &Outcome) -> Result<()> {
    let read = outcome.seconds.iter().filter_map(|second| second.evaluations).max();
    let evaluations = read.context("the server did not report how many records rules evaluated")?;
    match engine {
        AlertEngine::On => ensure!(evaluations > 0, "the alert engine evaluated no record"),
        AlertEngine::Off => {
            ensure!(evaluations == 0, "{evaluations} records were evaluated without rules");
        }
    }
    Ok(())
}

fn figures(outcome: &Outcome) -> Result<RunFigures> {
    let attack = outcome.attack;
    let delays = [attack.p50, attack.p90, attack.p99].map(|delay| delay.took_ms());
    let [Some(p50), Some(p90), Some(p99)] = delays else {
        bail!("too many messages without an answer: p99 {}", attack.p99);
    };
    Ok(RunFigures {
        messages: outcome.during().iter().map(|second| second.due).sum(),
        p50,
        p90,
        p99,
        processor: attack.processor.context("the processor time was not read")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::figures::timeline::Second;
    use crate::siege::figures::totals::{Delay, Totals};

    fn outcome(evaluations: Option<u32>) -> Outcome {
        let second = Second { due: 500, evaluations, ..Second::default() };
        Outcome {
            defence: Defence::Priorities,
            seconds: vec![second; 4],
            normal_s: 0,
            from_s: 1,
            until_s: 3,
            normal: Totals::default(),
            attack: Totals {
                p50: Delay::Took(2_100),
                p90: Delay::Took(3_400),
                p99: Delay::Took(5_600),
                processor: Some(40.5),
                ..Totals::default()
            },
            after: Totals::default(),
            recovered: Totals::default(),
            floods: Vec::new(),
            over_ms: 0,
            lost: 0.0,
        }
    }

    #[test]
    fn figures_are_those_of_the_attack() {
        let expect = RunFigures { messages: 1_000, p50: 2.1, p90: 3.4, p99: 5.6, processor: 40.5 };
        assert_eq!(figures(&outcome(None)).unwrap(), expect);
        let mut silent = outcome(None);
        silent.attack.p99 = Delay::Beyond(9_000);
        assert!(figures(&silent).is_err());
    }

    #[test]
    fn comparison_is_void_when_the_engine_is_not_as_configured() {
        for (evaluations, on, off) in
            [(None, false, false), (Some(0), false, true), (Some(9), true, false)]
        {
            let outcome = outcome(evaluations);
            let is_valid = |engine| check_engine(engine, &outcome).is_ok();
            assert_eq!((is_valid(AlertEngine::On), is_valid(AlertEngine::Off)), (on, off));
        }
    }
}
