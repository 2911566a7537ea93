//! The experiments: what is attacked with what, and for how long.
//! Never: an attack without an end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::task::JoinSet;

use super::crowd::Crowd;
use super::floods::{self, Flood, Siege};
use super::line::{Line, RECOVERY_S};
use super::strikes::intruders;
use super::target::{Defence, Needs, Target};
use super::timeline::{FLOODS_MAX, Second, Timeline};
use super::totals::{Tally, Totals};

/// One experiment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) floods: &'static [Flood],
    pub(crate) line: Line,
    needs: Needs,
    attack_s: u64,
    /// The same in a short run.
    short_s: u64,
    after_s: u64,
    /// Whether Socket.IO on Node is besieged in the same way.
    pub(crate) compared: bool,
    /// How often ours is besieged, with and without priorities.
    pub(crate) rounds: usize,
}

/// What everybody says.
const SAID: &str = "a message with some ordinary words in it, number";
/// Who has no state to return to is watched no longer than that after an attack.
const AFTER_STATELESS_S: u64 = 15;
/// Memory the server is told to have where that runs out, in MiB.
const MEMORY_MIB: u32 = 512;

const PLAIN: Experiment = Experiment {
    name: "",
    title: "",
    floods: &[],
    line: Line::NOTHING,
    needs: Needs { memory_limit_mib: None },
    attack_s: 20,
    short_s: 5,
    after_s: 10,
    compared: true,
    rounds: 1,
};

/// All of them.
pub(crate) const ALL: [Experiment; 9] = [
    Experiment {
        name: "D-1",
        title: "Ten thousand strangers hold sockets open",
        floods: &[Flood::Idle { sockets: 10_000 }],
        line: Line { goodput: Some(98.0), arrivals: Some(99.0), ..Line::NOTHING },
        ..PLAIN
    },
    Experiment {
        name: "D-2",
        title: "A flood of handshakes with bad tokens",
        floods: &[Flood::BadTokens { a_second: 3_000 }],
        line: Line {
            goodput: Some(95.0),
            p99_times: Some(2.0),
            state: Some((1, 1)),
            ..Line::NOTHING
        },
        ..PLAIN
    },
    Experiment {
        name: "D-3",
        title: "A flood of TLS handshakes",
        floods: &[Flood::Tls { a_second: 500 }],
        line: Line { goodput: Some(90.0), ..Line::NOTHING },
        ..PLAIN
    },
    Experiment {
        name: "D-4",
        title: "A flood of log-ins",
        floods: &[Flood::Logins { a_second: 200 }],
        line: Line { goodput: Some(95.0), passwords: Some(64), ..Line::NOTHING },
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-5",
        title: "Fifty signed-in users flood with messages",
        floods: &[Flood::Messages { users: 50, a_second: 200 }],
        // 120 at once and two a second more for each.
        line: Line { goodput: Some(95.0), let_in: Some(50 * 160), ..Line::NOTHING },
        ..PLAIN
    },
    Experiment {
        name: "D-6",
        title: "The store takes nothing",
        floods: &[Flood::Stall, Flood::Intruders { a_second: 2 }],
        line: Line {
            kept: Some(99.0),
            no_intruder: true,
            recovered: Some(99.0),
            back_s: Some(80),
            ..Line::NOTHING
        },
        attack_s: 30,
        after_s: 82,
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-7",
        title: "Five hundred listeners who never read",
        floods: &[Flood::SlowReaders { users: 500 }, Flood::Speakers { users: 10, a_second: 2 }],
        line: Line {
            goodput: Some(98.0),
            resident_more_mib: Some(64.0),
            let_go: Some(99.0),
            ..Line::NOTHING
        },
        // They fall behind, stall for ten seconds, and are given three to close.
        attack_s: 40,
        short_s: 24,
        ..PLAIN
    },
    Experiment {
        name: "D-8",
        title: "Memory runs out",
        floods: &[Flood::Ballast { mib: 430 }, Flood::Idle { sockets: 2_000 }],
        line: Line {
            kept: Some(99.0),
            state: Some((3, 15)),
            resident_max_mib: Some(MEMORY_MIB as f64),
            back_s: Some(80),
            ..Line::NOTHING
        },
        needs: Needs { memory_limit_mib: Some(MEMORY_MIB) },
        // The ballast takes ten seconds to be there.
        short_s: 14,
        after_s: 82,
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-9",
        title: "All at once",
        floods: &[
            Flood::BadTokens { a_second: 3_000 },
            Flood::Messages { users: 50, a_second: 200 },
            Flood::Drip { connections: 500 },
            Flood::Polls { a_second: 300 },
            Flood::PollingSessions { a_second: 100 },
        ],
        line: Line {
            goodput: Some(90.0),
            recovered: Some(99.0),
            back_s: Some(60),
            changes_a_minute: Some(4),
            ..Line::NOTHING
        },
        attack_s: 60,
        after_s: 65,
        rounds: 3,
        ..PLAIN
    },
];

/// How much of it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Full,
    Quick,
}

/// The figures of a run, in seconds from its beginning.
struct Span {
    /// Everybody has signed in and talks, but nothing is counted yet.
    calm_s: u64,
    from_s: u64,
    until_s: u64,
    end_s: u64,
}

impl Size {
    pub(crate) fn people(self) -> usize {
        match self {
            Self::Full => 500,
            Self::Quick => 60,
        }
    }

    /// Rates and numbers of attackers are divided by this.
    pub(crate) fn part(self) -> u32 {
        match self {
            Self::Full => 1,
            Self::Quick => 10,
        }
    }

    fn span(self, experiment: &Experiment, defence: Defence) -> Span {
        let (calm_s, from_s, attack_s, after_s) = match self {
            Self::Full => (4, 12, experiment.attack_s, experiment.after_s),
            Self::Quick => (1, 3, experiment.short_s, 1),
        };
        let after_s = match defence {
            Defence::Priorities => after_s,
            Defence::Flat | Defence::SocketIo => after_s.min(AFTER_STATELESS_S),
        };
        Span { calm_s, from_s, until_s: from_s + attack_s, end_s: from_s + attack_s + after_s }
    }
}

/// What one experiment came to with one defence.
pub(crate) struct Outcome {
    pub(crate) defence: Defence,
    pub(crate) seconds: Vec<Second>,
    /// When the attack began and ended.
    pub(crate) from_s: u64,
    pub(crate) until_s: u64,
    pub(crate) calm: Totals,
    pub(crate) attack: Totals,
    pub(crate) after: Totals,
    /// From `RECOVERY_S` after the attack on.
    pub(crate) recovered: Totals,
    /// What was attacked with, and what became of it.
    pub(crate) floods: Vec<(Flood, Tally)>,
    /// How long after its time the attack was over, in milliseconds.
    pub(crate) over_ms: u64,
    /// Connections of honest users that were lost, in percent of the users.
    pub(crate) lost: f64,
}

impl Outcome {
    fn part(&self, from_s: u64, until_s: u64) -> &[Second] {
        let end = self.seconds.len();
        let index = |at_s: u64| usize::try_from(at_s).unwrap_or(end).min(end);
        self.seconds.get(index(from_s)..index(until_s)).unwrap_or_default()
    }

    /// Memory just before the attack, in MiB: what signing in took is given back by then.
    pub(crate) fn before_mib(&self) -> Option<f64> {
        self.part(self.from_s.saturating_sub(1), self.from_s).last()?.resident_mib
    }

    /// The seconds of the attack.
    pub(crate) fn during(&self) -> &[Second] {
        self.part(self.from_s, self.until_s)
    }

    /// The seconds after it.
    pub(crate) fn later(&self) -> &[Second] {
        self.part(self.until_s, u64::MAX)
    }
}

impl Experiment {
    /// The same as a run of that size judges it.
    pub(crate) fn sized(&self, size: Size) -> Self {
        match size {
            Size::Full => *self,
            Size::Quick => Self { line: self.line.in_short(size.part()), rounds: 1, ..*self },
        }
    }

    pub(crate) async fn run(&self, defence: Defence, size: Size) -> Result<Outcome> {
        ensure!(self.floods.len() <= FLOODS_MAX, "too many floods");
        let target = Rc::new(Target::start(defence, self.needs)?);
        let crowd = Crowd::gather(&target, size.people()).await?;
        let span = size.span(self, defence);
        let floods: Vec<_> = self.floods.iter().map(|flood| flood.part(size.part())).collect();
        let is_tried = floods.iter().any(|flood| matches!(flood, Flood::Intruders { .. }));
        let known = if is_tried { crowd.returning.as_slice() } else { &[] };
        let intruders = intruders(&target, known).await?.into();
        let busy_room = crowd.busy_room.clone();
        let timeline = Arc::new(Timeline::new(usize::try_from(span.end_s)?));
        let mut honest = crowd.go(&target, &timeline, span.end_s * 1_000, SAID);
        let mut others = JoinSet::new();
        others.spawn_local(watch(Rc::clone(&target), Arc::clone(&timeline), span.end_s));
        let siege = Siege {
            door: target.strangers_door(),
            directory: target.directory.path().to_path_buf(),
            timeline: Arc::clone(&timeline),
            from_ms: span.from_s * 1_000,
            end_ms: span.until_s * 1_000,
            busy_room,
            intruders,
            flood: 0,
        };
        let attackers = floods::begin(floods.clone(), siege);
        while honest.join_next().await.is_some() {}
        others.abort_all();
        while others.join_next().await.is_some() {}
        let over_ms = match attackers.join() {
            Ok(ended) => ended?,
            Err(_) => bail!("the attackers have crashed"),
        };
        let seconds = Arc::into_inner(timeline).map(Timeline::into_seconds).unwrap_or_default();
        Ok(outcome(defence, seconds, &span, &floods, over_ms, size))
    }
}

fn outcome(
    defence: Defence,
    seconds: Vec<Second>,
    span: &Span,
    floods: &[Flood],
    over_ms: u64,
    size: Size,
) -> Outcome {
    let Span { calm_s, from_s, until_s, end_s } = *span;
    let lost: u32 = seconds.iter().map(|second| second.lost).sum();
    let tallies = Totals::of(&seconds).floods;
    let mut outcome = Outcome {
        defence,
        seconds,
        from_s,
        until_s,
        calm: Totals::default(),
        attack: Totals::default(),
        after: Totals::default(),
        recovered: Totals::default(),
        floods: floods.iter().copied().zip(tallies).collect(),
        over_ms,
        lost: f64::from(lost) * 100.0 / size.people() as f64,
    };
    let of = |from_s, until_s| Totals::of(outcome.part(from_s, until_s));
    let (calm, attack, after) = (of(calm_s, from_s), of(from_s, until_s), of(until_s, end_s));
    let recovered = of(until_s + RECOVERY_S, end_s);
    (outcome.calm, outcome.attack) = (calm, attack);
    (outcome.after, outcome.recovered) = (after, recovered);
    outcome
}

/// Looks at the server once a second; what cannot be read is not noted.
async fn watch(target: Rc<Target>, timeline: Arc<Timeline>, end_s: u64) {
    let mut before = target.served.cpu_us().ok();
    for second in 1..=end_s {
        timeline.until(second * 1_000 - 50).await;
        let at_ms = second * 1_000 - 1;
        let used = target.served.cpu_us().ok();
        let processor = used.zip(before).map(|(used, before)| (used - before) / 10_000.0);
        before = used;
        let resident_mib = target.served.resident_kib().ok().map(|kib| kib / 1_024.0);
        timeline.note(at_ms, |second| {
            (second.processor, second.resident_mib) = (processor, resident_mib);
        });
        let look = tokio::time::timeout(Duration::from_millis(900), target.look());
        if let Ok(look) = look.await {
            timeline.note(at_ms, |second| {
                (second.state, second.passwords) = (look.state, look.passwords);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_have_names_of_their_own_and_lines_to_hold() {
        for (index, experiment) in ALL.iter().enumerate() {
            assert_eq!(experiment.name, format!("D-{}", index + 1));
            assert_ne!(experiment.line, Line::default());
            assert!((1..=FLOODS_MAX).contains(&experiment.floods.len()));
        }
    }

    #[test]
    fn a_full_siege_ends_within_three_quarters_of_an_hour() {
        // Starting a server and signing everybody in takes some seconds more each time.
        const GATHER_S: u64 = 10;
        let run_s = |experiment: &Experiment, defence| {
            Size::Full.span(experiment, defence).end_s + GATHER_S
        };
        let all_s = ALL.iter().map(|experiment| {
            let ours = run_s(experiment, Defence::Priorities) + run_s(experiment, Defence::Flat);
            let theirs = u64::from(experiment.compared) * run_s(experiment, Defence::SocketIo);
            ours * experiment.rounds as u64 + theirs
        });
        assert!(all_s.sum::<u64>() < 45 * 60);
    }
}
