//! The experiments: what is attacked with what, and for how long.
//! Never: an attack without an end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use super::crowd::Crowd;
use super::floods::{self, Flood, Siege};
use super::line::{Line, RECOVERY_S};
use super::target::{Defence, Needs, Target};
use super::timeline::{Second, Timeline, Totals};

/// One experiment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) floods: &'static [Flood],
    pub(crate) line: Line,
    needs: Needs,
    attack_s: u64,
    after_s: u64,
    /// What everybody says.
    text: &'static str,
    /// Whether Socket.IO on Node is besieged in the same way.
    pub(crate) compared: bool,
}

/// Before the attack.
pub(crate) const CALM_S: u64 = 5;
const SHORT: &str = "a message with some ordinary words in it, number";

const PLAIN: Experiment = Experiment {
    name: "",
    title: "",
    floods: &[],
    line: Line::NOTHING,
    needs: Needs { memory_limit_mib: None },
    attack_s: 20,
    after_s: 10,
    text: SHORT,
    compared: true,
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
        line: Line { goodput: Some(95.0), ..Line::NOTHING },
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
        floods: &[Flood::Stall],
        line: Line { kept: Some(99.0), recovered: Some(99.0), back: true, ..Line::NOTHING },
        attack_s: 30,
        after_s: 65,
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-7",
        title: "Five hundred listeners who never read",
        floods: &[Flood::SlowReaders { users: 500 }],
        line: Line { goodput: Some(98.0), resident_more_mib: Some(64.0), ..Line::NOTHING },
        ..PLAIN
    },
    Experiment {
        name: "D-8",
        title: "Memory runs out",
        floods: &[Flood::Ballast { mib: 430 }, Flood::Idle { sockets: 2_000 }],
        line: Line { kept: Some(99.0), state: Some((3, 15)), back: true, ..Line::NOTHING },
        needs: Needs { memory_limit_mib: Some(512) },
        after_s: 75,
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-9",
        title: "All at once",
        floods: &[
            Flood::BadTokens { a_second: 1_500 },
            Flood::Messages { users: 50, a_second: 200 },
            Flood::Drip { connections: 500 },
            Flood::Polls { a_second: 300 },
        ],
        line: Line {
            goodput: Some(90.0),
            recovered: Some(99.0),
            back: true,
            changes_a_minute: Some(4),
            ..Line::NOTHING
        },
        attack_s: 30,
        after_s: 65,
        ..PLAIN
    },
];

/// How much of it is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) people: usize,
    /// Rates and numbers of attackers are divided by this.
    pub(crate) part: u32,
    attack_s: Option<u64>,
    after_s: Option<u64>,
}

impl Size {
    pub(crate) const FULL: Self = Self { people: 500, part: 1, attack_s: None, after_s: None };
    pub(crate) const QUICK: Self =
        Self { people: 60, part: 10, attack_s: Some(5), after_s: Some(2) };
}

/// What one experiment came to with one defence.
pub(crate) struct Outcome {
    pub(crate) defence: Defence,
    pub(crate) seconds: Vec<Second>,
    pub(crate) calm: Totals,
    pub(crate) attack: Totals,
    pub(crate) after: Totals,
    /// From `RECOVERY_S` after the attack on.
    pub(crate) recovered: Totals,
    /// Connections of honest users that were lost, in percent of the users.
    pub(crate) lost: f64,
}

impl Experiment {
    /// The same with the lines of a short run.
    pub(crate) fn in_short(&self) -> Self {
        Self { line: self.line.in_short(), ..*self }
    }

    pub(crate) async fn run(&self, defence: Defence, size: Size) -> Result<Outcome> {
        let target = Rc::new(Target::start(defence, self.needs)?);
        let crowd = Crowd::gather(&target, size.people).await?;
        let busy_room = crowd.busy_room.clone();
        let attack_s = size.attack_s.unwrap_or(self.attack_s);
        let (from_s, until_s) = (CALM_S, CALM_S + attack_s);
        let end_s = until_s + size.after_s.unwrap_or(self.after_s);
        let timeline = Arc::new(Timeline::new(end_s as usize));
        let mut honest = crowd.go(&target, &timeline, end_s * 1_000, self.text);
        let mut others = JoinSet::new();
        others.spawn_local(watch(Rc::clone(&target), Arc::clone(&timeline), end_s));
        let siege = Siege {
            door: target.door.clone(),
            directory: target.directory.path().to_path_buf(),
            timeline: Arc::clone(&timeline),
            from_ms: from_s * 1_000,
            end_ms: until_s * 1_000,
            busy_room,
        };
        let floods = self.floods.iter().map(|flood| flood.part(size.part)).collect();
        let attackers = floods::begin(floods, siege);
        while honest.join_next().await.is_some() {}
        others.abort_all();
        while others.join_next().await.is_some() {}
        match attackers.join() {
            Ok(ended) => ended?,
            Err(_) => bail!("the attackers have crashed"),
        }
        let seconds = Arc::into_inner(timeline).map(Timeline::into_seconds).unwrap_or_default();
        let of = |from: u64, until: u64| {
            Totals::of(seconds.get(from as usize..until as usize).unwrap_or_default())
        };
        let lost: u32 = seconds.iter().map(|second| second.lost).sum();
        Ok(Outcome {
            defence,
            // The first second has those in it who are not awake yet.
            calm: of(1, from_s),
            attack: of(from_s, until_s),
            after: of(until_s, end_s),
            recovered: of(until_s + RECOVERY_S, end_s),
            lost: f64::from(lost) * 100.0 / size.people as f64,
            seconds,
        })
    }
}

/// Looks at the server once a second.
async fn watch(target: Rc<Target>, timeline: Arc<Timeline>, end_s: u64) {
    let mut before = target.served.cpu_us().unwrap_or_default();
    for second in 1..=end_s {
        timeline.until(second * 1_000 - 50).await;
        let at_ms = second * 1_000 - 1;
        let used = target.served.cpu_us().unwrap_or(before);
        let resident_mib = target.served.resident_kib().unwrap_or_default() / 1_024.0;
        let processor = (used - before) / 10_000.0;
        before = used;
        timeline.note(at_ms, |second| {
            second.processor = processor;
            second.resident_mib = resident_mib;
        });
        let look = tokio::time::timeout(Duration::from_millis(900), target.state());
        if let Ok(Some(state)) = look.await {
            timeline.note(at_ms, |second| second.state = Some(state));
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
            assert!(!experiment.floods.is_empty());
        }
    }
}
