//! The rounds: every server, one after another, then again.
//! Never: two servers at once; the figure of a server that failed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;

use crate::contender::{Contender, start_own};
use crate::echo_server::Setup;
use crate::effort::Effort;
use crate::sample::Sample;
use crate::work::{Own, Shared};
use crate::{baseline, connect, echo, fan_out, product, refused};

const MEMBERS: usize = 1_000;
/// A measurement that takes longer is given up.
const DEADLINE: Duration = Duration::from_secs(300);

/// One kind of work, by every server that did it.
pub(crate) struct Comparison {
    pub(crate) work: Shared,
    pub(crate) columns: Vec<(Contender, Sample)>,
}

impl Comparison {
    pub(crate) fn of(&self, contender: Contender) -> Option<&Sample> {
        self.columns.iter().find(|(of, _)| *of == contender).map(|(_, sample)| sample)
    }
}

/// Who takes part, and how much is done.
pub(crate) struct Contest {
    pub(crate) effort: Effort,
    pub(crate) contenders: Vec<Contender>,
    /// Who does not, and why.
    pub(crate) left_out: BTreeMap<&'static str, String>,
}

/// A group of works that one start of a server is enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    FanOut,
    Echo,
    Connect,
}

impl Group {
    fn works(self) -> &'static [Shared] {
        match self {
            Self::FanOut => &[Shared::FanOutOne, Shared::FanOutMany],
            Self::Echo => &[Shared::EchoOne, Shared::EchoMany],
            Self::Connect => &[Shared::Connect, Shared::Idle],
        }
    }

    async fn once(self, contender: Contender, effort: &Effort) -> Result<Vec<f64>> {
        let running = contender.start()?;
        match self {
            Self::FanOut => fan_out::measure(&running, MEMBERS, &[1, 32], effort).await,
            Self::Echo => echo::measure(&running, &[1, 16], effort).await,
            Self::Connect => {
                let cost = connect::measure(&running, effort).await?;
                Ok(vec![cost.cpu_us, cost.resident_kib])
            }
        }
    }
}

impl Contest {
    /// Everyone who is there, or only the one with this name.
    pub(crate) fn new(effort: Effort, only: Option<&str>) -> Self {
        let mut contest = Self { effort, contenders: Vec::new(), left_out: BTreeMap::new() };
        for contender in Contender::ALL {
            if only.is_some_and(|word| word != contender.word()) {
                continue;
            }
            match contender.missing() {
                None => contest.contenders.push(contender),
                Some(why) => contest.leave_out(contender, why),
            }
        }
        contest
    }

    /// Runs a group's rounds.
    pub(crate) async fn compare(&mut self, group: Group) -> Vec<Comparison> {
        let mut columns: Vec<(Contender, Vec<Vec<f64>>)> =
            self.contenders.iter().map(|contender| (*contender, Vec::new())).collect();
        for round in 1..=self.effort.rounds {
            let mut kept = Vec::new();
            for (contender, mut rounds) in columns {
                eprintln!("{group:?}, round {round}: {}", contender.name());
                let measured = timeout(DEADLINE, group.once(contender, &self.effort)).await;
                match measured.context("took too long").flatten() {
                    Ok(figures) => {
                        eprintln!("    {figures:.2?}");
                        rounds.push(figures);
                        kept.push((contender, rounds));
                    }
                    Err(error) => self.leave_out(contender, format!("{group:?}: {error:#}")),
                }
            }
            columns = kept;
        }
        let comparison = |(index, work): (usize, &Shared)| Comparison {
            work: *work,
            columns: columns.iter().map(|(of, rounds)| (*of, nth(rounds, index))).collect(),
        };
        group.works().iter().enumerate().map(comparison).collect()
    }

    fn leave_out(&mut self, contender: Contender, why: String) {
        eprintln!("left out: {}: {why}", contender.name());
        self.left_out.insert(contender.name(), why);
    }

    /// Runs the rounds of what only our server does.
    pub(crate) async fn own(&self, works: &[Own]) -> Result<Vec<(Own, Sample)>> {
        let mut samples = Vec::new();
        for work in works {
            let mut sample = Sample::default();
            for round in 1..=self.effort.rounds_of(*work) {
                let figure = timeout(DEADLINE, once(*work, &self.effort)).await;
                let figure = figure.context("took too long").flatten();
                let figure = figure.with_context(|| String::from(work.title()))?;
                eprintln!("{}, round {round}: {figure:.2} {}", work.title(), work.unit());
                sample.0.push(figure);
            }
            samples.push((*work, sample));
        }
        Ok(samples)
    }
}

async fn once(work: Own, effort: &Effort) -> Result<f64> {
    match work {
        Own::ConnectEdDsa => {
            let running = start_own(&Setup { eddsa: true, ..Setup::default() })?;
            Ok(connect::measure(&running, effort).await?.cpu_us)
        }
        Own::IdleTls => {
            let running = start_own(&Setup { tls: true, ..Setup::default() })?;
            Ok(connect::measure(&running, effort).await?.resident_kib)
        }
        Own::RefusedHandshake => refused::handshakes(effort, 1).await,
        Own::RefusedFlood => refused::handshakes(effort, refused::AT_A_TIME).await,
        Own::LeastRefused => refused::least(effort, 1).await,
        Own::LeastRefusedFlood => refused::least(effort, refused::AT_A_TIME).await,
        Own::RefusedMemory => refused::memory(effort).await,
        Own::RefusedMessage => refused::messages(effort).await,
        Own::ChatSend => product::measure(effort).await,
        Own::Yardstick => baseline::measure(effort).await,
    }
}

fn nth(rounds: &[Vec<f64>], index: usize) -> Sample {
    Sample(rounds.iter().filter_map(|figures| figures.get(index).copied()).collect())
}
