//! The counts of all triggers.
//! Never: memory for a trigger that no record met.

use crate::alert::input::note::Note;
use crate::alert::rule::distinct::DistinctValues;
use crate::alert::rule::first_seen::SeenValues;
use crate::alert::rule::rules::{Measure, Trigger};
use crate::alert::rule::slot::{Slot, WindowTime};
use crate::alert::rule::table::Table;

/// The measurement of a key by a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Measurement {
    pub(crate) count: u64,
    pub(crate) distinct: Option<(&'static str, u64)>,
    pub(crate) is_over: bool,
}

/// The counts of one trigger.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    table: Table,
    whole: Slot,
    values: DistinctValues,
}

impl Counter {
    /// Counts a note. `value` hashes the value that the trigger counts different ones of.
    pub(crate) fn note(
        &mut self,
        trigger: &Trigger,
        hash: u64,
        value: Option<u64>,
        note: &Note,
    ) -> Measurement {
        let time = WindowTime::of(note.at_ms, trigger.window_s);
        match trigger.measure {
            Measure::Gauge | Measure::FirstPrefix | Measure::FirstCode => {
                Measurement { count: 1, distinct: None, is_over: true }
            }
            Measure::Distinct(variety) => {
                let distinct = value.map_or(0, |value| self.values.add(value, time));
                self.whole.add(1, time);
                Measurement {
                    count: self.whole.count(time),
                    distinct: Some((variety.name(), distinct)),
                    is_over: distinct >= trigger.count,
                }
            }
            Measure::Count if trigger.counts_all() => {
                self.whole.add(1, time);
                measured(&self.whole, trigger, time)
            }
            Measure::Count | Measure::CountOf(..) => {
                let slot = self.table.add(hash, value, time);
                slot.map_or(Measurement::default(), |slot| measured(slot, trigger, time))
            }
        }
    }

    /// Counts records whose notes found no space.
    pub(crate) fn add_whole(&mut self, trigger: &Trigger, count: u64, at_ms: u64) -> Measurement {
        let time = WindowTime::of(at_ms, trigger.window_s);
        self.whole.add(count, time);
        measured(&self.whole, trigger, time)
    }
}

fn measured(slot: &Slot, trigger: &Trigger, time: WindowTime) -> Measurement {
    let count = slot.count(time);
    let (distinct, has_values) = match trigger.measure {
        Measure::CountOf(variety, least) => {
            (Some((variety.name(), slot.values())), slot.values() >= least)
        }
        Measure::Count
        | Measure::Distinct(_)
        | Measure::Gauge
        | Measure::FirstPrefix
        | Measure::FirstCode => (None, true),
    };
    Measurement { count, distinct, is_over: count >= trigger.count && has_values }
}

/// All counters, and what was seen before.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) triggers: Vec<Counter>,
    pub(crate) first_seen: SeenValues,
}

impl Counters {
    pub(crate) fn new(triggers: usize) -> Self {
        let triggers = (0..triggers).map(|_| Counter::default()).collect();
        Self { triggers, first_seen: SeenValues::default() }
    }
}
