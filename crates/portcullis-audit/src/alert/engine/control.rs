//! Operations of administrators and of other parts of the server on alerts.
//! Never: acts on its own.

use std::sync::Arc;

use portcullis_model::Now;

use super::evaluation::Engine;
use crate::alert::incident::lifecycle::{AcknowledgedState, Incident, Phase, Proof, REOPEN_MS};
use crate::alert::incident::silence::{SILENCES_MAX, Silence, SilenceError, SilenceRequest};
use crate::alert::incident::storm::STORM;
use crate::alert::incident::view::{ViewParts, suggestions};
use crate::alert::input::key::KeyRef;
use crate::alert::notification::{Acknowledgement, Alert, AlertKey, AlertSeverity, AlertState};
use crate::alert::rule::rules::Rules;

/// The line of a record is searched for so long.
const LOCATE_MS: u64 = 5_000;
/// A clock that moves by so much between two turns was set.
const CLOCK_STEP_MS: i64 = 5_000;

impl Engine {
    /// An administrator took note of an alert; `false` when no open alert has the id.
    pub(crate) fn acknowledge(&mut self, id: &str, acknowledgement: Acknowledgement) -> bool {
        let storm = self.storm.incident.as_mut();
        let mut all = self.incidents.all_mut().chain(storm);
        let Some(found) = all.find(|one| one.id == id && one.is_open()) else { return false };
        let (events, severity) = (found.tally.events, found.severity);
        found.acknowledged = Some(AcknowledgedState { acknowledgement, events, severity });
        self.policy.changed = true;
        true
    }

    /// Silences alerts until a time.
    pub(crate) fn silence(
        &mut self,
        request: SilenceRequest,
        now: Now,
    ) -> Result<Silence, SilenceError> {
        request.check(now.unix_ms)?;
        let is_rule = |rule: &str| rule == STORM || self.rules.number(rule).is_some();
        if !request.rule.as_deref().is_none_or(is_rule) {
            return Err(SilenceError::UnknownRule);
        }
        if self.policy.silences.len() >= SILENCES_MAX {
            return Err(SilenceError::Full);
        }
        self.policy.next_silence += 1;
        let silence = Silence { id: self.policy.next_silence, request };
        self.policy.silences.push(silence.clone());
        self.policy.changed = true;
        Ok(silence)
    }

    /// Ends a silence early.
    pub(crate) fn unsilence(&mut self, id: u64) -> Option<Silence> {
        let place = self.policy.silences.iter().position(|silence| silence.id == id)?;
        self.policy.changed = true;
        Some(self.policy.silences.remove(place))
    }

    /// Another part of the server reports a state that lasts until [`Engine::clear`].
    pub(crate) fn raise(&mut self, rule: &str, key: AlertKey, severity: AlertSeverity, now: Now) {
        self.time.now = now;
        let Some(number) = self.rules.number(rule) else { return };
        if self.rules.disabled.iter().any(|disabled| disabled == rule) {
            return;
        }
        let at_ms = self.time.at_ms();
        let hash = self.hash(number, KeyRef::of_key(Some(&key)));
        let is_fresh = self.incidents.by_key.get(&hash).is_none_or(|one| match one.phase {
            Phase::Resolved(since_ms) => at_ms - since_ms > REOPEN_MS,
            Phase::Open | Phase::Gauge => false,
        });
        if is_fresh {
            let id = self.next_id();
            let mut incident = Incident::new(id, rule, Some(key.clone()), severity, at_ms);
            incident.suggest = suggestions(rule, Some(&key));
            incident.tally.events = 1;
            if !self.incidents.add(hash, number, incident) {
                return;
            }
            self.policy.changed = true;
        }
        if let Some(incident) = self.incidents.by_key.get_mut(&hash) {
            self.policy.changed |= !incident.is_open() || incident.severity != severity;
            incident.reach(severity, at_ms);
            incident.severity = severity;
            incident.phase = Phase::Gauge;
        }
        self.recount();
    }

    /// Whether an alert about a state is open, and the state lasts.
    pub(crate) fn is_lasting(&self, rule: &str, key: &AlertKey) -> bool {
        let Some(number) = self.rules.number(rule) else { return false };
        let hash = self.hash(number, KeyRef::of_key(Some(key)));
        self.incidents.by_key.get(&hash).is_some_and(|one| one.phase == Phase::Gauge)
    }

    /// The milliseconds by which the clock was set since the last call, if it was set.
    pub(crate) fn take_clock_step(&mut self, now: Now) -> Option<i64> {
        let step_ms = self.time.take_skew_change(now);
        (step_ms.abs() >= CLOCK_STEP_MS).then_some(step_ms)
    }

    /// Another part of the server reports an event; it resolves by quiet.
    pub(crate) fn report(&mut self, rule: &str, key: AlertKey, severity: AlertSeverity, now: Now) {
        let number = self.rules.number(rule);
        let hash = number.map(|number| self.hash(number, KeyRef::of_key(Some(&key))));
        self.raise(rule, key, severity, now);
        let incident = hash.and_then(|hash| self.incidents.by_key.get_mut(&hash));
        if let Some(incident) = incident.filter(|incident| incident.is_open()) {
            incident.phase = Phase::Open;
        }
    }

    /// Finds the lines of records that fired lately.
    pub(crate) fn locate(&mut self, now: Now, find: impl Fn(&Proof) -> Option<u64>) {
        let is_new = |proof: &Proof| proof.at_ms.saturating_add(LOCATE_MS) >= now.monotonic_ms;
        for incident in self.incidents.by_key.values_mut() {
            let missing = incident.evidence.iter_mut().filter(|proof| proof.sequence.is_none());
            for proof in missing.filter(|proof| proof.at_ms != u64::MAX && is_new(proof)) {
                proof.sequence = find(proof);
            }
        }
    }

    /// The state is over.
    pub(crate) fn clear(&mut self, rule: &str, key: &AlertKey, now: Now) {
        self.time.now = now;
        let Some(number) = self.rules.number(rule) else { return };
        let at_ms = self.time.at_ms();
        let hash = self.hash(number, KeyRef::of_key(Some(key)));
        if let Some(incident) = self.incidents.by_key.get_mut(&hash)
            && incident.is_open()
        {
            incident.resolve(at_ms);
            self.policy.changed = true;
        }
        self.recount();
    }

    /// Resolves the open alerts of rules that `newer` does not have; returns those of which
    /// channels have a message, whatever limits other messages have.
    pub(crate) fn resolve_rules_without(
        &mut self,
        newer: &Rules,
        note: Option<&str>,
        now: Now,
    ) -> Vec<Arc<Alert>> {
        self.time.now = now;
        let at_ms = self.time.at_ms();
        let is_gone = |incident: &&mut Incident| newer.number(&incident.rule).is_none();
        let (node, skew_ms) = (self.settings.node.clone(), self.time.skew_ms());
        let rules = &self.rules;
        let groups = self.incidents.groups.values_mut();
        let gone = self.incidents.by_key.values_mut().chain(groups).filter(is_gone);
        gone.filter_map(|incident| {
            incident.resolve(at_ms);
            // Channels know it only from a message that was sent.
            incident.sent.state.filter(|state| state.is_open())?;
            let title = rules.title(&incident.rule).unwrap_or(&incident.rule);
            let thresholds = rules.thresholds(&incident.rule);
            let (node, note, group) = (node.as_str(), note.map(String::from), &[]);
            let parts = ViewParts { title, node, note, skew_ms, group, thresholds };
            Some(Arc::new(incident.view(AlertState::Resolved, &parts)))
        })
        .collect()
    }

    /// All open alerts, the most severe first.
    pub(crate) fn open_alerts(&self) -> Vec<Alert> {
        self.alerts(Incident::is_open)
    }

    /// The resolved alerts that can still be reopened, the most severe first.
    pub(crate) fn resolved_alerts(&self) -> Vec<Alert> {
        let mut alerts = self.alerts(|incident| !incident.is_open());
        // The message about it may still wait.
        alerts.iter_mut().for_each(|alert| alert.state = AlertState::Resolved);
        alerts
    }

    fn alerts(&self, wanted: impl Fn(&Incident) -> bool) -> Vec<Alert> {
        let all = self.incidents.all().chain(&self.storm.incident);
        let mut alerts: Vec<Alert> = all
            .filter(|incident| wanted(incident))
            .map(|incident| {
                let title = self.title(&incident.rule);
                let group = if incident.rule == STORM {
                    self.storm.rules.clone()
                } else if incident.key.is_none() {
                    self.keys_of(&incident.rule)
                } else {
                    Vec::new()
                };
                let (node, skew_ms) = (self.settings.node.as_str(), self.time.skew_ms());
                let (title, note, group) = (title.as_str(), None, group.as_slice());
                let thresholds = self.rules.thresholds(&incident.rule);
                let parts = ViewParts { title, node, note, skew_ms, group, thresholds };
                incident.view(incident.sent.state.unwrap_or(AlertState::Firing), &parts)
            })
            .collect();
        alerts.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
        alerts
    }
}
