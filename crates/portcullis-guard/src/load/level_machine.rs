//! Computes the load level from samples: levels are entered quickly and left one at a time.
//! Never: a clock or a measurement of its own; both are passed in.

use crate::load::signal::{LoadSample, LoadSignal};
use crate::load::state::LoadState;

/// The weight of a new value in an average over a second.
const WEIGHT: f64 = 0.25;
/// The weight of a new value in the average at normal load, over some minutes.
const USUAL_WEIGHT: f64 = 0.002;
/// A signal allows to leave a state below this part of the value that enters it.
const LEAVE_PART: f64 = 0.8;
/// A process that uses less of one core, in percent, waits for other programs: rejecting clients
/// would not help.
const BUSY_MIN: f64 = 5.0;
/// Samples in a row that have to exceed a value.
const SAMPLES: u8 = 2;

/// A change of the state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadChange {
    /// The state before.
    pub from: LoadState,
    /// The state now.
    pub to: LoadState,
    /// The signal that caused it, and its value; none where a lower state was entered.
    pub signal: Option<(LoadSignal, f64)>,
}

/// Computes the state from samples.
#[derive(Debug, Clone)]
pub struct LoadMachine {
    state: LoadState,
    averages: [f64; LoadSignal::ALL.len()],
    busy: f64,
    /// Samples in a row that asked for at least Elevated, Shedding, Critical.
    in_a_row: [u8; 3],
    lower_since_ms: Option<u64>,
    usual_rejections: f64,
    sampled: LoadState,
    /// 0.8 to 1.2, so that the machines of a cluster do not leave a state together.
    jitter: f64,
}

impl LoadMachine {
    /// A machine in Normal. `jitter` is a random number from 0 to 1.
    #[must_use]
    pub fn new(jitter: f64) -> Self {
        Self {
            state: LoadState::Normal,
            averages: [0.0; LoadSignal::ALL.len()],
            busy: 0.0,
            in_a_row: [0; 3],
            lower_since_ms: None,
            usual_rejections: 0.0,
            sampled: LoadState::Normal,
            jitter: 0.8 + 0.4 * jitter.clamp(0.0, 1.0),
        }
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> LoadState {
        self.state
    }

    /// The state that the last sample alone asks for.
    #[must_use]
    pub fn sampled(&self) -> LoadState {
        self.sampled
    }

    /// The value that each signal is compared by, in the order of [`LoadSignal::ALL`].
    #[must_use]
    pub fn values(&self) -> [f64; LoadSignal::ALL.len()] {
        self.averages
    }

    /// Evaluates a sample; returns a change of the state.
    pub fn evaluate(&mut self, sample: &LoadSample, now_ms: u64) -> Option<LoadChange> {
        self.average(sample);
        let worst = self.highest_sampled();
        let sampled = worst.and_then(|(sampled, ..)| LoadState::ALL.get(sampled));
        self.sampled = sampled.copied().unwrap_or_default();
        for (row, state) in self.in_a_row.iter_mut().zip([1, 2, 3]) {
            let sampled = worst.is_some_and(|(sampled, ..)| sampled >= state);
            *row = if sampled { row.saturating_add(1).min(SAMPLES) } else { 0 };
        }
        let highest = self.in_a_row.iter().rposition(|row| *row >= SAMPLES);
        let highest = highest.and_then(|row| LoadState::ALL.get(row + 1)).copied();
        if let Some(to) = highest
            && to > self.state
        {
            self.lower_since_ms = None;
            return Some(self.enter(to, worst.map(|(_, signal, value)| (signal, value))));
        }
        if self.state == LoadState::Normal || !self.is_lower() {
            self.lower_since_ms = None;
            return None;
        }
        let since_ms = *self.lower_since_ms.get_or_insert(now_ms);
        let leave_after_ms = self.state.leave_after_ms() as f64 * self.jitter;
        if (now_ms.saturating_sub(since_ms) as f64) < leave_after_ms {
            return None;
        }
        self.lower_since_ms = Some(now_ms);
        Some(self.enter(self.state.lower(), None))
    }

    fn enter(&mut self, to: LoadState, signal: Option<(LoadSignal, f64)>) -> LoadChange {
        let from = std::mem::replace(&mut self.state, to);
        LoadChange { from, to, signal }
    }

    fn average(&mut self, sample: &LoadSample) {
        self.busy += (sample.busy.clamp(0.0, 1e6) - self.busy) * WEIGHT;
        for ((average, value), signal) in
            self.averages.iter_mut().zip(sample.values).zip(LoadSignal::ALL)
        {
            // A signal that cannot be measured counts as 0.
            let value = if value.is_finite() { value.max(0.0) } else { 0.0 };
            let weight = if signal.is_averaged() { WEIGHT } else { 1.0 };
            *average += (value - *average) * weight;
            if signal == LoadSignal::Refused && self.state == LoadState::Normal {
                self.usual_rejections += (value - self.usual_rejections) * USUAL_WEIGHT;
            }
        }
    }

    /// The highest state that a signal asks for, as 1 to 3, with that signal and its value.
    fn highest_sampled(&self) -> Option<(usize, LoadSignal, f64)> {
        let each = LoadSignal::ALL.into_iter().zip(self.averages).filter_map(|(signal, value)| {
            let enters = signal.enters(self.usual_rejections);
            let value = self.judged(signal, value);
            let over = |from: &Option<f64>| from.is_some_and(|from| signal.is_over(value, from));
            let highest = enters.iter().rposition(over)?;
            Some((highest + 1, signal, value))
        });
        each.max_by_key(|(sampled, ..)| *sampled)
    }

    /// The value that is compared. Waiting that other programs cause asks for Elevated at most.
    fn judged(&self, signal: LoadSignal, value: f64) -> f64 {
        let most = match signal.enters(self.usual_rejections) {
            [_, Some(shedding), _] if self.busy < BUSY_MIN && signal.is_waiting() => {
                shedding * LEAVE_PART - 0.1
            }
            _ => f64::INFINITY,
        };
        value.min(most)
    }

    /// Whether every signal is well below the value that enters the state.
    fn is_lower(&self) -> bool {
        let index = self.state as usize;
        LoadSignal::ALL.into_iter().zip(self.averages).all(|(signal, value)| {
            let enters = signal.enters(self.usual_rejections);
            let from = index.checked_sub(1).and_then(|index| *enters.get(index)?);
            let value = self.judged(signal, value);
            from.is_none_or(|from| value < from * LEAVE_PART)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::load::signal::SAMPLE_INTERVAL_MS;

    fn sample(signal: LoadSignal, value: f64) -> LoadSample {
        let mut sample = LoadSample { busy: 100.0, ..LoadSample::default() };
        sample.values[signal as usize] = value;
        sample
    }

    /// Evaluates one sample repeatedly for a time; returns the states that were entered.
    fn play(
        machine: &mut LoadMachine,
        sample: &LoadSample,
        from_ms: u64,
        ms: u64,
    ) -> Vec<LoadState> {
        let ticks = (from_ms..from_ms + ms).step_by(SAMPLE_INTERVAL_MS as usize);
        ticks
            .filter_map(|now_ms| machine.evaluate(sample, now_ms).map(|change| change.to))
            .collect()
    }

    #[test]
    fn signal_enters_the_documented_states() {
        use LoadState::{Critical, Elevated, Normal, Shedding};
        let cases = [
            (LoadSignal::Queue, 9.0, Normal),
            (LoadSignal::Queue, 12.0, Elevated),
            (LoadSignal::Queue, 25.0, Shedding),
            (LoadSignal::Queue, 120.0, Critical),
            (LoadSignal::Lag, 19.0, Normal),
            (LoadSignal::Lag, 30.0, Elevated),
            (LoadSignal::Lag, 60.0, Shedding),
            (LoadSignal::Lag, 300.0, Critical),
            (LoadSignal::Memory, 70.0, Normal),
            (LoadSignal::Memory, 71.0, Elevated),
            (LoadSignal::Memory, 81.0, Shedding),
            (LoadSignal::Memory, 91.0, Critical),
            (LoadSignal::Places, 71.0, Elevated),
            (LoadSignal::Places, 86.0, Shedding),
            (LoadSignal::Places, 98.0, Critical),
            (LoadSignal::Refused, 49.0, Normal),
            (LoadSignal::Refused, 10_000.0, Elevated),
            (LoadSignal::Store, 1.0, Elevated),
            (LoadSignal::Store, 2.0, Shedding),
            (LoadSignal::Files, 94.0, Normal),
            (LoadSignal::Files, 96.0, Critical),
            (LoadSignal::Files, f64::NAN, Normal),
            (LoadSignal::Memory, f64::INFINITY, Normal),
        ];
        for (signal, value, expect) in cases {
            let mut machine = LoadMachine::new(0.5);
            let states = play(&mut machine, &sample(signal, value), 0, 6_000);
            assert_eq!(machine.state(), expect, "{signal:?} {value}");
            assert!(states.windows(2).all(|pair| pair[0] < pair[1]), "{states:?}");
        }
    }

    #[test]
    fn server_that_waits_for_other_programs_sheds_no_client() {
        for (signal, value) in [(LoadSignal::Queue, 500.0), (LoadSignal::Lag, 1_000.0)] {
            let idle = LoadSample { busy: 2.0, ..sample(signal, value) };
            let mut machine = LoadMachine::new(0.5);
            play(&mut machine, &idle, 0, 60_000);
            assert_eq!(machine.state(), LoadState::Elevated, "{signal:?}");
            play(&mut machine, &sample(signal, value), 60_000, 3_000);
            assert_eq!(machine.state(), LoadState::Critical, "{signal:?} of its own work");
            // Its own work is done; others go on.
            play(&mut machine, &idle, 63_000, 60_000);
            assert_eq!(machine.state(), LoadState::Elevated, "{signal:?}");
        }
        let mut machine = LoadMachine::new(0.5);
        play(&mut machine, &LoadSample { busy: 0.0, ..sample(LoadSignal::Memory, 95.0) }, 0, 1_000);
        assert_eq!(machine.state(), LoadState::Critical, "memory is gone, busy or not");
    }

    #[test]
    fn state_is_entered_after_two_samples() {
        let mut machine = LoadMachine::new(0.5);
        let full = sample(LoadSignal::Memory, 95.0);
        assert_eq!(machine.evaluate(&full, 0), None);
        assert_eq!(machine.evaluate(&LoadSample::default(), 250), None);
        assert_eq!(machine.evaluate(&full, 500), None);
        let change = machine.evaluate(&full, 750).unwrap();
        assert_eq!((change.from, change.to), (LoadState::Normal, LoadState::Critical));
        assert_eq!(change.signal, Some((LoadSignal::Memory, 95.0)));
        // A flood of rejections is detected within a second.
        let mut machine = LoadMachine::new(0.5);
        let states = play(&mut machine, &sample(LoadSignal::Refused, 3_000.0), 0, 1_000);
        assert_eq!(states, [LoadState::Elevated]);
    }

    #[test]
    fn load_level_falls_one_step_at_a_time_after_a_delay() {
        let mut machine = LoadMachine::new(0.5);
        play(&mut machine, &sample(LoadSignal::Lag, 300.0), 0, 10_000);
        assert_eq!(machine.state(), LoadState::Critical);
        let mut left = Vec::new();
        for now_ms in (10_000..100_000).step_by(SAMPLE_INTERVAL_MS as usize) {
            if let Some(change) = machine.evaluate(&LoadSample::default(), now_ms) {
                left.push((change.to, now_ms / 1_000, change.signal));
            }
        }
        let states: Vec<_> = left.iter().map(|(state, ..)| *state).collect();
        use LoadState::{Elevated, Normal, Shedding};
        assert_eq!(states, [Shedding, Elevated, Normal]);
        let [(_, first, _), (_, second, _), (_, third, _)] = left[..] else { panic!("{left:?}") };
        assert!((20..=22).contains(&first), "{left:?}");
        assert_eq!((second - first, third - second), (20, 30), "{left:?}");
        assert!(left.iter().all(|(.., signal)| signal.is_none()));
    }

    #[test]
    fn value_between_the_thresholds_keeps_the_state() {
        let mut machine = LoadMachine::new(0.0);
        play(&mut machine, &sample(LoadSignal::Memory, 75.0), 0, 1_000);
        // Below the threshold of 70, not below 80 % of it.
        assert!(play(&mut machine, &sample(LoadSignal::Memory, 60.0), 1_000, 120_000).is_empty());
        // An interruption restarts the time of lower load.
        for round in 0..5 {
            let at_ms = 130_000 + round * 21_000;
            assert!(
                play(&mut machine, &sample(LoadSignal::Memory, 10.0), at_ms, 20_000).is_empty()
            );
            play(&mut machine, &sample(LoadSignal::Memory, 60.0), at_ms + 20_000, 1_000);
        }
        assert_eq!(machine.state(), LoadState::Elevated);
    }

    #[test]
    fn usual_rejections_do_not_raise_the_load() {
        let mut machine = LoadMachine::new(0.5);
        let states = play(&mut machine, &sample(LoadSignal::Refused, 45.0), 0, 3_600_000);
        assert!(states.is_empty());
        let states = play(&mut machine, &sample(LoadSignal::Refused, 200.0), 3_600_000, 60_000);
        assert!(states.is_empty(), "under five times what is usual here");
        let states = play(&mut machine, &sample(LoadSignal::Refused, 2_000.0), 3_700_000, 2_000);
        assert_eq!(states, [LoadState::Elevated]);
    }

    #[test]
    fn names_are_read_back() {
        for state in LoadState::ALL {
            assert_eq!(LoadState::named(state.name()), Some(state));
        }
        assert_eq!(LoadState::named("Normal"), None);
    }

    proptest! {
        #[test]
        fn any_samples_lower_the_state_one_step_at_a_time(
            looks in proptest::collection::vec(
                (0..7_usize, prop_oneof![Just(f64::NAN), -1e9..1e9_f64, 0.0..300.0_f64]), 1..400
            ),
            jitter in 0.0..1.0_f64
        ) {
            let mut machine = LoadMachine::new(jitter);
            let mut now_ms = 0;
            for (index, value) in looks {
                let mut sample = LoadSample::default();
                sample.values[index] = value;
                let before = machine.state();
                if let Some(change) = machine.evaluate(&sample, now_ms) {
                    prop_assert_eq!(change.from, before);
                    prop_assert_eq!(change.to, machine.state());
                    if change.to < change.from {
                        prop_assert_eq!(change.to, change.from.lower());
                        prop_assert!(change.signal.is_none());
                    } else {
                        prop_assert!(change.signal.is_some());
                    }
                } else {
                    prop_assert_eq!(machine.state(), before);
                }
                now_ms += SAMPLE_INTERVAL_MS;
            }
            play(&mut machine, &LoadSample::default(), now_ms, 300_000);
            prop_assert_eq!(machine.state(), LoadState::Normal);
        }
    }
}
