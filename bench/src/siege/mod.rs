//! The siege: what honest users notice when the server is attacked, beside other ways to defend it.
//! Never: traffic beyond this machine, or an attack without an end.

mod timeline; // what happened in each second
mod totals; // what some seconds come to
mod disk; // what a server writes to its data directory
mod launch; // how it is configured and started
mod target; // the server under siege
mod polling; // a connection, of one kind or the other
mod client_group; // the honest users
mod arrivals; // those of them who come in meanwhile
mod floods; // the attackers
mod schedule; // when they act
mod strikes; // what they do
mod rejections; // what they do to be rejected
mod reader; // one of them, who never reads
mod line; // what has to hold
mod experiments; // what is attacked with what, and for how long
mod experiment; // one of them, from the start to the outcome
mod stock; // a stock client
mod shared; // users behind one address, without an attacker
mod shared_restart; // they come back
mod shared_browser; // what they ask for over HTTPS
mod shared_office; // they log in and work
mod shared_section; // a part of the page about them
mod page; // the page and its charts
mod section; // a part of it: one experiment
mod ablation; // another: with and without priorities

use anyhow::{Result, bail, ensure};

use self::experiment::{Experiment, Size};
use self::experiments::ALL;
use self::line::Verdict;
use self::shared::SharedAddress;
use self::shared_section::SharedResult;
use self::target::Defence;
use crate::measure;

const USAGE: &str = "use [D-1 … D-14] [--quick] [--no-peers] [--check], or D-1 … D-14 --again";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct RequestKind<'a> {
    only: Vec<&'a str>,
    quick: bool,
    no_peers: bool,
    /// Whether a missed line is an error.
    check: bool,
    /// Whether what was asked for takes its place on the page.
    again: bool,
}

impl<'a> RequestKind<'a> {
    fn read(words: &[&'a str]) -> Result<Self> {
        let mut request = Self::default();
        for word in words {
            match *word {
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
        for round in 1..=if self.check { 1 } else { experiment.rounds } {
            runs.push((Defence::Priorities, round));
            if !self.check {
                runs.push((experiment.against, round));
            }
        }
        if !self.no_peers && experiment.compared {
            runs.push((Defence::SocketIo, 1));
        }
        runs
    }
}

fn is_experiment(name: &str) -> bool {
    ALL.iter().any(|experiment| experiment.is_named(name))
        || shared::ALL.iter().any(|experiment| experiment.name == name)
}

/// Runs what was asked for. All of it goes to `docs/`; anything less to the terminal only, so that
/// no page stands there with parts missing.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let request = RequestKind::read(words)?;
    measure::raise_file_limit();
    measure::pin(&[1])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, besiege(&request))
}

async fn besiege(request: &RequestKind<'_>) -> Result<()> {
    let size = if request.quick { Size::Quick } else { Size::Full };
    let wanted = |it: &&Experiment| {
        request.only.is_empty() || request.only.iter().any(|name| it.is_named(name))
    };
    let (mut all, mut missed) = (Vec::new(), 0);
    for experiment in ALL.iter().filter(wanted) {
        let experiment = experiment.sized(size);
        let mut outcomes = Vec::new();
        for (defence, round) in request.runs(&experiment) {
            let outcome = experiment.run(defence, size).await?;
            println!("{}", section::line(&experiment, &outcome, round));
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
        page::write(&all, &shared, size.people())?;
    } else if request.again {
        page::replace(&all, &shared)?;
    } else {
        println!("\n{}", page::summary(&all, &shared));
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
    for experiment in shared::ALL.iter().filter(wanted) {
        let mut outcomes = Vec::new();
        for defence in request.shared_runs(experiment) {
            let outcome = experiment.run(defence, size).await?;
            println!("{}", shared_section::line(experiment, &outcome));
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
        let runs = shared::ALL.map(|experiment| shared.shared_runs(&experiment));
        assert_eq!(runs, [vec![Priorities, SocketIo], vec![Priorities]]);
        assert!(RequestKind::read(&["D-6", "--again"]).unwrap().again);
        for words in [&["--again"][..], &["D-6", "--again", "--quick"]] {
            assert!(RequestKind::read(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_page_is_written_of_everything_or_not_at_all() {
        assert!(RequestKind::read(&[]).unwrap().is_whole());
        for word in ["--quick", "--no-peers", "--check", "D-9"] {
            assert!(!RequestKind::read(&[word]).unwrap().is_whole(), "{word}");
        }
    }
}
