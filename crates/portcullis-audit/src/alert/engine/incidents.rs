//! Open and recently resolved alerts, by the keyed hash of rule and key.
//! Never: more than 1,024; those beyond are counted for their rule.

use std::collections::BTreeMap;

use crate::alert::incident::lifecycle::{Incident, Phase};
use crate::alert::rule::distinct::HashedMap;

/// Most incidents.
pub(crate) const INCIDENTS_MAX: usize = 1_024;

/// All incidents. Worst-case memory: 1,024 of about 1.5 KiB.
#[derive(Debug, Default)]
pub(crate) struct Incidents {
    pub(crate) by_key: HashedMap<Incident>,
    /// One for each rule with too many keys.
    pub(crate) groups: BTreeMap<String, Incident>,
    /// Events of keys that found no space, by rule.
    pub(crate) unlisted: BTreeMap<String, u64>,
    /// Open incidents of each rule, by its number: most notes meet none.
    open: Vec<u32>,
}

impl Incidents {
    pub(crate) fn new(rules: usize) -> Self {
        Self { open: vec![0; rules], ..Self::default() }
    }

    pub(crate) fn has_open(&self, rule: usize) -> bool {
        self.open.get(rule).is_some_and(|open| *open > 0)
    }

    /// Counts the open incidents of each rule anew.
    pub(crate) fn recount(&mut self, number: impl Fn(&str) -> Option<usize>) {
        self.open.fill(0);
        for incident in self.by_key.values().filter(|incident| incident.is_open()) {
            if let Some(open) = number(&incident.rule).and_then(|rule| self.open.get_mut(rule)) {
                *open += 1;
            }
        }
    }

    /// Adds an incident; `false` when there is no space, not even of a resolved one.
    pub(crate) fn add(&mut self, hash: u64, rule: usize, incident: Incident) -> bool {
        if self.by_key.len() >= INCIDENTS_MAX && !self.by_key.contains_key(&hash) {
            let resolved = self.by_key.iter().filter_map(|(hash, one)| match one.phase {
                Phase::Resolved(since_ms) => Some((since_ms, *hash)),
                Phase::Open | Phase::Gauge => None,
            });
            let Some((_, oldest)) = resolved.min() else { return false };
            self.by_key.remove(&oldest);
        }
        if let Some(open) = self.open.get_mut(rule) {
            *open += 1;
        }
        self.by_key.insert(hash, incident);
        true
    }

    /// All incidents and groups.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Incident> {
        self.by_key.values_mut().chain(self.groups.values_mut())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Incident> {
        self.by_key.values().chain(self.groups.values())
    }
}
