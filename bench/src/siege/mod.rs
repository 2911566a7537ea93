//! The siege: effects of attacks on honest users, with several defences.
//! Never: traffic beyond this machine, or an attack without an end.

mod server; // the server under siege
mod users; // honest users
mod attack; // attackers
mod figures; // events and criteria
mod experiment; // one experiment, from the start to the outcome
mod experiments; // all experiments with attackers
mod observer; // a program beside an experiment
mod comparison; // one attack with and without alerts
mod shared; // experiments with many users behind one address
mod pages; // the page and its charts

use anyhow::{Context, Result, bail, ensure};

use crate::servers::measure;
use crate::siege::comparison::PAIRS_MAX;
use crate::siege::experiment::{Experiment, Size};
use crate::siege::experiments::ALL;
use crate::siege::figures::line::Verdict;
use crate::siege::pages::shared_section::SharedResult;
use crate::siege::server::defence::Defence;
use crate::siege::shared::experiments::SharedAddress;

const USAGE: &str = "use [D-1 … D-14] [--quick] [--no-peers] [--check], D-1 … D-14 --again, \
                     or D-1 … D-12 --compare-alerts PAIRS [--quick] [--again], \
                     or D-1 … D-12 --beside COMMAND [--attackers 198.18] [--attack-s SECONDS] \
                     [--quick]";

/// The longest attack beside a program, in seconds.
const ATTACK_S_MAX: u64 = 600;

/// The parsed command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct RequestKind<'a> {
    only: Vec<&'a str>,
    quick: bool,
    no_peers: bool,
    /// Whether a missed line is an error.
    check: bool,
    /// Whether what was asked for takes its place on the page.
    again: bool,
    /// The number of pairs of runs with and without alerts.
    pairs: Option<usize>,
    /// The command of a program that runs beside the experiment.
    beside: Option<&'a str>,
    /// The first two numbers of the addresses of attackers.
    attackers: Option<[u8; 2]>,
    /// The length of the attack beside that program, in seconds.
    attack_s: Option<u64>,
}

impl<'a> RequestKind<'a> {
    fn read(words: &[&'a str]) -> Result<Self> {
        let mut request = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--beside" => request.beside = Some(words.next().context(USAGE)?),
                "--attackers" => request.attackers = Some(block(words.next().copied())?),
                "--attack-s" => request.attack_s = Some(attack_s(words.next().copied())?),
                "--compare-alerts" => request.pairs = Some(pairs(words.next().copied())?),
                "--quick" => request.quick = true,
                "--no-peers" => request.no_peers = true,
                "--check" => request.check = true,
                "--again" => request.again = true,
                name if is_experiment(name) => request.only.push(name),
                unknown => bail!("unknown argument {unknown:?}; {USAGE}"),
            }
        }
        let alone =
            !request.quick && !request.no_peers && !request.check && !request.only.is_empty();
        ensure!(alone || !request.again, "--again is for whole experiments; {USAGE}");
        ensure!(
            request.beside.is_none() || (request.only.len() == 1 && !request.again),
            "--beside is for one experiment, and not for the page; {USAGE}"
        );
        ensure!(
            request.attack_s.is_none() || request.beside.is_some(),
            "--attack-s needs --beside; {USAGE}"
        );
        let compares = !request.no_peers && !request.check && request.only.len() == 1;
        ensure!(
            compares || request.pairs.is_none(),
            "--compare-alerts is for one experiment; {USAGE}"
        );
        Ok(request)
    }

    /// Whether all of the page was asked for.
    fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// The honest users of an experiment without attackers.
    fn shared_runs(&self, experiment: &SharedAddress) -> Vec<Defence> {
        let mut runs = vec![Defence::Priorities];
        if !self.no_peers && experiment.compared {
            runs.push(Defence::SocketIo);
        }
        runs
    }

    /// The attacked server and the number of the run.
    fn runs(&self, experiment: &Experiment) -> Vec<(Defence, usize)> {
        let mut runs = Vec::new();
        let is_single = self.check || self.beside.is_some();
        for round in 1..=if is_single { 1 } else { experiment.rounds } {
            runs.push((Defence::Priorities, round));
            if !is_single {
                runs.push((experiment.against, round));
            }
        }
        if !self.no_peers && self.beside.is_none() && experiment.compared {
            runs.push((Defence::SocketIo, 1));
        }
        runs
    }
}

/// The number of pairs on the command line.
fn pairs(word: Option<&str>) -> Result<usize> {
    let pairs = word.and_then(|word| word.parse().ok());
    pairs.filter(|pairs| (1..=PAIRS_MAX).contains(pairs)).with_context(|| {
        format!("--compare-alerts needs a number of pairs from 1 to {PAIRS_MAX}; {USAGE}")
    })
}

/// The length of an attack on the command line.
fn attack_s(word: Option<&str>) -> Result<u64> {
    let seconds = word.and_then(|word| word.parse().ok());
    seconds.filter(|seconds| (1..=ATTACK_S_MAX).contains(seconds)).with_context(|| {
        format!("--attack-s needs a number of seconds from 1 to {ATTACK_S_MAX}; {USAGE}")
    })
}

/// The address block of attackers on the command line.
fn block(word: Option<&str>) -> Result<[u8; 2]> {
    let numbers = word.and_then(|word| word.split_once('.'));
    let numbers = numbers.and_then(|(one, two)| Some([one.parse().ok()?, two.parse().ok()?]));
    numbers.with_context(|| format!("--attackers needs two numbers, such as 198.18; {USAGE}"))
}

fn is_experiment(name: &str) -> bool {
    ALL.iter().any(|experiment| experiment.is_named(name))
        || crate::siege::shared::experiments::ALL.iter().any(|experiment| experiment.name == name)
}

/// Runs what was asked for. All of it goes to `docs/`; anything less to the terminal only, so that
/// no page stands there with parts missing.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let request = RequestKind::read(words)?;
    if let Some(block) = request.attackers {
        attack::attackers::come_from(block);
    }
    measure::raise_file_limit();
    measure::pin(&[1])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, besiege(&request))
}

async fn besiege(request: &RequestKind<'_>) -> Result<()> {
    let size = if request.quick { Size::Quick } else { Size::Full };
    if let (Some(pairs), [name]) = (request.pairs, request.only.as_slice()) {
        let compared = comparison::run(name, pairs, size).await?;
        println!("\n{}", pages::comparison::section(&compared));
        return if request.again { pages::page::replace_comparison(&compared) } else { Ok(()) };
    }
    let wanted = |it: &&Experiment| {
        request.only.is_empty() || request.only.iter().any(|name| it.is_named(name))
    };
    let (mut all, mut missed) = (Vec::new(), 0);
    for experiment in ALL.iter().filter(wanted) {
        let mut experiment = experiment.sized(size);
        if let Some(attack_s) = request.attack_s {
            (experiment.attack_s, experiment.short_s) = (attack_s, attack_s);
        }
        let mut outcomes = Vec::new();
        for (defence, round) in request.runs(&experiment) {
            let outcome = experiment.run_beside(defence, size, request.beside).await?;
            println!("{}", crate::siege::pages::section::line(&experiment, &outcome, round));
            if defence == Defence::Priorities {
                let verdicts = experiment.line.verdicts(&outcome);
                missed += verdicts.iter().filter(|(it, _)| *it == Verdict::Missed).count();
            }
            outcomes.push(outcome);
        }
        all.push((experiment, outcomes));
    }
    let (shared, missed_shared) = share_address(request, size).await?;
    if request.is_whole() {
        crate::siege::pages::page::write(&all, &shared, size.people())?;
    } else if request.again {
        crate::siege::pages::page::replace(&all, &shared)?;
    } else {
        println!("\n{}", crate::siege::pages::page::summary(&all, &shared));
    }
    let missed = missed + missed_shared;
    ensure!(!request.check || missed == 0, "{missed} lines are missed");
    Ok(())
}

/// The experiments without an attacker, and how many of their lines are missed.
async fn share_address(
    request: &RequestKind<'_>,
    size: Size,
) -> Result<(Vec<SharedResult>, usize)> {
    let (mut all, mut missed) = (Vec::new(), 0);
    let wanted = |it: &&SharedAddress| request.only.is_empty() || request.only.contains(&it.name);
    for experiment in crate::siege::shared::experiments::ALL.iter().filter(wanted) {
        let mut outcomes = Vec::new();
        for defence in request.shared_runs(experiment) {
            let outcome = experiment.run(defence, size).await?;
            println!("{}", crate::siege::pages::shared_section::line(experiment, &outcome));
            if defence == Defence::Priorities {
                let missed_here = outcome.verdicts.iter().filter(|it| it.0 == Verdict::Missed);
                missed += missed_here.count();
            }
            outcomes.push(outcome);
        }
        all.push((*experiment, outcomes));
    }
    Ok((all, missed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let request = RequestKind::read(&["D-2", "--quick", "--no-peers"]).unwrap();
        assert_eq!(
            (request.only.as_slice(), request.quick, request.check),
            (&["D-2"][..], true, false)
        );
        let [_, two, _, _, _, _, _, _, nine, ..] = &ALL;
        use Defence::{Flat, Priorities, SocketIo};
        assert_eq!(request.runs(two), [(Priorities, 1), (Flat, 1)]);
        let all = RequestKind::default().runs(nine);
        let three = [1, 2, 3].map(|round| [(Priorities, round), (Flat, round)]);
        assert_eq!(all, [&three.concat()[..], &[(SocketIo, 1)]].concat());
        assert!(RequestKind::read(&["D-99"]).is_err());
        let shared = RequestKind::read(&["D-13", "D-14"]).unwrap();
        let runs = crate::siege::shared::experiments::ALL
            .map(|experiment| shared.shared_runs(&experiment));
        assert_eq!(runs, [vec![Priorities, SocketIo], vec![Priorities]]);
        assert!(RequestKind::read(&["D-6", "--again"]).unwrap().again);
        for words in [&["--again"][..], &["D-6", "--again", "--quick"]] {
            assert!(RequestKind::read(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn comparison_is_of_one_experiment_and_a_bounded_number_of_pairs() {
        let request = RequestKind::read(&["D-2", "--compare-alerts", "12", "--again"]).unwrap();
        assert_eq!((request.pairs, request.again), (Some(12), true));
        for words in [
            &["--compare-alerts", "12"][..],
            &["D-2", "--compare-alerts"],
            &["D-2", "--compare-alerts", "0"],
            &["D-2", "--compare-alerts", "201"],
            &["D-2", "D-4", "--compare-alerts", "12"],
            &["D-2", "--compare-alerts", "12", "--check"],
            &["D-2", "--compare-alerts", "12", "--quick", "--again"],
        ] {
            assert!(RequestKind::read(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn length_of_an_attack_is_set_only_beside_a_program() {
        let request = RequestKind::read(&["D-2", "--beside", "true", "--attack-s", "300"]).unwrap();
        assert_eq!(request.attack_s, Some(300));
        for words in [
            &["D-2", "--attack-s", "300"][..],
            &["D-2", "--beside", "true", "--attack-s"],
            &["D-2", "--beside", "true", "--attack-s", "0"],
            &["D-2", "--beside", "true", "--attack-s", "601"],
        ] {
            assert!(RequestKind::read(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn page_is_written_only_for_a_complete_run() {
        assert!(RequestKind::read(&[]).unwrap().is_whole());
        for word in ["--quick", "--no-peers", "--check", "D-9"] {
            assert!(!RequestKind::read(&[word]).unwrap().is_whole(), "{word}");
        }
    }
}
