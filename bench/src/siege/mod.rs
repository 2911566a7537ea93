//! The siege: what honest users notice when the server is attacked, beside other ways to defend it.
//! Never: traffic beyond this machine, or an attack without an end.

mod timeline; // what happened in each second
mod target; // the server under siege
mod crowd; // the honest
mod floods; // the attackers
mod line; // what has to hold
mod experiment; // what is attacked with what, and for how long
mod page; // the page and its charts

use anyhow::{Result, bail, ensure};

use self::experiment::{ALL, Experiment, Size};
use self::target::Defence;
use crate::measure;

const USAGE: &str = "use [D-1 … D-9] [--quick] [--no-peers] [--check]";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked<'a> {
    only: Vec<&'a str>,
    quick: bool,
    no_peers: bool,
    /// Whether a missed line is an error.
    check: bool,
}

impl<'a> Asked<'a> {
    fn read(words: &[&'a str]) -> Result<Self> {
        let mut asked = Self::default();
        for word in words {
            match *word {
                "--quick" => asked.quick = true,
                "--no-peers" => asked.no_peers = true,
                "--check" => asked.check = true,
                name if ALL.iter().any(|experiment| experiment.name == name) => {
                    asked.only.push(name);
                }
                unknown => bail!("unknown argument {unknown:?}; {USAGE}"),
            }
        }
        Ok(asked)
    }

    fn defences(&self, experiment: &Experiment) -> Vec<Defence> {
        let mut defences = vec![Defence::Priorities];
        if !self.check {
            defences.push(Defence::Flat);
        }
        if !self.no_peers && experiment.compared {
            defences.push(Defence::SocketIo);
        }
        defences
    }
}

/// Runs what was asked for; all of it goes to `docs/`, a part to the terminal.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let asked = Asked::read(words)?;
    measure::raise_file_limit();
    measure::pin(&[1])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, besiege(&asked))
}

async fn besiege(asked: &Asked<'_>) -> Result<()> {
    let size = if asked.quick { Size::QUICK } else { Size::FULL };
    let wanted =
        |experiment: &&Experiment| asked.only.is_empty() || asked.only.contains(&experiment.name);
    let (mut all, mut missed) = (Vec::new(), 0);
    for experiment in ALL.iter().filter(wanted) {
        let experiment = if asked.quick { experiment.in_short() } else { *experiment };
        let mut outcomes = Vec::new();
        for defence in asked.defences(&experiment) {
            let outcome = experiment.run(defence, size).await?;
            println!("{}", page::line(&experiment, &outcome));
            if defence == Defence::Priorities {
                let verdicts = experiment.line.verdicts(&outcome);
                missed += verdicts.iter().filter(|(holds, _)| !holds).count();
            }
            outcomes.push(outcome);
        }
        all.push((experiment, outcomes));
    }
    if asked.only.is_empty() && !asked.quick {
        page::write(&all, size.people)?;
    }
    ensure!(!asked.check || missed == 0, "{missed} lines are missed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let asked = Asked::read(&["D-2", "--quick", "--no-peers"]).unwrap();
        assert_eq!((asked.only.as_slice(), asked.quick, asked.check), (&["D-2"][..], true, false));
        let two = ALL.iter().find(|experiment| experiment.name == "D-2").unwrap();
        assert_eq!(asked.defences(two), [Defence::Priorities, Defence::Flat]);
        assert!(Asked::read(&["D-99"]).is_err());
    }
}
