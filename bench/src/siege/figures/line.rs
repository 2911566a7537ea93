//! The criteria of an experiment, and their verdicts.
//! Never: a criterion that is set after the measurement, or that holds because nothing was read.

use crate::siege::attack::floods::Flood;
use crate::siege::figures::outcome::Outcome;
use crate::siege::figures::tally::Tally;
use crate::siege::figures::timeline::Second;
use crate::siege::figures::totals::Totals;

/// Seconds after an attack that are not evaluated.
pub(crate) const RECOVERY_S: u64 = 30;
/// Goodput before the attack in percent; with less, a run is not valid.
const BEFORE: f64 = 99.0;
/// Share of the seconds that must have samples, in percent.
const READ: usize = 80;
/// Messages that have to be stored by the end of a short run, in percent.
const STORED: f64 = 99.0;

/// The criteria that are evaluated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Judgement {
    #[default]
    All,
    /// Only those that do not depend on the speed of the machine; the others are reported.
    Untimed,
}

/// The result of a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Missed,
    /// Not evaluated in this run.
    Reported,
}

impl Verdict {
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Missed }
    }
}

/// A verdict and its figure.
pub(crate) type LineVerdict = (Verdict, String);

/// The criteria of an experiment under attack; `None` is not a criterion.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Line {
    /// Goodput, in percent of what it was before.
    pub(crate) goodput: Option<f64>,
    /// Honest users with an admission token who connect within two seconds, in percent.
    pub(crate) arrivals: Option<f64>,
    /// The slowest acknowledgement of a hundred, in times of what it was before.
    pub(crate) p99_times: Option<f64>,
    /// Memory gained, in MiB.
    pub(crate) resident_more_mib: Option<f64>,
    /// Memory at most, in MiB.
    pub(crate) resident_max_mib: Option<f64>,
    /// Most accepted messages of floods.
    pub(crate) admitted: Option<u32>,
    /// Most CONNECT and DISCONNECT packets of a user that are answered in full.
    pub(crate) packets_per_user: Option<RecordLimit>,
    /// Most disk space of the security records of an attack.
    pub(crate) records: Option<Records>,
    /// Disconnected clients that never read, in percent.
    pub(crate) disconnected: Option<f64>,
    /// Passwords that wait to be hashed, at most.
    pub(crate) passwords: Option<u32>,
    /// Whether every client with an invalid token must be rejected.
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
    pub(crate) judged: Judgement,
}

impl Line {
    /// No criteria.
    pub(crate) const NOTHING: Self = Self {
        goodput: None,
        arrivals: None,
        p99_times: None,
        resident_more_mib: None,
        resident_max_mib: None,
        admitted: None,
        packets_per_user: None,
        records: None,
        disconnected: None,
        passwords: None,
        no_intruder: false,
        kept: None,
        state: None,
        recovered: None,
        back_s: None,
        changes_a_minute: None,
        judged: Judgement::All,
    };

    /// The limits that hold under other load of the machine, and that a short run can verify.
    pub(crate) fn in_short(self, part: u32) -> Self {
        Self {
            admitted: self.admitted.map(|most| most / part),
            state: self.state.map(|(state, _)| (state, usize::MAX)),
            recovered: None,
            back_s: None,
            changes_a_minute: None,
            judged: Judgement::Untimed,
            ..self
        }
    }

    /// The verdict of each limit about an outcome.
    pub(crate) fn verdicts(self, outcome: &Outcome) -> Vec<LineVerdict> {
        let mut verdicts = self.of_the_honest(outcome);
        verdicts.extend(self.of_attackers(outcome));
        verdicts.extend(self.of_the_server(outcome));
        verdicts.extend(self.of_states(outcome));
        verdicts
    }

    fn timed(self, holds: bool) -> Verdict {
        match self.judged {
            Judgement::All => Verdict::of(holds),
            Judgement::Untimed => Verdict::Reported,
        }
    }

    fn of_the_honest(self, outcome: &Outcome) -> Vec<LineVerdict> {
        let Outcome { normal, attack, recovered, lost, .. } = outcome;
        let mut verdicts = Vec::new();
        let before = normal.goodput;
        let text = format!("goodput before {before:.1} % (≥ {BEFORE} %)");
        verdicts.push((self.timed(before >= BEFORE), text));
        let share = |totals: &Totals| totals.goodput * 100.0 / before.max(1.0);
        if let Some(line) = self.goodput {
            let share = share(attack);
            let text = format!("goodput {share:.1} % of before (≥ {line} %)");
            verdicts.push((self.timed(share >= line), text));
            if self.judged == Judgement::Untimed {
                let stored = attack.stored;
                let text = format!("{stored:.1} % of messages stored (≥ {STORED} %)");
                verdicts.push((Verdict::of(stored >= STORED), text));
            }
        }
        if let Some(line) = self.arrivals {
            let came = attack.arrivals.unwrap_or(0.0);
            let text =
                format!("{came:.1} % of users with an admission token are admitted (≥ {line} %)");
            verdicts.push((self.timed(came >= line), text));
        }
        if let Some(line) = self.p99_times {
            // A round-trip below a millisecond counts as one: the generator's timer has this step.
            let holds = match (normal.p99.took_ms(), attack.p99.took_ms()) {
                (Some(before), Some(now)) => now <= line * before.max(1.0),
                _ => false,
            };
            let text = format!("p99 {}, before {} (≤ {line}×)", attack.p99, normal.p99);
            verdicts.push((self.timed(holds), text));
        }
        if let Some(line) = self.kept {
            let kept = 100.0 - lost;
            let text = format!("{kept:.1} % of connections last (≥ {line} %)");
            verdicts.push((Verdict::of(kept >= line), text));
        }
        if let Some(line) = self.recovered {
            let share = share(recovered);
            let text = format!("goodput {share:.1} % {RECOVERY_S} s later (≥ {line} %)");
            verdicts.push((self.timed(share >= line), text));
        }
        verdicts
    }

    fn of_attackers(self, outcome: &Outcome) -> Vec<LineVerdict> {
        let mut verdicts = Vec::new();
        let of = |kind: fn(&Flood) -> bool| {
            let mut floods = outcome.floods.iter().filter(move |(flood, _)| kind(flood));
            floods.next().map(|(_, tally)| *tally).unwrap_or_default()
        };
        if let Some(line) = self.admitted {
            let Tally { due, sent, admitted, .. } = of(|it| matches!(it, Flood::Messages { .. }));
            let text = format!("{admitted} of {sent} messages were accepted (≤ {line})");
            // A client that sends no more than allowed is not limited; this can happen on a slow
            // machine.
            let tried = match self.judged {
                Judgement::All => sent,
                Judgement::Untimed => due,
            };
            verdicts.push((Verdict::of(admitted <= line && tried > line), text));
        }
        if let Some(line) = self.packets_per_user {
            verdicts.push(packets(outcome, line));
        }
        if let Some(line) = self.disconnected {
            let Tally { admitted, rejected, .. } = of(|it| matches!(it, Flood::SlowReaders { .. }));
            let request = outcome.floods.iter().find_map(|(flood, _)| match flood {
                Flood::SlowReaders { users } => Some(*users),
                _ => None,
            });
            let request = request.unwrap_or_default();
            let share = f64::from(rejected) * 100.0 / f64::from(request.max(1));
            let text = format!(
                "{rejected} of {request} slow consumers disconnected, {admitted} had connected \
                     (≥ {line} %)"
            );
            verdicts.push((Verdict::of(share >= line), text));
        }
        if self.no_intruder {
            let Tally { admitted, rejected, .. } = of(|it| matches!(it, Flood::Intruders { .. }));
            let text = format!(
                "{admitted} with a forged, expired or revoked token were admitted (0), \
                 {rejected} were rejected (> 0)"
            );
            verdicts.push((Verdict::of(admitted == 0 && rejected > 0), text));
        }
        verdicts
    }

    fn of_the_server(self, outcome: &Outcome) -> Vec<LineVerdict> {
        let Outcome { attack, .. } = outcome;
        let mut verdicts = Vec::new();
        if let Some(line) = self.resident_more_mib {
            let before_mib = outcome.before_mib();
            let more = attack.resident_mib.zip(before_mib).map(|(now, then)| now - then);
            let text = format!("{} MiB more (≤ {line} MiB)", or_unread(more));
            verdicts.push((Verdict::of(more.is_some_and(|more| more <= line)), text));
        }
        if let Some(line) = self.records {
            verdicts.push(line.verdict(outcome));
        }
        if let Some(line) = self.resident_max_mib {
            let most = Totals::of(&outcome.seconds).resident_mib;
            let text = format!("{} MiB at most (≤ {line} MiB)", or_unread(most));
            verdicts.push((Verdict::of(most.is_some_and(|most| most <= line)), text));
        }
        if let Some(line) = self.passwords {
            let during = outcome.during();
            let read = is_read(during.iter().map(|second| second.passwords.is_some()));
            let most = attack.passwords.filter(|_| read);
            let text =
                format!("{} passwords wait at most (≤ {line})", or_unread(most.map(f64::from)));
            verdicts.push((Verdict::of(most.is_some_and(|most| most <= line)), text));
        }
        verdicts
    }

    fn of_states(self, outcome: &Outcome) -> Vec<LineVerdict> {
        let mut verdicts = Vec::new();
        if let Some((line, within_s)) = self.state {
            let during = outcome.during().iter().take(within_s);
            let highest = during.filter_map(|second| second.state).max();
            let within = if within_s == usize::MAX {
                String::from("during the attack")
            } else {
                format!("within {within_s} s")
            };
            let text = format!("{} {within} (at least {})", level_text(highest), word(line));
            verdicts.push((Verdict::of(highest.is_some_and(|it| it >= line)), text));
        }
        if let Some(line) = self.changes_a_minute {
            let most = changes_a_minute(&outcome.seconds);
            let text = match most {
                Some(most) => format!("changes of state in a minute: {most} (≤ {line})"),
                None => String::from("changes of state: not read"),
            };
            verdicts.push((Verdict::of(most.is_some_and(|most| most <= line)), text));
        }
        if let Some(line) = self.back_s {
            let back_s = back_s(outcome.later());
            let text = match back_s {
                Some(back_s) => format!("normal {back_s} s after the attack (≤ {line} s)"),
                None => String::from("not seen back in the normal state"),
            };
            verdicts.push((self.timed(back_s.is_some_and(|back_s| back_s <= line)), text));
        }
        verdicts
    }
}

/// The amount that a rate admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordLimit {
    pub(crate) at_once: u32,
    /// Besides, in each second.
    pub(crate) a_second: u32,
}

/// A day's budget of bytes for security records of unauthenticated clients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Records {
    pub(crate) day_mib: u32,
}

/// This part of a day's budget can be written at once; the rest is spread evenly.
const BURST_PART: f64 = 32.0;
const DAY_S: f64 = 86_400.0;

impl Records {
    /// Whether the records of an attack stay within the budget. Bytes are judged in short runs too:
    /// a slow machine writes fewer of them.
    fn verdict(self, outcome: &Outcome) -> LineVerdict {
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

/// Bytes of records during an attack beyond those that users cause, in KiB.
///
/// The rate before the attack is that of the users.
fn records_more(outcome: &Outcome) -> Option<f64> {
    let (normal, attack) = (outcome.normal.growth?, outcome.attack.growth?);
    let normal_s = outcome.before().len().max(1) as f64;
    Some(attack.records - normal.records / normal_s * outcome.during().len() as f64)
}

/// Whether no more packets of a flood were answered in full than the limit of a user lets through.
/// Fewer may be sent than that, because connections over the limit end; more have to be due.
fn packets(outcome: &Outcome, per_user: RecordLimit) -> LineVerdict {
    let (mut users, mut due, mut admitted) = (0, 0, 0);
    for (flood, tally) in &outcome.floods {
        if let Flood::Connects { users: some, .. } = flood {
            users += some;
            due += tally.due;
            admitted += tally.admitted;
        }
    }
    let seconds = u32::try_from(outcome.during().len()).unwrap_or(u32::MAX);
    let line = users * (per_user.at_once + per_user.a_second * seconds);
    let text = format!("{admitted} of {due} packets due were answered in full (≤ {line})");
    (Verdict::of(admitted <= line && due > line), text)
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

/// The most changes of the load level within a minute, from samples of each second; `None` without
/// samples.
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

fn level_text(state: Option<u8>) -> String {
    state.map_or_else(|| String::from("no state read"), |state| format!("state {}", word(state)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::figures::totals::Delay;
    use crate::siege::server::defence::Defence;

    fn seconds(states: &[Option<u8>]) -> Vec<Second> {
        states.iter().map(|state| Second { state: *state, ..Second::default() }).collect()
    }

    /// Two normal seconds, three of attack, and the rest.
    fn outcome(normal: f64, attack: f64, states: &[u8]) -> Outcome {
        let states: Vec<_> = states.iter().map(|state| Some(*state)).collect();
        Outcome {
            defence: Defence::Priorities,
            seconds: seconds(&states),
            normal_s: 0,
            from_s: 2,
            until_s: 5,
            normal: Totals { goodput: normal, p99: Delay::Took(4_000), ..Totals::default() },
            attack: Totals { goodput: attack, p99: Delay::Took(8_100), ..Totals::default() },
            after: Totals::default(),
            recovered: Totals { goodput: attack, ..Totals::default() },
            floods: Vec::new(),
            over_ms: 0,
            lost: 2.0,
        }
    }

    fn holds(line: Line, outcome: &Outcome) -> Vec<bool> {
        let verdicts = line.verdicts(outcome).into_iter();
        verdicts.map(|(verdict, _)| verdict == Verdict::Holds).collect()
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
    fn missing_figures_satisfy_no_limit() {
        let line = Line {
            arrivals: Some(99.0),
            resident_more_mib: Some(64.0),
            resident_max_mib: Some(512.0),
            admitted: Some(10),
            packets_per_user: Some(RecordLimit { at_once: 10, a_second: 1 }),
            records: Some(Records { day_mib: 1 }),
            disconnected: Some(99.0),
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
    fn short_run_evaluates_only_limits_without_time() {
        let line =
            Line { goodput: Some(95.0), disconnected: Some(99.0), ..Line::NOTHING }.in_short(10);
        let mut slow = outcome(0.0, 0.0, &[0]);
        slow.attack.stored = 100.0;
        slow.floods =
            vec![(Flood::SlowReaders { users: 50 }, Tally { rejected: 50, ..Tally::default() })];
        let verdicts: Vec<_> =
            line.verdicts(&slow).into_iter().map(|(verdict, _)| verdict).collect();
        use Verdict::{Holds, Reported};
        assert_eq!(verdicts, [Reported, Reported, Holds, Holds]);
    }

    #[test]
    fn changes_are_counted_in_any_minute() {
        let of = |states: &[u8]| {
            changes_a_minute(&seconds(&states.iter().map(|it| Some(*it)).collect::<Vec<_>>()))
        };
        assert_eq!(changes_a_minute(&[]), None);
        assert_eq!(changes_a_minute(&seconds(&[Some(0), None])), None);
        assert_eq!(of(&[0, 2, 1, 0]), Some(3));
        let (normal, wild) = ([0; 60], [0, 1, 0, 1, 0, 1]);
        assert_eq!(of(&[&normal[..], &wild, &normal].concat()), Some(6));
        assert_eq!(of(&[&[1][..], &normal, &[2]].concat()), Some(1));
    }

    #[test]
    fn recovery_time_ends_at_the_last_entry_to_normal() {
        let of = |states: &[Option<u8>]| back_s(&seconds(states));
        assert_eq!(of(&[Some(0); 5]), Some(0));
        assert_eq!(of(&[Some(1), Some(0), Some(0)]), Some(2));
        assert_eq!(of(&[Some(0), Some(1), Some(0)]), Some(3));
        assert_eq!(of(&[Some(0), Some(1)]), None);
        assert_eq!(of(&[None; 5]), None);
    }
}
