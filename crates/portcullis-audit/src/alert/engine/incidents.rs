//! Open and recently resolved alerts, by the keyed hash of rule and key.
//! Never: more than 1,024; those beyond are counted for their rule.

use std::collections::BTreeMap;

use crate::alert::incident::lifecycle::{Incident, Phase};
use crate::alert::notification::AlertState;
use crate::alert::rule::distinct::HashedMap;

/// Most incidents.
pub(crate) const INCIDENTS_MAX: usize = 1_024;
/// Most incidents of one rule: more than the keys that become one alert.
const OF_RULE_MAX: u32 = 128;
/// So many incidents of a rule always find space.
const OF_RULE_MIN: u32 = 24;

/// All incidents. Worst-case memory: 1,024 of about 1.5 KiB.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    pub(crate) by_key: HashedMap<Incident>,
    /// One for each rule with too many keys.
    pub(crate) groups: BTreeMap<String, Incident>,
    /// Events of keys that found no space, by the number of the rule.
    pub(crate) unlisted: Vec<u64>,
    /// Open incidents of each rule, by its number: most notes meet none.
    open: Vec<u32>,
    /// All incidents of each rule.
    all: Vec<u32>,
}

impl Incidents {
    pub(crate) fn new(rules: usize) -> Self {
        Self {
            unlisted: vec![0; rules],
            open: vec![0; rules],
            all: vec![0; rules],
            ..Self::default()
        }
    }

    pub(crate) fn has_open(&self, rule: usize) -> bool {
        self.open.get(rule).is_some_and(|open| *open > 0)
    }

    /// Counts the incidents of each rule anew.
    pub(crate) fn recount(&mut self, number: impl Fn(&str) -> Option<usize>) {
        self.open.fill(0);
        self.all.fill(0);
        for incident in self.by_key.values() {
            let Some(rule) = number(&incident.rule) else { continue };
            if let Some(all) = self.all.get_mut(rule) {
                *all += 1;
            }
            if let Some(open) = self.open.get_mut(rule).filter(|_| incident.is_open()) {
                *open += 1;
            }
        }
    }

    /// Whether a further incident of a rule may find space; `false` costs nothing in a flood.
    pub(crate) fn may_add(&self, rule: usize) -> bool {
        let of_rule = self.all.get(rule).copied().unwrap_or(0);
        let resolved = of_rule - self.open.get(rule).copied().unwrap_or(0);
        let all: u32 = self.all.iter().sum();
        let all_resolved = all - self.open.iter().sum::<u32>();
        if of_rule >= OF_RULE_MAX {
            resolved > 0
        } else {
            (all as usize) < INCIDENTS_MAX || all_resolved > 0 || of_rule < OF_RULE_MIN
        }
    }

    /// An event of a key that has no incident.
    pub(crate) fn count_unlisted(&mut self, rule: usize) {
        if let Some(unlisted) = self.unlisted.get_mut(rule) {
            *unlisted += 1;
        }
    }

    /// Adds an incident; `false` when there is no space for its rule.
    ///
    /// A rule with few incidents takes the place of one that a rule with many has: clients that
    /// make many alerts of one rule do not hide another rule.
    pub(crate) fn add(&mut self, hash: u64, rule: usize, incident: Incident) -> bool {
        if !self.by_key.contains_key(&hash) {
            let of_rule = self.all.get(rule).copied().unwrap_or(0);
            let is_full = self.by_key.len() >= INCIDENTS_MAX || of_rule >= OF_RULE_MAX;
            let evicted = is_full.then(|| self.evicted(&incident.rule, of_rule));
            match evicted {
                Some(Some(evicted)) => drop(self.by_key.remove(&evicted)),
                Some(None) => return false,
                None => {}
            }
        }
        for counts in [&mut self.open, &mut self.all] {
            if let Some(count) = counts.get_mut(rule) {
                *count += 1;
            }
        }
        self.by_key.insert(hash, incident);
        true
    }

    /// A resolved incident, or one without a message of the rule that has the most.
    fn evicted(&self, rule: &str, of_rule: u32) -> Option<u64> {
        let is_full = |one: &Incident| of_rule < OF_RULE_MAX || one.rule == rule;
        let resolved = self.by_key.iter().filter_map(|(hash, one)| match one.phase {
            Phase::Resolved(since_ms) if is_full(one) => {
                let is_sent = matches!(one.sent.state, None | Some(AlertState::Resolved));
                Some((!is_sent, since_ms, *hash))
            }
            Phase::Resolved(_) | Phase::Open | Phase::Gauge => None,
        });
        if let Some((_, _, oldest)) = resolved.min() {
            return Some(oldest);
        }
        if of_rule >= OF_RULE_MIN {
            return None;
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for one in self.by_key.values() {
            *counts.entry(&one.rule).or_default() += 1;
        }
        let (largest, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let without = self.by_key.iter().filter(|(_, one)| {
            one.rule == largest && one.sent.state.is_none() && one.phase == Phase::Open
        });
        without.min_by_key(|(_, one)| one.tally.events).map(|(hash, _)| *hash)
    }

    /// All incidents and groups.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Incident> {
        self.by_key.values_mut().chain(self.groups.values_mut())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Incident> {
        self.by_key.values().chain(self.groups.values())
    }
}
