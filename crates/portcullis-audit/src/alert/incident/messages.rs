//! The message of an incident that is due, and its limit.
//! Never: more than four messages an hour of one incident, unless it gets worse.

use super::lifecycle::{Incident, Phase};
use crate::alert::notification::AlertState;

/// The fourth reopening within half an hour each is reported as flapping.
const FLAPPING_AFTER: u32 = 4;
/// A flapping alert sends nothing for so long.
const FLAPPING_MS: i64 = 30 * 60_000;
const HOUR_MS: i64 = 60 * 60_000;
/// So many times the events are worth a message.
const TIMES: u64 = 10;
/// Messages an hour.
const MESSAGES_MAX: usize = 4;

impl Incident {
    /// The message that is due. What was held back before is not sent later.
    pub(crate) fn due(&self, at_ms: i64, update_every_ms: i64) -> Option<AlertState> {
        let state = match self.phase {
            Phase::Open | Phase::Gauge => self.due_open(at_ms, update_every_ms),
            Phase::Resolved(_) => self.due_resolved(at_ms),
        }?;
        self.may_send(state, at_ms).then_some(state)
    }

    fn due_open(&self, at_ms: i64, update_every_ms: i64) -> Option<AlertState> {
        let again = if self.reopened >= FLAPPING_AFTER {
            AlertState::Flapping
        } else {
            AlertState::Reopened
        };
        match self.sent.state {
            None if self.reopened == 0 => Some(AlertState::Firing),
            None | Some(AlertState::Resolved) => Some(again),
            Some(AlertState::Firing | AlertState::Reopened | AlertState::Updated)
                if again == AlertState::Flapping && self.reopened > self.sent.reopened =>
            {
                Some(again)
            }
            Some(state) => {
                let is_worse = self.is_worse();
                if state == AlertState::Flapping && at_ms - self.sent.at_ms < FLAPPING_MS {
                    return is_worse.then_some(AlertState::Updated);
                }
                self.is_update_due(at_ms, update_every_ms).then_some(AlertState::Updated)
            }
        }
    }

    fn is_update_due(&self, at_ms: i64, update_every_ms: i64) -> bool {
        let grown = |from: u64| self.tally.events >= from.max(1).saturating_mul(TIMES);
        if let Some(acknowledged) = &self.acknowledged {
            let worse = self.severity > acknowledged.severity && self.is_worse();
            let from = acknowledged.events.max(self.sent.events);
            return worse || grown(from);
        }
        let continues = self.tally.events > self.sent.events || self.phase == Phase::Gauge;
        self.is_worse()
            || grown(self.sent.events)
            || (continues && at_ms - self.sent.at_ms >= update_every_ms)
    }

    fn due_resolved(&self, at_ms: i64) -> Option<AlertState> {
        match self.sent.state {
            None | Some(AlertState::Resolved) => None,
            Some(AlertState::Flapping) if at_ms - self.sent.at_ms < FLAPPING_MS => None,
            Some(
                AlertState::Firing
                | AlertState::Updated
                | AlertState::Reopened
                | AlertState::Flapping,
            ) => Some(AlertState::Resolved),
        }
    }

    fn is_worse(&self) -> bool {
        self.sent.severity.is_some_and(|sent| self.severity > sent)
    }

    /// The last message of the hour is kept for what matters more than an ordinary update.
    pub(crate) fn may_send(&self, state: AlertState, at_ms: i64) -> bool {
        let is_recent = |time: &&i64| at_ms - **time < HOUR_MS;
        let sent = self.sent.times.iter().filter(is_recent).count();
        let max = match state {
            state if state.is_open() && self.is_worse() => usize::MAX,
            AlertState::Firing | AlertState::Flapping => MESSAGES_MAX,
            AlertState::Resolved if self.reopened == 0 => MESSAGES_MAX,
            AlertState::Updated | AlertState::Reopened | AlertState::Resolved => MESSAGES_MAX - 1,
        };
        sent < max
    }

    /// A message was sent.
    pub(crate) fn mark_sent(&mut self, state: AlertState, at_ms: i64) {
        self.sent.times.retain(|time| at_ms - *time < HOUR_MS);
        if self.sent.times.len() > MESSAGES_MAX {
            self.sent.times.remove(0);
        }
        self.sent.times.push(at_ms);
        self.sent.state = Some(state);
        self.sent.at_ms = at_ms;
        self.sent.events = self.tally.events;
        self.sent.severity = Some(self.severity);
        self.sent.reopened = self.reopened;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::incident::lifecycle::AcknowledgedState;
    use crate::alert::notification::{Acknowledgement, AlertSeverity};

    const MINUTE_MS: i64 = 60_000;
    const UPDATE_MS: i64 = 15 * MINUTE_MS;

    fn incident() -> Incident {
        let mut incident = Incident::new(String::from("al_1"), "A2", None, AlertSeverity::High, 0);
        incident.tally.events = 10;
        incident
    }

    /// Sends what is due, once a minute; gives the minutes with their states.
    fn run(
        incident: &mut Incident,
        minutes: std::ops::Range<i64>,
        mut change: impl FnMut(&mut Incident, i64),
    ) -> Vec<(i64, AlertState)> {
        let mut sent = Vec::new();
        for minute in minutes {
            change(incident, minute);
            incident.settle(minute * MINUTE_MS, 10 * MINUTE_MS);
            if let Some(state) = incident.due(minute * MINUTE_MS, UPDATE_MS) {
                incident.mark_sent(state, minute * MINUTE_MS);
                sent.push((minute, state));
            }
        }
        sent
    }

    fn at_most_four_an_hour(sent: &[(i64, AlertState)]) {
        for (minute, _) in sent {
            let hour = sent.iter().filter(|(one, _)| (minute - 59..=*minute).contains(one));
            assert!(hour.count() <= 4, "{sent:?}");
        }
    }

    #[test]
    fn alert_fires_updates_every_quarter_and_resolves_after_ten_quiet_minutes() {
        let mut incident = incident();
        let sent = run(&mut incident, 0..80, |incident, minute| {
            if minute <= 20 {
                incident.reach(AlertSeverity::High, minute * MINUTE_MS);
                incident.tally.events += 1;
            }
        });
        use AlertState::{Firing, Resolved, Updated};
        assert_eq!(sent, [(0, Firing), (15, Updated), (30, Resolved)]);
        assert!(!incident.is_over(59 * MINUTE_MS) && incident.is_over(61 * MINUTE_MS));
    }

    // T-385
    #[test]
    fn t385_reopened_alert_reports_flapping_within_four_messages_an_hour() {
        let mut incident = incident();
        let id = incident.id.clone();
        let sent = run(&mut incident, 0..180, |incident, minute| {
            if minute % 11 == 0 && minute < 88 {
                incident.reach(AlertSeverity::High, minute * MINUTE_MS);
            }
        });
        at_most_four_an_hour(&sent);
        assert_eq!(incident.id, id);
        let states: Vec<_> = sent.iter().map(|(_, state)| *state).collect();
        use AlertState::{Firing, Flapping, Reopened, Resolved};
        assert_eq!(states.get(..4), Some(&[Firing, Resolved, Reopened, Flapping][..]), "{sent:?}");
        assert_eq!(states.last(), Some(&Resolved), "{sent:?}");
    }

    // T-393
    #[test]
    fn t393_acknowledged_alert_is_quiet_until_ten_times_the_events() {
        let mut incident = incident();
        incident.mark_sent(AlertState::Firing, 0);
        let acknowledgement =
            Acknowledgement { by: String::from("ada"), note: String::new(), unix_ms: 0 };
        let severity = AlertSeverity::High;
        incident.acknowledged = Some(AcknowledgedState { acknowledgement, events: 10, severity });
        let sent = run(&mut incident, 1..100, |incident, minute| {
            incident.reach(AlertSeverity::High, minute * MINUTE_MS);
            incident.tally.events += 1;
        });
        assert_eq!(sent, [(90, AlertState::Updated)]);
        incident.severity = AlertSeverity::Critical;
        assert_eq!(incident.due(100 * MINUTE_MS, UPDATE_MS), Some(AlertState::Updated));
    }

    #[test]
    fn reopened_alert_that_got_worse_is_sent_beyond_the_messages_of_an_hour() {
        let mut incident = incident();
        for state in [AlertState::Firing, AlertState::Resolved, AlertState::Reopened] {
            incident.mark_sent(state, 0);
        }
        incident.mark_sent(AlertState::Resolved, 0);
        incident.resolve(0);
        incident.reach(AlertSeverity::High, 1_000);
        assert_eq!(incident.due(1_000, UPDATE_MS), None);
        incident.reach(AlertSeverity::Critical, 2_000);
        assert_eq!(incident.due(2_000, UPDATE_MS), Some(AlertState::Reopened));
    }

    #[test]
    fn ten_times_the_events_and_a_worse_severity_are_sent_at_once() {
        let mut incident = incident();
        incident.mark_sent(AlertState::Firing, 0);
        incident.tally.events = 99;
        assert_eq!(incident.due(1_000, UPDATE_MS), None);
        incident.tally.events = 100;
        assert_eq!(incident.due(1_000, UPDATE_MS), Some(AlertState::Updated));
        incident.mark_sent(AlertState::Updated, 1_000);
        for _ in 0..4 {
            incident.mark_sent(AlertState::Updated, 2_000);
        }
        incident.severity = AlertSeverity::Critical;
        assert_eq!(incident.due(3_000, UPDATE_MS), Some(AlertState::Updated));
    }
}
