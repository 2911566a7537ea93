//! An experiment: a server, its honest users and its attackers, from the start to the outcome.
//! Never: an attack without an end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::task::JoinSet;

use crate::siege::attack::attackers::intruders;
use crate::siege::attack::floods::{self, Flood};
use crate::siege::attack::schedule::Siege;
use crate::siege::figures::line::{Line, RECOVERY_S};
use crate::siege::figures::outcome::Outcome;
use crate::siege::figures::timeline::{FLOODS_MAX, Second, Timeline};
use crate::siege::figures::totals::Totals;
use crate::siege::observer::Observer;
use crate::siege::server::defence::{Defence, Needs};
use crate::siege::server::disk::Disk;
use crate::siege::server::target::Target;
use crate::siege::users::client_group::ClientGroup;

/// One experiment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) floods: &'static [Flood],
    pub(crate) line: Line,
    pub(super) needs: Needs,
    /// The defence for comparison: our server without one of its parts.
    pub(crate) against: Defence,
    pub(super) attack_s: u64,
    /// The same in a short run.
    pub(super) short_s: u64,
    pub(super) after_s: u64,
    /// Whether Socket.IO on Node is besieged in the same way.
    pub(crate) compared: bool,
    /// Rounds of attacks on our server, with and without priorities.
    pub(crate) rounds: usize,
}

/// An experiment and its outcomes, by defence, with the rounds one after the other.
pub(crate) type ExperimentResult = (Experiment, Vec<Outcome>);

/// The text of the messages.
const PRINTED: &str = "a message with some ordinary words in it, number";
/// The time for which a server without load levels is measured after an attack.
const AFTER_STATELESS_S: u64 = 15;
/// The length of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Full,
    Quick,
}

/// The figures of a run, in seconds from its beginning.
pub(super) struct Span {
    /// All users are signed in and send messages, but nothing is counted yet.
    normal_s: u64,
    from_s: u64,
    until_s: u64,
    pub(super) end_s: u64,
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

    pub(super) fn span(self, experiment: &Experiment, defence: Defence) -> Span {
        let (normal_s, from_s, attack_s, after_s) = match self {
            Self::Full => (4, 12, experiment.attack_s, experiment.after_s),
            Self::Quick => (1, 3, experiment.short_s, 1),
        };
        let after_s = match defence {
            Defence::Priorities => after_s,
            Defence::Flat | Defence::Unguarded | Defence::SocketIo => {
                after_s.min(AFTER_STATELESS_S)
            }
        };
        Span { normal_s, from_s, until_s: from_s + attack_s, end_s: from_s + attack_s + after_s }
    }
}

impl Experiment {
    /// Whether a name on the command line means it: `D-11` means `D-11a` and `D-11b`.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.name == name || self.name.strip_suffix(['a', 'b']) == Some(name)
    }

    /// The same as a run of that size judges it.
    pub(crate) fn sized(&self, size: Size) -> Self {
        match size {
            Size::Full => *self,
            Size::Quick => Self { line: self.line.in_short(size.part()), rounds: 1, ..*self },
        }
    }

    pub(crate) async fn run(&self, defence: Defence, size: Size) -> Result<Outcome> {
        self.run_beside(defence, size, None).await
    }

    /// The same beside an observer, if its command is given.
    pub(crate) async fn run_beside(
        &self,
        defence: Defence,
        size: Size,
        observer: Option<&str>,
    ) -> Result<Outcome> {
        ensure!(self.floods.len() <= FLOODS_MAX, "too many floods");
        let target = Rc::new(Target::start(defence, self.needs)?);
        let observer = observer.map(|command| Observer::start(command, &target)).transpose()?;
        let group = ClientGroup::collect(&target, size.people()).await?;
        let span = size.span(self, defence);
        let floods: Vec<_> = self.floods.iter().map(|flood| flood.part(size.part())).collect();
        let is_tried = floods.iter().any(|flood| matches!(flood, Flood::Intruders { .. }));
        let known = if is_tried { group.returning.as_slice() } else { &[] };
        let intruders = intruders(&target, known).await?.into();
        let busy_room = group.busy_room.clone();
        let timeline = Arc::new(Timeline::new(usize::try_from(span.end_s)?));
        let mut honest = group.go(&target, &timeline, span.end_s * 1_000, PRINTED);
        let mut others = JoinSet::new();
        others.spawn_local(watch(Rc::clone(&target), Arc::clone(&timeline), span.end_s));
        let siege = Siege {
            door: target.admission_limit(),
            directory: target.directory.path().to_path_buf(),
            timeline: Arc::clone(&timeline),
            from_ms: span.from_s * 1_000,
            end_ms: span.until_s * 1_000,
            busy_room,
            intruders,
            signer: target.signer.clone(),
            flood: 0,
        };
        if let Some(observer) = &observer {
            observer.announce(siege.from_ms, siege.end_ms);
        }
        let attackers = floods::begin(floods.clone(), siege);
        while honest.join_next().await.is_some() {}
        others.abort_all();
        while others.join_next().await.is_some() {}
        let over_ms = match attackers.join() {
            Ok(ended) => ended?,
            Err(_) => bail!("the attackers have crashed"),
        };
        observer.map_or(Ok(()), Observer::wait)?;
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
    let Span { normal_s, from_s, until_s, end_s } = *span;
    let lost: u32 = seconds.iter().map(|second| second.lost).sum();
    let tallies = Totals::of(&seconds).floods;
    let mut outcome = Outcome {
        defence,
        seconds,
        normal_s,
        from_s,
        until_s,
        normal: Totals::default(),
        attack: Totals::default(),
        after: Totals::default(),
        recovered: Totals::default(),
        floods: floods.iter().copied().zip(tallies).collect(),
        over_ms,
        lost: f64::from(lost) * 100.0 / size.people() as f64,
    };
    let of = |from_s, until_s| Totals::of(outcome.part(from_s, until_s));
    let (normal, attack, after) = (of(normal_s, from_s), of(from_s, until_s), of(until_s, end_s));
    let recovered = of(until_s + RECOVERY_S, end_s);
    (outcome.normal, outcome.attack) = (normal, attack);
    (outcome.after, outcome.recovered) = (after, recovered);
    outcome
}

/// Samples the server once a second. Values that cannot be read are left out.
async fn watch(target: Rc<Target>, timeline: Arc<Timeline>, end_s: u64) {
    let mut before = target.served.cpu_us().ok();
    let mut disk = Disk::default();
    let _first = disk.growth(target.directory.path());
    for second in 1..=end_s {
        timeline.until(second * 1_000 - 50).await;
        let at_ms = second * 1_000 - 1;
        let used = target.served.cpu_us().ok();
        let processor = used.zip(before).map(|(used, before)| (used - before) / 10_000.0);
        before = used;
        let resident_mib = target.served.resident_kib().ok().map(|kib| kib / 1_024.0);
        let growth = disk.growth(target.directory.path()).ok();
        timeline.note(at_ms, |second| {
            (second.processor, second.resident_mib) = (processor, resident_mib);
            second.growth = growth;
        });
        let look = tokio::time::timeout(Duration::from_millis(900), target.look());
        if let Ok(look) = look.await {
            timeline.note(at_ms, |second| {
                (second.state, second.passwords) = (look.state, look.passwords);
                second.evaluations = look.evaluations;
            });
        }
    }
}
