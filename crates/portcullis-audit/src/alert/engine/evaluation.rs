//! Applies the rules to notes: counts, and opens or continues alerts.
//! Never: sends; see `turn.rs`.

use std::hash::{BuildHasher, RandomState};

use portcullis_model::{Code, Now};

use super::counters::{Counters, Measurement};
use super::incidents::Incidents;
use crate::alert::incident::budget::ClientBudget;
use crate::alert::incident::lifecycle::{Incident, Phase, Proof, REOPEN_MS};
use crate::alert::incident::silence::Silence;
use crate::alert::incident::storm::Storm;
use crate::alert::incident::view::{alert_id, suggestions};
use crate::alert::input::key::KeyRef;
use crate::alert::input::note::{Flag, Note, Text};
use crate::alert::input::queues::Pending;
use crate::alert::notification::AlertSeverity;
use crate::alert::options::AlertOptions;
use crate::alert::rule::rules::{Measure, Rules, Trigger};

/// Times and sizes, in the engine's units.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) resolve_after_ms: i64,
    pub(crate) update_every_ms: i64,
    pub(crate) storm_keys: usize,
    pub(crate) node: String,
}

/// The time of the engine: Unix time at the start, then as the monotonic clock goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EngineTime {
    start: Now,
    pub(crate) now: Now,
    /// The skew when it was compared last.
    checked_skew_ms: i64,
}

impl EngineTime {
    /// Milliseconds of a moment on the monotonic clock.
    pub(crate) fn of(&self, monotonic_ms: u64) -> i64 {
        let signed = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        self.start.unix_ms + signed(monotonic_ms) - signed(self.start.monotonic_ms)
    }

    pub(crate) fn at_ms(&self) -> i64 {
        self.of(self.now.monotonic_ms)
    }

    /// The milliseconds by which the clock moved, against the monotonic one, since the last call.
    pub(crate) fn take_skew_change(&mut self, now: Now) -> i64 {
        let skew_ms = Self { now, ..*self }.skew_ms();
        skew_ms - std::mem::replace(&mut self.checked_skew_ms, skew_ms)
    }

    /// Unix time minus the engine's.
    pub(crate) fn skew_ms(&self) -> i64 {
        self.now.unix_ms - self.at_ms()
    }
}

/// A trigger and the rule it belongs to, for the notes of a code.
#[derive(Debug)]
struct IndexedTrigger {
    rule: usize,
    /// Its index among the triggers of the rule.
    index: usize,
    trigger: Trigger,
}

/// Counters of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct EngineCounts {
    pub(crate) evaluated: u64,
    pub(crate) messages: u64,
    /// Messages that the budget of clients held back.
    pub(crate) held: u64,
}

/// The engine. Worst-case memory: 44 MiB of tables for 59 triggers, 2 MiB beside them.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) rules: Rules,
    pub(crate) settings: Settings,
    pub(crate) time: EngineTime,
    placed: Vec<IndexedTrigger>,
    /// The triggers of each code.
    by_code: Vec<Vec<usize>>,
    hasher: RandomState,
    pub(crate) counters: Counters,
    pub(crate) incidents: Incidents,
    pub(crate) storm: Storm,
    pub(crate) policy: Policy,
    pub(crate) counts: EngineCounts,
    /// Makes ids unique.
    pub(crate) random: u128,
}

/// The limits and silences that hold messages back.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    pub(crate) budget: ClientBudget,
    pub(crate) silences: Vec<Silence>,
    pub(crate) next_silence: u64,
    /// Whether the state differs from what was saved.
    pub(crate) changed: bool,
}

impl Engine {
    /// An engine without alerts. `random` makes ids unique.
    pub(crate) fn new(options: &AlertOptions, now: Now, random: u128) -> Self {
        let rules = options.rules.clone();
        let mut placed: Vec<IndexedTrigger> = Vec::new();
        for (_, rule, trigger) in rules.triggers() {
            let former = placed.last().filter(|former| former.rule == rule);
            let index = former.map_or(0, |former| former.index + 1);
            placed.push(IndexedTrigger { rule, index, trigger: trigger.clone() });
        }
        let mut by_code: Vec<Vec<usize>> = Code::ALL.iter().map(|_| Vec::new()).collect();
        for (number, placed) in placed.iter().enumerate() {
            for condition in placed.trigger.conditions.iter().chain(&placed.trigger.ends) {
                let code = by_code.get_mut(condition.code as usize);
                if let Some(code) = code.filter(|code| code.last() != Some(&number)) {
                    code.push(number);
                }
            }
        }
        let ms = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Self {
            settings: Settings {
                resolve_after_ms: ms(options.resolve_after_s),
                update_every_ms: ms(options.update_every_s),
                storm_keys: options.storm_keys,
                node: options.node_name.clone(),
            },
            time: EngineTime { start: now, now, checked_skew_ms: 0 },
            by_code,
            hasher: RandomState::new(),
            counters: Counters::new(placed.len()),
            incidents: Incidents::new(rules.rules.len()),
            storm: Storm::default(),
            policy: Policy::default(),
            counts: EngineCounts::default(),
            rules,
            placed,
            random,
        }
    }

    /// Applies the rules to what a queue held.
    pub(crate) fn take(&mut self, pending: &Pending, now: Now) {
        self.time.now = now;
        for note in &pending.notes {
            self.note(note, &pending.texts);
        }
        for (number, count) in pending.uncounted.iter().enumerate().filter(|(_, count)| **count > 0)
        {
            self.add_uncounted(number, *count, now);
        }
    }

    fn note(&mut self, note: &Note, texts: &[u8]) {
        self.counts.evaluated += 1;
        let code = note.code as usize;
        let triggers = self.by_code.get(code).map_or(0, Vec::len);
        for index in 0..triggers {
            let number = self.by_code.get(code).and_then(|numbers| numbers.get(index)).copied();
            if let Some(number) = number {
                self.evaluate(number, note, texts);
            }
        }
    }

    fn evaluate(&mut self, number: usize, note: &Note, texts: &[u8]) {
        let Some(IndexedTrigger { rule, trigger, .. }) = self.placed.get(number) else { return };
        let rule = *rule;
        let starts = trigger.conditions.iter().any(|condition| condition.matches(note));
        if !starts && !trigger.ends.iter().any(|condition| condition.matches(note)) {
            return;
        }
        let Some(key) = trigger.key.of(note, texts) else { return };
        let hash = self.hasher.hash_one((rule, key));
        let at_ms = self.time.of(note.at_ms);
        if !starts {
            self.end(hash, at_ms);
            return;
        }
        let value = match trigger.measure {
            Measure::CountOf(variety, _) | Measure::Distinct(variety) => {
                variety.key().of(note, texts).map(|value| self.hasher.hash_one(value))
            }
            Measure::Count | Measure::Gauge | Measure::FirstPrefix | Measure::FirstCode => None,
        };
        if trigger.measure == Measure::FirstPrefix {
            let user = note.text(Text::User, texts).unwrap_or_default();
            if !self.counters.first_seen.is_new_network(user, note, at_ms) {
                return;
            }
        }
        let Some(counter) = self.counters.triggers.get_mut(number) else { return };
        let measured = counter.note(trigger, hash, value, note);
        let is_privileged = note.has(Flag::Privileged);
        let severity = if is_privileged { trigger.privileged } else { trigger.severity };
        let proof = || Proof {
            code: note.code,
            at_ms: note.at_ms,
            reference: note.text(Text::Reference, texts).map(String::from),
            sequence: None,
        };
        let hit = Hit { rule, number, hash, severity, at_ms };
        if measured.is_over {
            self.reach(&hit, key, measured, Some(proof()));
        } else if self.incidents.has_open(rule) {
            self.continue_open(&hit, measured);
        }
    }

    fn add_uncounted(&mut self, number: usize, count: u64, now: Now) {
        let Some(IndexedTrigger { rule, trigger, .. }) = self.placed.get(number) else { return };
        let key = KeyRef::of_key(None);
        let hash = self.hasher.hash_one((*rule, key));
        let (rule, severity) = (*rule, trigger.severity);
        let Some(counter) = self.counters.triggers.get_mut(number) else { return };
        let measured = counter.add_whole(trigger, count, now.monotonic_ms);
        self.counts.evaluated += 1;
        let hit = Hit { rule, number, hash, severity, at_ms: self.time.at_ms() };
        if measured.is_over {
            self.reach(&hit, key, measured, None);
        }
        if let Some(incident) = self.incidents.by_key.get_mut(&hash) {
            incident.tally.events += count - 1;
        }
    }

    /// A threshold is reached.
    fn reach(&mut self, hit: &Hit, key: KeyRef<'_>, measured: Measurement, proof: Option<Proof>) {
        let found = self.incidents.by_key.get(&hit.hash);
        let is_fresh = found.is_none_or(|found| match found.phase {
            Phase::Resolved(since_ms) => hit.at_ms - since_ms > REOPEN_MS,
            Phase::Open | Phase::Gauge => false,
        });
        if is_fresh && !self.open(hit, key, measured) {
            return;
        }
        let Some(placed) = self.placed.get(hit.number) else { return };
        let IndexedTrigger { index, trigger, .. } = placed;
        let is_gauge = trigger.measure == Measure::Gauge;
        let threshold = (trigger.count, trigger.window_s);
        let note = self.counts.evaluated;
        let Some(incident) = self.incidents.by_key.get_mut(&hit.hash) else { return };
        let was_open = incident.is_open();
        incident.reach(hit.severity, hit.at_ms);
        if is_gauge {
            incident.phase = Phase::Gauge;
        }
        if incident.tally.note != note && !is_fresh {
            incident.tally.events += 1;
        }
        incident.tally.note = note;
        incident.tally.threshold = Some(threshold);
        incident.tally.reached.add(*index);
        incident.tally.distinct = measured.distinct.or(incident.tally.distinct);
        if let Some(proof) = proof {
            incident.prove(proof);
        }
        if is_fresh || !was_open {
            self.policy.changed = true;
            self.recount();
        }
    }

    /// Opens an incident; `false` when there are too many.
    fn open(&mut self, hit: &Hit, key: KeyRef<'_>, measured: Measurement) -> bool {
        let Some(rule) = self.rules.get(hit.rule) else { return false };
        if !self.incidents.may_add(hit.rule) {
            self.incidents.count_unlisted(hit.rule);
            return false;
        }
        let rule = rule.id.clone();
        let key = key.to_key();
        let suggest = suggestions(&rule, key.as_ref());
        let id = self.next_id();
        let mut incident = Incident::new(id, &rule, key, hit.severity, hit.at_ms);
        incident.tally.events = measured.count;
        incident.suggest = suggest;
        if self.incidents.add(hit.hash, hit.rule, incident) {
            return true;
        }
        self.incidents.count_unlisted(hit.rule);
        false
    }

    /// A record below the threshold belongs to an open incident too.
    fn continue_open(&mut self, hit: &Hit, measured: Measurement) {
        let note = self.counts.evaluated;
        let Some(incident) = self.incidents.by_key.get_mut(&hit.hash) else { return };
        if incident.is_open() && incident.tally.note != note {
            incident.tally.note = note;
            incident.tally.events += 1;
            incident.tally.last_ms = hit.at_ms;
            incident.tally.distinct = measured.distinct.or(incident.tally.distinct);
        }
    }

    fn end(&mut self, hash: u64, at_ms: i64) {
        if let Some(incident) = self.incidents.by_key.get_mut(&hash)
            && incident.is_open()
        {
            incident.resolve(at_ms);
            self.policy.changed = true;
            self.recount();
        }
    }

    /// The hash of a key of a rule.
    pub(crate) fn hash(&self, rule: usize, key: KeyRef<'_>) -> u64 {
        self.hasher.hash_one((rule, key))
    }

    pub(crate) fn recount(&mut self) {
        let rules = &self.rules;
        self.incidents.recount(|id| rules.number(id));
    }

    pub(crate) fn next_id(&mut self) -> String {
        // The digest of a counter behind a random start is unique and cannot be guessed.
        self.random = self.random.wrapping_add(1);
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.random.to_be_bytes());
        let bits = digest.as_ref().iter().take(16);
        let bits = bits.fold(0, |bits: u128, byte| (bits << 8) | u128::from(*byte));
        alert_id(self.time.now.unix_ms, bits)
    }

    /// Codes that were recorded: those not seen for 90 days are reported.
    pub(crate) fn see_codes(&mut self, codes: impl Iterator<Item = Code>) {
        let Some(rule) = self.rules.number("F3") else { return };
        let placed = self.placed.iter().position(|placed| placed.rule == rule);
        let at_ms = self.time.at_ms();
        // An unauthenticated client alone can cause a report of a browser.
        for code in codes.filter(|code| *code != Code::MaliciousCspViolation) {
            if !self.counters.first_seen.is_new_code(code, at_ms) {
                continue;
            }
            let Some(number) = placed else { continue };
            let key = KeyRef {
                kind: "code",
                value: crate::alert::input::key::ValueRef::Text(code.name()),
            };
            let hash = self.hash(rule, key);
            let hit = Hit { rule, number, hash, severity: AlertSeverity::Medium, at_ms };
            let measured = Measurement { count: 1, distinct: None, is_over: true };
            self.reach(&hit, key, measured, None);
        }
    }
}

/// The rule, trigger and key of a matching record.
#[derive(Debug, Clone, Copy)]
struct Hit {
    rule: usize,
    number: usize,
    hash: u64,
    severity: AlertSeverity,
    at_ms: i64,
}
