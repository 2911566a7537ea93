//! The rounds: every server, one after another, then again.
//! Never: two servers at once; the figure of a server that failed.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::rows::baseline;
use crate::rows::connect;
use crate::rows::echo;
use crate::rows::effort::Effort;
use crate::rows::fan_out;
use crate::rows::offenders::{self, Counting, Offenders};
use crate::rows::real_server::look_up;
use crate::rows::real_server::product;
use crate::rows::refused;
use crate::rows::sample::Sample;
use crate::rows::work::{Own, Shared};
use crate::servers::contender::{Contender, Running, start_own};
use crate::servers::echo_server::Setup;
use crate::servers::explain::attempt;

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

/// The participants and the amount of work.
pub(crate) struct Contest {
    pub(crate) effort: Effort,
    pub(crate) contenders: Vec<Contender>,
    /// The servers that are left out, with the reason.
    pub(crate) left_out: BTreeMap<&'static str, String>,
    /// Rows of our own server that could not be measured, and why.
    pub(crate) failed: Vec<String>,
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
        attempt(&running.served, self.measure(&running, effort)).await
    }

    async fn measure(self, running: &Running, effort: &Effort) -> Result<Vec<f64>> {
        match self {
            Self::FanOut => fan_out::measure(running, effort.members, &[1, 32], effort).await,
            Self::Echo => echo::measure(running, &[1, 16], effort).await,
            Self::Connect => {
                let cost = connect::measure(running, effort).await?;
                Ok(vec![cost.cpu_us, cost.resident_kib])
            }
        }
    }
}

impl Contest {
    /// Everyone who is there, or only the one with this name.
    pub(crate) fn new(effort: Effort, only: Option<&str>) -> Self {
        let (contenders, left_out, failed) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut contest = Self { effort, contenders, left_out, failed };
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
                match group.once(contender, &self.effort).await {
                    Ok(figures) => {
                        eprintln!("    {figures:.2?}");
                        rounds.push(figures);
                        kept.push((contender, rounds));
                    }
                    Err(error) if contender == Contender::Portcullis => {
                        self.row_failed(&format!("{group:?}"), &error);
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

    /// Runs the rounds of what only our server does; a row that fails ends no other.
    pub(crate) async fn own(&mut self, works: &[Own]) -> Vec<(Own, Sample)> {
        let mut samples = Vec::new();
        for work in works {
            match self.rounds(*work).await {
                Ok(sample) => samples.push((*work, sample)),
                Err(error) => self.row_failed(work.title(), &error),
            }
        }
        samples
    }

    async fn rounds(&self, work: Own) -> Result<Sample> {
        let mut sample = Sample::default();
        for round in 1..=self.effort.rounds_of(work) {
            let figure = once(work, &self.effort).await?;
            eprintln!("{}, round {round}: {figure:.2} {}", work.title(), work.unit());
            sample.0.push(figure);
        }
        Ok(sample)
    }

    /// Notes a row of our own that could not be measured, with its error.
    pub(crate) fn row_failed(&mut self, title: &str, error: &anyhow::Error) {
        eprintln!("failed: {title}: {error:#}");
        self.failed.push(format!("{title}: {error:#}"));
    }
}

async fn once(work: Own, effort: &Effort) -> Result<f64> {
    match work {
        Own::ConnectEdDsa => {
            let running = start_own(&Setup { eddsa: true, ..Setup::default() })?;
            let cost = attempt(&running.served, connect::measure(&running, effort)).await?;
            Ok(cost.cpu_us)
        }
        Own::IdleTls => {
            let running = start_own(&Setup { tls: true, ..Setup::default() })?;
            let cost = attempt(&running.served, connect::measure(&running, effort)).await?;
            Ok(cost.resident_kib)
        }
        Own::RefusedHandshake => refused::handshakes(effort, 1).await,
        Own::RefusedFlood => refused::handshakes(effort, refused::AT_A_TIME).await,
        Own::LeastRefused => refused::least(effort, 1).await,
        Own::LeastRefusedFlood => refused::least(effort, refused::AT_A_TIME).await,
        Own::RefusedMemory => refused::memory(effort).await,
        Own::RefusedMessage => refused::messages(effort).await,
        Own::OffenderKnown => offenders::each(effort, Offenders::Known, Counting::Tables),
        Own::OffenderFlood => offenders::each(effort, Offenders::Flood, Counting::Tables),
        Own::OffenderLoop => offenders::each(effort, Offenders::Flood, Counting::LoopOnly),
        Own::ChatSend => product::measure(effort).await,
        Own::LookUp => look_up::measure(effort, 0).await,
        Own::LookUpBesideHistory => look_up::measure(effort, look_up::READERS).await,
        Own::Yardstick => baseline::measure(effort).await,
    }
}

fn nth(rounds: &[Vec<f64>], index: usize) -> Sample {
    Sample(rounds.iter().filter_map(|figures| figures.get(index).copied()).collect())
}
