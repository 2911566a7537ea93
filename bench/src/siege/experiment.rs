//! The experiments: what is attacked with what, and what has to hold.
//! Never: a line that is drawn after the measurement.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use super::crowd::Crowd;
use super::floods::{self, Flood, Siege};
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

/// What has to hold under attack; what says nothing is not asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Line {
    /// Goodput, in percent of what it was before.
    pub(crate) goodput: Option<f64>,
    /// Honest users who come in within two seconds, in percent.
    pub(crate) arrivals: Option<f64>,
    /// The slowest acknowledgement of a hundred, in times of what it was before.
    pub(crate) p99_times: Option<f64>,
    /// Memory gained, in MiB.
    pub(crate) resident_more_mib: Option<f64>,
    /// Connections of honest users that last, in percent.
    pub(crate) kept: Option<f64>,
    /// The state that has to be reached.
    pub(crate) state: Option<u8>,
    /// Whether the normal state has to be reached again before the end.
    pub(crate) back: bool,
}

/// Before the attack.
pub(crate) const CALM_S: u64 = 5;
const SHORT: &str = "a message with some ordinary words in it, number";

const PLAIN: Experiment = Experiment {
    name: "",
    title: "",
    floods: &[],
    line: Line {
        goodput: None,
        arrivals: None,
        p99_times: None,
        resident_more_mib: None,
        kept: None,
        state: None,
        back: false,
    },
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
        line: Line { goodput: Some(98.0), arrivals: Some(99.0), ..PLAIN.line },
        ..PLAIN
    },
    Experiment {
        name: "D-2",
        title: "A flood of handshakes with bad tokens",
        floods: &[Flood::BadTokens { a_second: 3_000 }],
        line: Line { goodput: Some(95.0), p99_times: Some(2.0), state: Some(1), ..PLAIN.line },
        ..PLAIN
    },
    Experiment {
        name: "D-3",
        title: "A flood of TLS handshakes",
        floods: &[Flood::Tls { a_second: 500 }],
        line: Line { goodput: Some(90.0), ..PLAIN.line },
        ..PLAIN
    },
    Experiment {
        name: "D-4",
        title: "A flood of log-ins",
        floods: &[Flood::Logins { a_second: 200 }],
        line: Line { goodput: Some(95.0), ..PLAIN.line },
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-5",
        title: "Fifty signed-in users flood with messages",
        floods: &[Flood::Messages { users: 50, a_second: 200 }],
        line: Line { goodput: Some(95.0), ..PLAIN.line },
        ..PLAIN
    },
    Experiment {
        name: "D-6",
        title: "The store takes nothing",
        floods: &[Flood::Stall],
        line: Line { kept: Some(99.0), back: true, ..PLAIN.line },
        attack_s: 30,
        after_s: 65,
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-7",
        title: "Five hundred listeners who never read",
        floods: &[Flood::SlowReaders { users: 500 }],
        line: Line { goodput: Some(98.0), resident_more_mib: Some(64.0), ..PLAIN.line },
        ..PLAIN
    },
    Experiment {
        name: "D-8",
        title: "Memory runs out",
        floods: &[Flood::Idle { sockets: 2_000 }, Flood::SlowReaders { users: 500 }],
        line: Line { state: Some(3), ..PLAIN.line },
        needs: Needs { memory_limit_mib: Some(64) },
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
        line: Line { goodput: Some(90.0), back: true, ..PLAIN.line },
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
    /// Connections of honest users that were lost, in percent of the users.
    pub(crate) lost: f64,
}

impl Experiment {
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
            database: target.directory.path().join("data/portcullis.db"),
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
            lost: f64::from(lost) * 100.0 / size.people as f64,
            seconds,
        })
    }

    /// What each line says of an outcome: whether it holds, and the figure.
    pub(crate) fn verdicts(&self, outcome: &Outcome) -> Vec<(bool, String)> {
        let Outcome { calm, attack, seconds, lost, .. } = outcome;
        let mut verdicts = Vec::new();
        let mut say = |holds: bool, text: String| verdicts.push((holds, text));
        if let Some(line) = self.line.goodput {
            let share = attack.goodput * 100.0 / calm.goodput.max(1.0);
            say(share >= line, format!("goodput {share:.1} % of before (≥ {line} %)"));
        }
        if let Some(line) = self.line.arrivals {
            let came = attack.arrivals.unwrap_or(0.0);
            say(came >= line, format!("{came:.1} % of users come in (≥ {line} %)"));
        }
        if let Some(line) = self.line.p99_times {
            let times = f64::from(attack.p99_ms) / f64::from(calm.p99_ms.max(1));
            let (before, now) = (calm.p99_ms, attack.p99_ms);
            say(times <= line, format!("p99 {now} ms, before {before} ms (≤ {line}×)"));
        }
        if let Some(line) = self.line.resident_more_mib {
            let more = attack.resident_mib - calm.resident_mib;
            say(more <= line, format!("{more:.0} MiB more (≤ {line} MiB)"));
        }
        if let Some(line) = self.line.kept {
            let kept = 100.0 - lost;
            say(kept >= line, format!("{kept:.1} % of connections last (≥ {line} %)"));
        }
        let states = || seconds.iter().filter_map(|second| second.state);
        if let Some(line) = self.line.state {
            let highest = states().max().unwrap_or_default();
            say(highest >= line, format!("state {} (at least {})", word(highest), word(line)));
        }
        if self.line.back {
            let last = states().next_back().unwrap_or_default();
            say(last == 0, format!("state {} at the end (normal)", word(last)));
        }
        verdicts
    }
}

/// The name of a state.
pub(crate) fn word(state: u8) -> &'static str {
    ["normal", "elevated", "shedding", "critical"].get(usize::from(state)).unwrap_or(&"draining")
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

    fn outcome(calm: f64, attack: f64, states: &[u8]) -> Outcome {
        let second = |state: &u8| Second { state: Some(*state), ..Second::default() };
        Outcome {
            defence: Defence::Priorities,
            seconds: states.iter().map(second).collect(),
            calm: Totals { goodput: calm, p99_ms: 4, ..Totals::default() },
            attack: Totals { goodput: attack, p99_ms: 9, ..Totals::default() },
            after: Totals::default(),
            lost: 2.0,
        }
    }

    #[test]
    fn lines_hold_or_do_not() {
        let line = Line {
            goodput: Some(95.0),
            p99_times: Some(2.0),
            kept: Some(99.0),
            state: Some(2),
            back: true,
            ..PLAIN.line
        };
        let experiment = Experiment { line, ..PLAIN };
        let holds = |outcome: &Outcome| -> Vec<_> {
            experiment.verdicts(outcome).into_iter().map(|(holds, _)| holds).collect()
        };
        assert_eq!(holds(&outcome(100.0, 96.0, &[0, 2, 1])), [true, false, false, true, false]);
        assert_eq!(holds(&outcome(100.0, 94.0, &[0, 1, 0])), [false, false, false, false, true]);
        // Measured against what it was before, which is what the machine gives.
        assert!(holds(&outcome(90.0, 89.0, &[0]))[0]);
    }

    #[test]
    fn experiments_have_names_of_their_own_and_lines_to_hold() {
        for (index, experiment) in ALL.iter().enumerate() {
            assert_eq!(experiment.name, format!("D-{}", index + 1));
            assert_ne!(experiment.line, Line::default());
            assert!(!experiment.floods.is_empty());
        }
    }
}
