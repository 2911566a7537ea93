//! What has to hold under attack, and whether it did.
//! Never: a line that is drawn after the measurement, or one that holds because nothing was read.

use super::experiment::Outcome;
use super::floods::Flood;
use super::timeline::Second;
use super::totals::{Tally, Totals};

/// How long after an attack everything may still take its time.
pub(crate) const RECOVERY_S: u64 = 30;
/// Goodput before the attack; with less of it, a run says nothing of attacks.
const BEFORE: f64 = 99.0;
/// Of the seconds a line is about, so many have to be read, in percent.
const READ: usize = 80;
/// Messages that have to be stored by the end of a short run, in percent.
const STORED: f64 = 99.0;

/// Which lines are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Judged {
    #[default]
    All,
    /// Only those that do not depend on how fast the machine is; the others are told.
    Untimed,
}

/// What a line comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Missed,
    /// Not judged in a run like this.
    Told,
}

impl Verdict {
    pub(super) fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Missed }
    }
}

/// A verdict and the figure behind it.
pub(crate) type Said = (Verdict, String);

/// What has to hold under attack; what says nothing is not asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Line {
    /// Goodput, in percent of what it was before.
    pub(crate) goodput: Option<f64>,
    /// Honest users with an admission who come in within two seconds, in percent.
    pub(crate) arrivals: Option<f64>,
    /// The slowest acknowledgement of a hundred, in times of what it was before.
    pub(crate) p99_times: Option<f64>,
    /// Memory gained, in MiB.
    pub(crate) resident_more_mib: Option<f64>,
    /// Memory at most, in MiB.
    pub(crate) resident_max_mib: Option<f64>,
    /// What of floods with messages may come through.
    pub(crate) let_in: Option<u32>,
    /// What of a user's CONNECT and DISCONNECT packets may be answered in full.
    pub(crate) packets_per_user: Option<Allowed>,
    /// How much security records of an attack may take of the disk.
    pub(crate) records: Option<Records>,
    /// Readers who never read and are let go, in percent.
    pub(crate) let_go: Option<f64>,
    /// Passwords that wait to be hashed, at most.
    pub(crate) passwords: Option<u32>,
    /// Whether nobody with a token that is none may come in.
    pub(crate) no_intruder: bool,
    /// Connections of honest users that last, in percent.
    pub(crate) kept: Option<f64>,
    /// The state that has to be reached, and within how many seconds.
    pub(crate) state: Option<(u8, usize)>,
    /// Goodput from `RECOVERY_S` after the attack on, in percent of what it was before.
    pub(crate) recovered: Option<f64>,
    /// Within how many seconds after the attack the normal state is entered for good.
    pub(crate) back_s: Option<usize>,
    /// Changes of state in any minute.
    pub(crate) changes_a_minute: Option<usize>,
    pub(crate) judged: Judged,
}

impl Line {
    /// Nothing is asked for.
    pub(crate) const NOTHING: Self = Self {
        goodput: None,
        arrivals: None,
        p99_times: None,
        resident_more_mib: None,
        resident_max_mib: None,
        let_in: None,
        packets_per_user: None,
        records: None,
        let_go: None,
        passwords: None,
        no_intruder: false,
        kept: None,
        state: None,
        recovered: None,
        back_s: None,
        changes_a_minute: None,
        judged: Judged::All,
    };

    /// What has to hold beside whatever else the machine does, and what a short run can show.
    pub(crate) fn in_short(self, part: u32) -> Self {
        Self {
            let_in: self.let_in.map(|most| most / part),
            state: self.state.map(|(state, _)| (state, usize::MAX)),
            recovered: None,
            back_s: None,
            changes_a_minute: None,
            judged: Judged::Untimed,
            ..self
        }
    }

    /// What each line says of an outcome.
    pub(crate) fn verdicts(self, outcome: &Outcome) -> Vec<Said> {
        let mut said = self.of_the_honest(outcome);
        said.extend(self.of_attackers(outcome));
        said.extend(self.of_the_server(outcome));
        said.extend(self.of_states(outcome));
        said
    }

    fn timed(self, holds: bool) -> Verdict {
        match self.judged {
            Judged::All => Verdict::of(holds),
            Judged::Untimed => Verdict::Told,
        }
    }

    fn of_the_honest(self, outcome: &Outcome) -> Vec<Said> {
        let Outcome { calm, attack, recovered, lost, .. } = outcome;
        let mut said = Vec::new();
        let before = calm.goodput;
        let text = format!("goodput before {before:.1} % (≥ {BEFORE} %)");
        said.push((self.timed(before >= BEFORE), text));
        let share = |totals: &Totals| totals.goodput * 100.0 / before.max(1.0);
        if let Some(line) = self.goodput {
            let share = share(attack);
            let text = format!("goodput {share:.1} % of before (≥ {line} %)");
            said.push((self.timed(share >= line), text));
            if self.judged == Judged::Untimed {
                let stored = attack.stored;
                let text = format!("{stored:.1} % of messages stored (≥ {STORED} %)");
                said.push((Verdict::of(stored >= STORED), text));
            }
        }
        if let Some(line) = self.arrivals {
            let came = attack.arrivals.unwrap_or(0.0);
            let text = format!("{came:.1} % of users with an admission come in (≥ {line} %)");
            said.push((self.timed(came >= line), text));
        }
        if let Some(line) = self.p99_times {
            let holds = match (calm.p99.took(), attack.p99.took()) {
                (Some(before), Some(now)) => f64::from(now) <= line * f64::from(before.max(1)),
                _ => false,
            };
            let text = format!("p99 {}, before {} (≤ {line}×)", attack.p99, calm.p99);
            said.push((self.timed(holds), text));
        }
        if let Some(line) = self.kept {
            let kept = 100.0 - lost;
            let text = format!("{kept:.1} % of connections last (≥ {line} %)");
            said.push((Verdict::of(kept >= line), text));
        }
        if let Some(line) = self.recovered {
            let share = share(recovered);
            let text = format!("goodput {share:.1} % {RECOVERY_S} s later (≥ {line} %)");
            said.push((self.timed(share >= line), text));
        }
        said
    }

    fn of_attackers(self, outcome: &Outcome) -> Vec<Said> {
        let mut said = Vec::new();
        let of = |kind: fn(&Flood) -> bool| {
            let mut floods = outcome.floods.iter().filter(move |(flood, _)| kind(flood));
            floods.next().map(|(_, tally)| *tally).unwrap_or_default()
        };
        if let Some(line) = self.let_in {
            let Tally { due, sent, let_in, .. } = of(|it| matches!(it, Flood::Messages { .. }));
            let text = format!("{let_in} of {sent} messages came through (≤ {line})");
            // Who sends no more than may come through is not held up by anything; a slow machine
            // may have to be forgiven for that.
            let tried = match self.judged {
                Judged::All => sent,
                Judged::Untimed => due,
            };
            said.push((Verdict::of(let_in <= line && tried > line), text));
        }
        if let Some(line) = self.packets_per_user {
            said.push(packets(outcome, line));
        }
        if let Some(line) = self.let_go {
            let Tally { let_in, turned_away, .. } =
                of(|it| matches!(it, Flood::SlowReaders { .. }));
            let asked = outcome.floods.iter().find_map(|(flood, _)| match flood {
                Flood::SlowReaders { users } => Some(*users),
                _ => None,
            });
            let asked = asked.unwrap_or_default();
            let share = f64::from(turned_away) * 100.0 / f64::from(asked.max(1));
            let text = format!(
                "{turned_away} of {asked} slow consumers disconnected, {let_in} had connected \
                     (≥ {line} %)"
            );
            said.push((Verdict::of(share >= line), text));
        }
        if self.no_intruder {
            let Tally { let_in, turned_away, .. } = of(|it| matches!(it, Flood::Intruders { .. }));
            let text = format!(
                "{let_in} with a forged, expired or revoked token were admitted (0), \
                 {turned_away} were rejected (> 0)"
            );
            said.push((Verdict::of(let_in == 0 && turned_away > 0), text));
        }
        said
    }

    fn of_the_server(self, outcome: &Outcome) -> Vec<Said> {
        let Outcome { attack, .. } = outcome;
        let mut said = Vec::new();
        if let Some(line) = self.resident_more_mib {
            let before_mib = outcome.before_mib();
            let more = attack.resident_mib.zip(before_mib).map(|(now, then)| now - then);
            let text = format!("{} MiB more (≤ {line} MiB)", or_unread(more));
            said.push((Verdict::of(more.is_some_and(|more| more <= line)), text));
        }
        if let Some(line) = self.records {
            said.push(line.verdict(outcome));
        }
        if let Some(line) = self.resident_max_mib {
            let most = Totals::of(&outcome.seconds).resident_mib;
            let text = format!("{} MiB at most (≤ {line} MiB)", or_unread(most));
            said.push((Verdict::of(most.is_some_and(|most| most <= line)), text));
        }
        if let Some(line) = self.passwords {
            let during = outcome.during();
            let read = is_read(during.iter().map(|second| second.passwords.is_some()));
            let most = attack.passwords.filter(|_| read);
            let text =
                format!("{} passwords wait at most (≤ {line})", or_unread(most.map(f64::from)));
            said.push((Verdict::of(most.is_some_and(|most| most <= line)), text));
        }
        said
    }

    fn of_states(self, outcome: &Outcome) -> Vec<Said> {
        let mut said = Vec::new();
        if let Some((line, within_s)) = self.state {
            let during = outcome.during().iter().take(within_s);
            let highest = during.filter_map(|second| second.state).max();
            let within = if within_s == usize::MAX {
                String::from("during the attack")
            } else {
                format!("within {within_s} s")
            };
            let text = format!("{} {within} (at least {})", told(highest), word(line));
            said.push((Verdict::of(highest.is_some_and(|it| it >= line)), text));
        }
        if let Some(line) = self.changes_a_minute {
            let most = changes_a_minute(&outcome.seconds);
            let text = match most {
                Some(most) => format!("changes of state in a minute: {most} (≤ {line})"),
                None => String::from("changes of state: not read"),
            };
            said.push((Verdict::of(most.is_some_and(|most| most <= line)), text));
        }
        if let Some(line) = self.back_s {
            let back_s = back_s(outcome.later());
            let text = match back_s {
                Some(back_s) => format!("normal {back_s} s after the attack (≤ {line} s)"),
                None => String::from("not seen back in the normal state"),
            };
            said.push((self.timed(back_s.is_some_and(|back_s| back_s <= line)), text));
        }
        said
    }
}

/// What a rate lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) at_once: u32,
    /// Besides, in each second.
    pub(crate) a_second: u32,
}

/// A day's budget of bytes for security records of unauthenticated clients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Records {
    pub(crate) day_mib: u32,
}

/// This part of a day's budget may be written at once; the rest comes evenly.
const BURST_PART: f64 = 32.0;
const DAY_S: f64 = 86_400.0;

impl Records {
    /// Whether the records of an attack stay within the budget. Bytes are judged in short runs too:
    /// a slow machine writes fewer of them.
    fn verdict(self, outcome: &Outcome) -> Said {
        let seconds = outcome.during().len() as f64;
        let burst_kib = f64::from(self.day_mib) * 1_024.0 / BURST_PART;
        let line = burst_kib * (1.0 + (BURST_PART - 1.0) * seconds / DAY_S);
        let Some(more) = records_more(outcome) else {
            return (Verdict::Missed, String::from("the data directory was not read"));
        };
        let text = format!(
            "{more:.0} KiB of records in {seconds} s, beside those of users (≤ {line:.0} KiB, of \
             {} MiB a day)",
            self.day_mib,
        );
        (Verdict::of(more <= line), text)
    }
}

/// What was written of records during an attack beyond what users cause, in KiB: so much was
/// written before it.
fn records_more(outcome: &Outcome) -> Option<f64> {
    let (calm, attack) = (outcome.calm.growth?, outcome.attack.growth?);
    let calm_s = outcome.before().len().max(1) as f64;
    Some(attack.records - calm.records / calm_s * outcome.during().len() as f64)
}

/// Whether no more packets of a flood were answered in full than the limit of a user lets through.
/// Fewer may be sent than that, because connections over the limit end; more have to be due.
fn packets(outcome: &Outcome, per_user: Allowed) -> Said {
    let (mut users, mut due, mut let_in) = (0, 0, 0);
    for (flood, tally) in &outcome.floods {
        if let Flood::Connects { users: some, .. } = flood {
            users += some;
            due += tally.due;
            let_in += tally.let_in;
        }
    }
    let seconds = u32::try_from(outcome.during().len()).unwrap_or(u32::MAX);
    let line = users * (per_user.at_once + per_user.a_second * seconds);
    let text = format!("{let_in} of {due} packets due were answered in full (≤ {line})");
    (Verdict::of(let_in <= line && due > line), text)
}

fn or_unread(figure: Option<f64>) -> String {
    figure.map_or_else(|| String::from("not read:"), |figure| format!("{figure:.0}"))
}

fn is_read(seconds: impl Iterator<Item = bool>) -> bool {
    let seconds: Vec<_> = seconds.collect();
    let read = seconds.iter().filter(|read| **read).count();
    read > 0 && read * 100 >= seconds.len() * READ
}

/// In which second after an attack the normal state is entered for good.
fn back_s(later: &[Second]) -> Option<usize> {
    let last = later.iter().rev().find_map(|second| second.state);
    if last != Some(0) || !is_read(later.iter().map(|second| second.state.is_some())) {
        return None;
    }
    let pressed = later.iter().rposition(|second| second.state.is_some_and(|state| state > 0));
    // A second in which nothing was read may have been the last that was not normal.
    let from = pressed.map_or(0, |at| at + 1);
    let normal = later.get(from..)?.iter().position(|second| second.state.is_some())?;
    Some(if pressed.is_none() && normal == 0 { 0 } else { from + normal + 1 })
}

/// The most changes in any minute of states that were looked at once a second; none when they were
/// not.
fn changes_a_minute(seconds: &[Second]) -> Option<usize> {
    if !is_read(seconds.iter().map(|second| second.state.is_some())) {
        return None;
    }
    let changes = |minute: &[Second]| {
        let states: Vec<_> = minute.iter().filter_map(|second| second.state).collect();
        states.iter().zip(states.iter().skip(1)).filter(|(a, b)| a != b).count()
    };
    seconds.windows(60.min(seconds.len())).map(changes).max()
}

/// The name of a state.
pub(crate) fn word(state: u8) -> &'static str {
    ["normal", "elevated", "shedding", "critical"].get(usize::from(state)).unwrap_or(&"draining")
}

fn told(state: Option<u8>) -> String {
    state.map_or_else(|| String::from("no state read"), |state| format!("state {}", word(state)))
}

#[cfg(test)]
mod tests {
    use super::super::target::Defence;
    use super::super::totals::Delay;
    use super::*;

    fn seconds(states: &[Option<u8>]) -> Vec<Second> {
        states.iter().map(|state| Second { state: *state, ..Second::default() }).collect()
    }

    /// Two calm seconds, three of attack, and what is left.
    fn outcome(calm: f64, attack: f64, states: &[u8]) -> Outcome {
        let states: Vec<_> = states.iter().map(|state| Some(*state)).collect();
        Outcome {
            defence: Defence::Priorities,
            seconds: seconds(&states),
            calm_s: 0,
            from_s: 2,
            until_s: 5,
            calm: Totals { goodput: calm, p99: Delay::Took(4), ..Totals::default() },
            attack: Totals { goodput: attack, p99: Delay::Took(9), ..Totals::default() },
            after: Totals::default(),
            recovered: Totals { goodput: attack, ..Totals::default() },
            floods: Vec::new(),
            over_ms: 0,
            lost: 2.0,
        }
    }

    fn holds(line: Line, outcome: &Outcome) -> Vec<bool> {
        let said = line.verdicts(outcome).into_iter();
        said.map(|(verdict, _)| verdict == Verdict::Holds).collect()
    }

    #[test]
    fn lines_hold_or_do_not() {
        let line = Line {
            goodput: Some(95.0),
            p99_times: Some(2.0),
            kept: Some(99.0),
            state: Some((2, 2)),
            back_s: Some(2),
            ..Line::NOTHING
        };
        // Before, goodput, p99, kept, state, back.
        let good = outcome(100.0, 96.0, &[0, 0, 0, 2, 1, 1, 0, 0]);
        assert_eq!(holds(line, &good), [true, true, false, false, true, true]);
        let late = outcome(98.0, 90.0, &[0, 0, 0, 1, 2, 1, 1, 0]);
        assert_eq!(holds(line, &late), [false, false, false, false, false, false]);
    }

    #[test]
    fn what_was_not_read_holds_nothing() {
        let line = Line {
            arrivals: Some(99.0),
            resident_more_mib: Some(64.0),
            resident_max_mib: Some(512.0),
            let_in: Some(10),
            packets_per_user: Some(Allowed { at_once: 10, a_second: 1 }),
            records: Some(Records { day_mib: 1 }),
            let_go: Some(99.0),
            passwords: Some(64),
            no_intruder: true,
            state: Some((0, 1)),
            back_s: Some(60),
            changes_a_minute: Some(4),
            ..Line::NOTHING
        };
        let nothing = Outcome { seconds: seconds(&[None; 8]), ..outcome(100.0, 0.0, &[]) };
        let mut held = holds(line, &nothing);
        assert!(held.remove(0), "the goodput before");
        assert_eq!(held, [false; 12]);
    }

    #[test]
    fn short_runs_are_judged_by_what_takes_no_time() {
        let line = Line { goodput: Some(95.0), let_go: Some(99.0), ..Line::NOTHING }.in_short(10);
        let mut slow = outcome(0.0, 0.0, &[0]);
        slow.attack.stored = 100.0;
        slow.floods =
            vec![(Flood::SlowReaders { users: 50 }, Tally { turned_away: 50, ..Tally::default() })];
        let said: Vec<_> = line.verdicts(&slow).into_iter().map(|(verdict, _)| verdict).collect();
        use Verdict::{Holds, Told};
        assert_eq!(said, [Told, Told, Holds, Holds]);
    }

    #[test]
    fn changes_are_counted_in_any_minute() {
        let of = |states: &[u8]| {
            changes_a_minute(&seconds(&states.iter().map(|it| Some(*it)).collect::<Vec<_>>()))
        };
        assert_eq!(changes_a_minute(&[]), None);
        assert_eq!(changes_a_minute(&seconds(&[Some(0), None])), None);
        assert_eq!(of(&[0, 2, 1, 0]), Some(3));
        let (calm, wild) = ([0; 60], [0, 1, 0, 1, 0, 1]);
        assert_eq!(of(&[&calm[..], &wild, &calm].concat()), Some(6));
        assert_eq!(of(&[&[1][..], &calm, &[2]].concat()), Some(1));
    }

    #[test]
    fn normal_counts_from_when_it_is_entered_for_good() {
        let of = |states: &[Option<u8>]| back_s(&seconds(states));
        assert_eq!(of(&[Some(0); 5]), Some(0));
        assert_eq!(of(&[Some(1), Some(0), Some(0)]), Some(2));
        assert_eq!(of(&[Some(0), Some(1), Some(0)]), Some(3));
        assert_eq!(of(&[Some(0), Some(1)]), None);
        assert_eq!(of(&[None; 5]), None);
    }
}
