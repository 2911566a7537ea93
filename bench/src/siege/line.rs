//! What has to hold under attack, and whether it did.
//! Never: a line that is drawn after the measurement.

use super::experiment::{CALM_S, Outcome};

/// How long after an attack everything may still take its time.
pub(crate) const RECOVERY_S: u64 = 30;

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
    /// What of the attack may come through.
    pub(crate) let_in: Option<u32>,
    /// Connections of honest users that last, in percent.
    pub(crate) kept: Option<f64>,
    /// The state that has to be reached, and within how many seconds.
    pub(crate) state: Option<(u8, usize)>,
    /// Goodput from `RECOVERY_S` after the attack on, in percent of what it was before.
    pub(crate) recovered: Option<f64>,
    /// Whether the normal state has to be reached again before the end.
    pub(crate) back: bool,
    /// Changes of state in any minute.
    pub(crate) changes_a_minute: Option<usize>,
}

impl Line {
    /// Nothing is asked for.
    pub(crate) const NOTHING: Self = Self {
        goodput: None,
        arrivals: None,
        p99_times: None,
        resident_more_mib: None,
        let_in: None,
        kept: None,
        state: None,
        recovered: None,
        back: false,
        changes_a_minute: None,
    };

    /// What has to hold beside whatever else the machine does: coarse, and only what five seconds
    /// can show.
    pub(crate) fn in_short(self) -> Self {
        let coarse = |line: f64| line.min(75.0);
        Self {
            goodput: self.goodput.map(coarse),
            arrivals: self.arrivals.map(coarse),
            let_in: self.let_in.map(|most| most / 10),
            state: self.state.map(|(state, _)| (state, 5)),
            p99_times: None,
            recovered: None,
            back: false,
            ..self
        }
    }

    /// What each line says of an outcome: whether it holds, and the figure.
    pub(crate) fn verdicts(self, outcome: &Outcome) -> Vec<(bool, String)> {
        let Outcome { calm, attack, seconds, lost, .. } = outcome;
        let mut verdicts = Vec::new();
        let mut say = |holds: bool, text: String| verdicts.push((holds, text));
        if let Some(line) = self.goodput {
            let share = attack.goodput * 100.0 / calm.goodput.max(1.0);
            say(share >= line, format!("goodput {share:.1} % of before (≥ {line} %)"));
        }
        if let Some(line) = self.arrivals {
            let came = attack.arrivals.unwrap_or(0.0);
            say(came >= line, format!("{came:.1} % of users come in (≥ {line} %)"));
        }
        if let Some(line) = self.p99_times {
            let times = f64::from(attack.p99_ms) / f64::from(calm.p99_ms.max(1));
            let (before, now) = (calm.p99_ms, attack.p99_ms);
            say(times <= line, format!("p99 {now} ms, before {before} ms (≤ {line}×)"));
        }
        if let Some(line) = self.resident_more_mib {
            let more = attack.resident_mib - calm.resident_mib;
            say(more <= line, format!("{more:.0} MiB more (≤ {line} MiB)"));
        }
        if let Some(line) = self.let_in {
            let came = attack.let_in;
            say(came <= line, format!("{came} of {} came through (≤ {line})", attack.offered));
        }
        if let Some(line) = self.kept {
            let kept = 100.0 - lost;
            say(kept >= line, format!("{kept:.1} % of connections last (≥ {line} %)"));
        }
        let states = || seconds.iter().filter_map(|second| second.state);
        if let Some((line, within_s)) = self.state {
            let during = seconds.iter().skip(CALM_S as usize).take(within_s);
            let highest = during.filter_map(|second| second.state).max().unwrap_or_default();
            let (reached, line_word) = (word(highest), word(line));
            say(
                highest >= line,
                format!("state {reached} within {within_s} s (at least {line_word})"),
            );
        }
        if let Some(line) = self.recovered {
            let share = outcome.recovered.goodput * 100.0 / calm.goodput.max(1.0);
            say(share >= line, format!("goodput {share:.1} % {RECOVERY_S} s later (≥ {line} %)"));
        }
        if let Some(line) = self.changes_a_minute {
            let most = changes_a_minute(&states().collect::<Vec<_>>());
            say(most <= line, format!("changes of state in a minute: {most} (≤ {line})"));
        }
        if self.back {
            let last = states().next_back().unwrap_or_default();
            say(last == 0, format!("state {} at the end (normal)", word(last)));
        }
        verdicts
    }
}

/// The most changes in any minute of states that were looked at once a second.
fn changes_a_minute(states: &[u8]) -> usize {
    let changes =
        |minute: &[u8]| minute.iter().zip(minute.iter().skip(1)).filter(|(a, b)| a != b).count();
    states.windows(60.min(states.len().max(1))).map(changes).max().unwrap_or_default()
}

/// The name of a state.
pub(crate) fn word(state: u8) -> &'static str {
    ["normal", "elevated", "shedding", "critical"].get(usize::from(state)).unwrap_or(&"draining")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::target::Defence;
    use crate::siege::timeline::{Second, Totals};

    fn outcome(calm: f64, attack: f64, states: &[u8]) -> Outcome {
        let second = |state: &u8| Second { state: Some(*state), ..Second::default() };
        Outcome {
            defence: Defence::Priorities,
            seconds: states.iter().map(second).collect(),
            calm: Totals { goodput: calm, p99_ms: 4, ..Totals::default() },
            attack: Totals { goodput: attack, p99_ms: 9, ..Totals::default() },
            after: Totals::default(),
            recovered: Totals { goodput: attack, ..Totals::default() },
            lost: 2.0,
        }
    }

    #[test]
    fn lines_hold_or_do_not() {
        let line = Line {
            goodput: Some(95.0),
            p99_times: Some(2.0),
            kept: Some(99.0),
            state: Some((2, 2)),
            back: true,
            ..Line::NOTHING
        };
        let holds = |outcome: &Outcome| -> Vec<_> {
            line.verdicts(outcome).into_iter().map(|(holds, _)| holds).collect()
        };
        // Five calm seconds; from then on the attack.
        let states = |during: &[u8]| [&[0; 5][..], during].concat();
        let good = outcome(100.0, 96.0, &states(&[0, 2, 1]));
        assert_eq!(holds(&good), [true, false, false, true, false]);
        let late = outcome(100.0, 94.0, &states(&[0, 1, 2, 0]));
        assert_eq!(holds(&late), [false, false, false, false, true]);
        // Measured against what it was before, which is what the machine gives.
        assert!(holds(&outcome(90.0, 89.0, &[0]))[0]);
    }

    #[test]
    fn changes_are_counted_in_any_minute() {
        assert_eq!(changes_a_minute(&[]), 0);
        assert_eq!(changes_a_minute(&[0, 2, 1, 0]), 3);
        let (calm, wild) = ([0; 60], [0, 1, 0, 1, 0, 1]);
        assert_eq!(changes_a_minute(&[&calm[..], &wild, &calm].concat()), 6);
        assert_eq!(changes_a_minute(&[&[1][..], &calm, &[2]].concat()), 1);
    }
}
