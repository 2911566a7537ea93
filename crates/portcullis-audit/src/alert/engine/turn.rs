//! One turn of the engine: resolved alerts, groups of alerts, and messages.
//! Never: sends a state that a newer one replaced.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::Now;

use super::evaluation::Engine;
use crate::alert::incident::lifecycle::{Incident, Phase, ReachedThresholds};
use crate::alert::incident::storm::STORM;
use crate::alert::incident::view::{GROUP_MAX, ViewParts};
use crate::alert::notification::{Alert, AlertKey, AlertSeverity, AlertState};
use crate::alert::rule::rules::Cause;

/// A rule that an overloaded server causes by itself is not sent while A11 is.
const INHIBITED: [&str; 3] = ["A7", "A8", "A18"];
/// Rules about states that can last for weeks, such as a certificate that expires or a finding of
/// the regular audit: an update each day is enough.
const DAILY: [&str; 2] = ["A16", "A17"];
const DAY_MS: i64 = 24 * 60 * 60_000;
const STORM_TITLE: &str = "Many alerts at once";

/// An incident in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Key(u64),
    Group(String),
}

/// A message that is due.
#[derive(Debug)]
struct Message {
    place: Place,
    state: AlertState,
    severity: AlertSeverity,
    rule: String,
    key: Option<String>,
    cause: Cause,
}

/// The open alerts with a key of one rule, added up.
#[derive(Debug, Default)]
struct OpenKeys {
    keys: usize,
    events: u64,
    severity: AlertSeverity,
    reached: ReachedThresholds,
}

impl OpenKeys {
    fn add(&mut self, incident: &Incident) {
        self.keys += 1;
        self.events += incident.tally.events;
        self.severity = self.severity.max(incident.severity);
        self.reached.add_all(incident.tally.reached);
    }
}

impl Engine {
    /// Ends a turn; returns the alerts to send. `note` is the newest signed note of the log.
    pub(crate) fn turn(&mut self, now: Now, note: Option<&str>) -> Vec<Arc<Alert>> {
        self.time.now = now;
        let at_ms = self.time.at_ms();
        let resolve_after_ms = self.settings.resolve_after_ms;
        let mut settled = false;
        for incident in self.incidents.by_key.values_mut() {
            let was_open = incident.is_open();
            incident.settle(at_ms, resolve_after_ms);
            settled |= was_open != incident.is_open();
        }
        if settled {
            self.policy.changed = true;
            self.recount();
        }
        self.update_groups(at_ms);
        self.policy.silences.iter_mut().for_each(|silence| silence.limit_end(now.unix_ms));
        self.policy.silences.retain(|silence| silence.request.until_unix_ms > now.unix_ms);
        let messages = self.due_messages(at_ms);
        self.update_storm(&messages, at_ms);
        let mut alerts = Vec::new();
        for message in messages {
            if self.may_send(&message, at_ms) {
                alerts.extend(self.send(&message, at_ms, note));
            }
        }
        alerts.extend(self.send_storm(at_ms, note));
        self.incidents.by_key.retain(|_, incident| !incident.is_over(at_ms));
        self.incidents.groups.retain(|_, incident| !incident.is_over(at_ms));
        if !alerts.is_empty() {
            self.policy.changed = true;
            self.counts.messages += alerts.len() as u64;
        }
        alerts
    }

    /// Rules with too many keys have one alert.
    fn update_groups(&mut self, at_ms: i64) {
        let mut open: BTreeMap<String, OpenKeys> = BTreeMap::new();
        for incident in self.incidents.by_key.values() {
            if incident.is_open() && incident.key.is_some() {
                open.entry(incident.rule.clone()).or_default().add(incident);
            }
        }
        for (rule, OpenKeys { keys, events, severity, reached }) in open {
            let is_grouped = self.incidents.groups.get(&rule).is_some_and(Incident::is_open);
            if keys <= self.settings.storm_keys && !is_grouped {
                continue;
            }
            let id = self.next_id();
            let number = self.rules.number(&rule);
            let unlisted = number.and_then(|number| self.incidents.unlisted.get(number));
            let unlisted = unlisted.copied().unwrap_or(0);
            let groups = &mut self.incidents.groups;
            let group = groups.entry(rule.clone());
            let group = group.or_insert_with(|| Incident::new(id, &rule, None, severity, at_ms));
            if keys > self.settings.storm_keys {
                group.reach(severity, at_ms);
            }
            group.tally.reached.add_all(reached);
            group.tally.events = group.tally.events.max(events + unlisted);
            group.tally.distinct = Some(("keys", keys as u64));
        }
        let resolve_after_ms = self.settings.resolve_after_ms;
        for (rule, group) in &mut self.incidents.groups {
            group.settle(at_ms, resolve_after_ms);
            let number = self.rules.number(rule).filter(|_| !group.is_open());
            if let Some(unlisted) = number.and_then(|one| self.incidents.unlisted.get_mut(one)) {
                *unlisted = 0;
            }
        }
    }

    /// All messages that are due and not held back, the most severe first.
    fn due_messages(&self, at_ms: i64) -> Vec<Message> {
        let by_key = self.incidents.by_key.iter();
        let by_key = by_key.map(|(hash, incident)| (Place::Key(*hash), incident));
        let groups = self.incidents.groups.iter();
        let groups = groups.map(|(rule, incident)| (Place::Group(rule.clone()), incident));
        let mut messages: Vec<Message> = by_key
            .chain(groups)
            .filter_map(|(place, incident)| self.message(place, incident, at_ms))
            .collect();
        let order = |one: &Message| (Reverse(one.severity), one.rule.clone(), one.key.clone());
        messages.sort_by_cached_key(order);
        messages
    }

    fn message(&self, place: Place, incident: &Incident, at_ms: i64) -> Option<Message> {
        // Events of these rules, such as wrong clocks, are counted and not states.
        let is_daily = DAILY.contains(&&*incident.rule) && incident.phase == Phase::Gauge;
        let update_every_ms = if is_daily { DAY_MS } else { self.settings.update_every_ms };
        let state = incident.due(at_ms, update_every_ms)?;
        let is_member = matches!(place, Place::Key(_)) && incident.key.is_some();
        let groups = &self.incidents.groups;
        let is_grouped = is_member && groups.get(&incident.rule).is_some_and(Incident::is_open);
        // Channels that got an alert also get that it is resolved.
        let is_held = state.is_open() && (is_grouped || self.is_inhibited(incident));
        if is_held || self.is_silenced(incident) {
            return None;
        }
        let rule = self.rules.number(&incident.rule).and_then(|number| self.rules.get(number));
        let (severity, rule_id) = (incident.severity, incident.rule.clone());
        let key = incident.key.as_ref().map(|key| key.value.clone());
        let cause = rule.map_or(Cause::Service, |rule| rule.cause_of(key.as_deref()));
        Some(Message { place, state, severity, rule: rule_id, key, cause })
    }

    fn is_inhibited(&self, incident: &Incident) -> bool {
        let overloaded = |one: &Incident| one.rule == "A11" && one.is_open();
        INHIBITED.contains(&&*incident.rule) && self.incidents.by_key.values().any(overloaded)
    }

    fn is_silenced(&self, incident: &Incident) -> bool {
        let key = incident.key.as_ref();
        let silences = self.policy.silences.iter();
        let mut silences = silences.map(|silence| &silence.request);
        silences.any(|silence| silence.matches(&incident.rule, key, incident.severity))
    }

    /// Opens, continues or resolves the alert that stands for many.
    fn update_storm(&mut self, messages: &[Message], at_ms: i64) {
        for message in messages {
            let is_first = matches!(message.state, AlertState::Firing | AlertState::Reopened);
            let found = self.incident(&message.place);
            // A message that is held back stays due: it is counted once, when it came.
            if is_first && found.is_some_and(|one| one.tally.storm_ms != Some(one.tally.first_ms)) {
                self.storm.add(&message.rule, at_ms);
                if let Some(found) = self.incident_mut(&message.place) {
                    found.tally.storm_ms = Some(found.tally.first_ms);
                }
            }
        }
        let is_spent = !self.policy.budget.has_room(at_ms);
        let held = messages.iter().filter(|one| {
            is_spent && one.cause == Cause::Clients && one.severity < AlertSeverity::Critical
        });
        let held = held.filter(|one| one.state.is_open()).count() as u64;
        if self.storm.is_due(at_ms) || held > 0 {
            let id = self.next_id();
            let severity = AlertSeverity::High;
            let storm = self
                .storm
                .incident
                .get_or_insert_with(|| Incident::new(id, STORM, None, severity, at_ms));
            storm.reach(severity, at_ms);
        }
        self.counts.held += held;
        let resolve_after_ms = self.settings.resolve_after_ms;
        if let Some(storm) = &mut self.storm.incident {
            storm.settle(at_ms, resolve_after_ms);
        }
        if self.storm.incident.as_ref().is_some_and(|storm| storm.is_over(at_ms)) {
            self.storm.incident = None;
        }
    }

    fn may_send(&mut self, message: &Message, at_ms: i64) -> bool {
        // Clients can cause a storm, so that it must not hide what operators or attackers change.
        if message.severity == AlertSeverity::Critical || message.cause == Cause::Service {
            return true;
        }
        if message.state.is_open() && self.storm.is_open() {
            return false;
        }
        let may = self.policy.budget.has_room(at_ms);
        if may {
            self.policy.budget.take(at_ms);
        }
        may
    }

    fn send(&mut self, message: &Message, at_ms: i64, note: Option<&str>) -> Option<Arc<Alert>> {
        let group = match &message.place {
            Place::Key(_) => Vec::new(),
            Place::Group(rule) => self.keys_of(rule),
        };
        let title = self.title(&message.rule);
        let thresholds = self.rules.thresholds(&message.rule);
        let (node, skew_ms) = (self.settings.node.clone(), self.time.skew_ms());
        let incident = self.incident_mut(&message.place)?;
        incident.mark_sent(message.state, at_ms);
        let note = note.map(String::from);
        let group = &group;
        let parts = ViewParts { title: &title, node: &node, note, skew_ms, group, thresholds };
        Some(Arc::new(incident.view(message.state, &parts)))
    }

    fn send_storm(&mut self, at_ms: i64, note: Option<&str>) -> Option<Arc<Alert>> {
        let due = self.storm.incident.as_ref()?.due(at_ms, self.settings.update_every_ms);
        if self.storm.is_open() {
            self.count_storm();
        }
        let state = due.or_else(|| self.storm_update(at_ms))?;
        if state != AlertState::Updated {
            self.storm.sent.clear();
        }
        let rules = self.storm.rules.iter().map(|(rule, _)| rule.value.clone());
        self.storm.sent.extend(rules);
        let (node, skew_ms) = (self.settings.node.clone(), self.time.skew_ms());
        let storm = self.storm.incident.as_mut()?;
        storm.mark_sent(state, at_ms);
        let note = note.map(String::from);
        let group = &self.storm.rules;
        let (title, thresholds) = (STORM_TITLE, Vec::new());
        let parts = ViewParts { title, node: &node, note, skew_ms, group, thresholds };
        Some(Arc::new(storm.view(state, &parts)))
    }

    /// A storm that a further rule joined is sent again.
    fn storm_update(&self, at_ms: i64) -> Option<AlertState> {
        let storm = self.storm.incident.as_ref()?;
        let may = storm.acknowledged.is_none() && storm.may_send(AlertState::Updated, at_ms);
        (may && storm.sent.state.is_some() && self.storm.has_new_rule())
            .then_some(AlertState::Updated)
    }

    /// Counts the rules of a storm and their open alerts.
    fn count_storm(&mut self) {
        let mut rules: BTreeMap<&str, u64> = BTreeMap::new();
        let mut events = 0;
        for incident in self.incidents.by_key.values().filter(|one| one.is_open()) {
            *rules.entry(&incident.rule).or_default() += 1;
            events += incident.tally.events;
        }
        let mut rules: Vec<_> = rules
            .into_iter()
            .map(|(rule, open)| (AlertKey { kind: "rule", value: String::from(rule) }, open))
            .collect();
        rules.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.value.cmp(&b.0.value)));
        let count = rules.len() as u64;
        rules.truncate(GROUP_MAX);
        self.storm.rules = rules;
        if let Some(storm) = &mut self.storm.incident {
            storm.tally.events = storm.tally.events.max(events);
            storm.tally.distinct = Some(("rules", count));
        }
    }

    /// The keys of a rule with their events, most frequent first.
    pub(crate) fn keys_of(&self, rule: &str) -> Vec<(AlertKey, u64)> {
        let open = self.incidents.by_key.values().filter(|one| one.rule == rule && one.is_open());
        let keys = open.filter_map(|one| Some((one.key.clone()?, one.tally.events)));
        let mut keys: Vec<_> = keys.collect();
        keys.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.value.cmp(&b.0.value)));
        keys.truncate(GROUP_MAX);
        keys
    }

    pub(crate) fn title(&self, rule: &str) -> String {
        String::from(self.rules.title(rule).unwrap_or(STORM_TITLE))
    }

    fn incident(&self, place: &Place) -> Option<&Incident> {
        match place {
            Place::Key(hash) => self.incidents.by_key.get(hash),
            Place::Group(rule) => self.incidents.groups.get(rule),
        }
    }

    fn incident_mut(&mut self, place: &Place) -> Option<&mut Incident> {
        match place {
            Place::Key(hash) => self.incidents.by_key.get_mut(hash),
            Place::Group(rule) => self.incidents.groups.get_mut(rule),
        }
    }

    /// After a restart a state has to be reported again; until then it resolves by quiet.
    ///
    /// Times that are in the future, because the clock was wrong or is now, count as this moment:
    /// otherwise no alert would be sent until then.
    pub(crate) fn resume(&mut self) {
        let at_ms = self.time.at_ms();
        let storm = self.storm.incident.iter_mut();
        self.incidents.all_mut().chain(storm).for_each(|incident| incident.limit_times(at_ms));
        self.policy.budget.times.iter_mut().for_each(|time| *time = at_ms.min(*time));
        self.counters.first_seen.limit_times(at_ms);
        for incident in self.incidents.all_mut().filter(|incident| incident.is_open()) {
            incident.phase = Phase::Open;
            incident.tally.over_ms = incident.tally.over_ms.max(at_ms);
        }
        if let Some(storm) = &mut self.storm.incident {
            storm.tally.over_ms = storm.tally.over_ms.max(at_ms);
        }
        self.recount();
    }
}
