//! Monitors: programs that watch this server from outside, and miss it when it is silent.
//! Never: the spool; each request has the whole state, so a lost one is replaced by the next.

use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::{Alert, AlertSeverity, Audit, LogState, utc};
use portcullis_model::Now;
use portcullis_outbound::{Client, Target};
use serde_json::{Value, json};

use crate::channel::shared::Shared;
use crate::message::summary;
use crate::message::text::harmless;

/// The time for which Alertmanager keeps an alert that this server no longer sends.
const ENDS_AFTER_MS: i64 = 300_000;
/// The time for which a resolved alert is sent.
const RESOLVED_FOR_MS: i64 = 300_000;
/// Most resolved alerts that are sent.
const RESOLVED_MAX: usize = 256;

/// One monitor.
#[derive(Clone)]
pub struct MonitorOptions {
    /// Its name, unique among channels and monitors.
    pub name: String,
    /// The kind of the monitor.
    pub monitor: Monitor,
}

/// A program or service that watches this server.
#[derive(Clone)]
pub enum Monitor {
    /// Alertmanagers of Prometheus: each of them gets all open alerts every minute.
    Alertmanager {
        /// Sends the requests.
        client: Client,
        /// The addresses of `POST /api/v2/alerts`.
        targets: Vec<Target>,
        /// The severities that they get.
        severities: Vec<AlertSeverity>,
    },
    /// A service that reports when the requests stop.
    Heartbeat {
        /// Sends the requests.
        client: Client,
        /// The address of the GET.
        target: Target,
    },
}

/// The alerts and restarts that a monitor was sent before.
#[derive(Debug, Default)]
pub(crate) struct MonitorState {
    open: Vec<Alert>,
    resolved: Vec<(Alert, i64)>,
    pub(crate) restarts: u64,
}

impl MonitorOptions {
    /// Sends the state once.
    ///
    /// # Errors
    /// A text for operators, when a receiver does not accept it.
    pub(crate) async fn send(
        &self,
        state: &mut MonitorState,
        audit: &Audit,
        now: Now,
    ) -> Result<(), String> {
        match &self.monitor {
            Monitor::Alertmanager { client, targets, severities } => {
                let mut open = audit.alerts().map(portcullis_audit::Alerts::open);
                let open = open.get_or_insert_default();
                open.retain(|alert| severities.contains(&alert.severity));
                state.update(std::mem::take(open), now);
                post(client, targets, &state.alerts(now)).await
            }
            Monitor::Heartbeat { client, target } => {
                if !state.is_well(audit) {
                    return Err(String::from("the log or the alert engine has a fault"));
                }
                client.fetch(target).await.map(drop).map_err(|error| error.to_string())
            }
        }
    }

    /// Sends a test: an alert that ends by itself, or one heartbeat.
    pub(crate) async fn send_test(&self, alert: &Alert, now: Now) -> Result<(), String> {
        match &self.monitor {
            Monitor::Alertmanager { client, targets, .. } => {
                post(client, targets, &[firing(alert, now)]).await
            }
            Monitor::Heartbeat { client, target } => {
                client.fetch(target).await.map(drop).map_err(|error| error.to_string())
            }
        }
    }
}

/// Posts to every target; returns the first fault.
async fn post(client: &Client, targets: &[Target], alerts: &[Value]) -> Result<(), String> {
    let body = json!(alerts).to_string();
    let mut outcome = Ok(());
    for target in targets {
        let sent = client.post_json(target, &[], body.as_bytes()).await;
        let fault = match sent.map(|response| response.status) {
            Ok(200..=299) => continue,
            Ok(status) => format!("{target} answered {status}"),
            Err(error) => error.to_string(),
        };
        outcome = outcome.and(Err(fault));
    }
    outcome
}

impl MonitorState {
    /// Takes the open alerts; those that are no longer open are resolved now.
    fn update(&mut self, open: Vec<Alert>, now: Now) {
        let is_open = |alert: &Alert| {
            open.iter().any(|other| other.origin.fingerprint == alert.origin.fingerprint)
        };
        self.resolved.retain(|(alert, ended)| {
            now.unix_ms.saturating_sub(*ended) < RESOLVED_FOR_MS && !is_open(alert)
        });
        let ended = std::mem::take(&mut self.open).into_iter().filter(|alert| !is_open(alert));
        self.resolved.extend(ended.map(|alert| (alert, now.unix_ms)));
        let excess = self.resolved.len().saturating_sub(RESOLVED_MAX);
        self.resolved.drain(..excess);
        self.open = open;
    }

    /// All alerts as Alertmanager reads them, and the one that always fires.
    fn alerts(&self, now: Now) -> Vec<Value> {
        let watchdog = json!({
            "labels": {"alertname": "PortcullisWatchdog", "severity": "none",
                "service": "portcullis"},
            "annotations": {"summary": "Alerts of Portcullis arrive"},
            "endsAt": utc(now.unix_ms.saturating_add(ENDS_AFTER_MS)),
        });
        let open = self.open.iter().map(|alert| firing(alert, now));
        let resolved = self.resolved.iter().map(|(alert, ended)| entry(alert, *ended));
        std::iter::once(watchdog).chain(open).chain(resolved).collect()
    }

    /// Whether records are written, and the engine was not started again since the last time.
    pub(crate) fn is_well(&mut self, audit: &Audit) -> bool {
        let Some(alerts) = audit.alerts() else { return false };
        let restarts = alerts.counts().restarts;
        let is_steady = std::mem::replace(&mut self.restarts, restarts) == restarts;
        is_steady && audit.counts().state == LogState::Ok
    }
}

fn firing(alert: &Alert, now: Now) -> Value {
    entry(alert, now.unix_ms.saturating_add(ENDS_AFTER_MS))
}

/// Labels identify the alert, so they are the same on all nodes.
fn entry(alert: &Alert, ends_unix_ms: i64) -> Value {
    let key = alert.key.as_ref();
    let subject = key.map(|key| format!("{} {}", key.kind, harmless(&key.value)));
    json!({
        "labels": {
            "alertname": alert.rule,
            "severity": alert.severity.name(),
            "subject": subject.unwrap_or_default(),
            "service": "portcullis",
        },
        "annotations": {
            "summary": summary::title(alert),
            "description": summary::lines(alert),
            "node": alert.origin.node,
        },
        "startsAt": utc(alert.counts.first_unix_ms),
        "endsAt": utc(ends_unix_ms),
    })
}

/// Time between two requests, unless an alert changes.
const EVERY: Duration = Duration::from_secs(60);
/// Shortest time between two requests.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends the state every minute, and to Alertmanagers also when an alert changes.
pub(crate) async fn run(shared: Arc<Shared>, options: MonitorOptions) {
    let mut state = MonitorState::default();
    loop {
        // Registered before the request, so that an alert during it is not missed.
        let changed = shared.queued.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let now = shared.clock.now();
        match options.send(&mut state, &shared.audit, now).await {
            Ok(()) => shared.note_delivery(&options.name),
            Err(why) => {
                tracing::warn!(channel = options.name, why, "the state is not delivered");
            }
        }
        tokio::time::sleep(PAUSE).await;
        match &options.monitor {
            Monitor::Alertmanager { .. } => {
                let _changed_or_due = tokio::time::timeout(EVERY - PAUSE, changed).await;
            }
            Monitor::Heartbeat { .. } => tokio::time::sleep(EVERY - PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::sample::test_alert;

    fn at(unix_ms: i64) -> Now {
        Now { monotonic_ms: 0, unix_ms }
    }

    fn names(state: &MonitorState, now: Now) -> Vec<(String, String)> {
        let text = |value: &Value| String::from(value.as_str().unwrap());
        let alerts = state.alerts(now);
        let of = |alert: &Value| (text(&alert["labels"]["alertname"]), text(&alert["endsAt"]));
        alerts.iter().map(of).collect()
    }

    #[test]
    fn t401_alertmanager_gets_open_and_resolved_alerts_and_a_watchdog() {
        let mut state = MonitorState::default();
        let alert = test_alert("x", at(0));
        let named = |name: &str, ends: i64| (String::from(name), utc(ends));
        state.update(vec![alert.clone()], at(0));
        let both = [named("PortcullisWatchdog", 300_000), named("TEST", 300_000)];
        assert_eq!(names(&state, at(0)), both);
        state.update(Vec::new(), at(60_000));
        let ended = [named("PortcullisWatchdog", 360_000), named("TEST", 60_000)];
        assert_eq!(names(&state, at(60_000)), ended);
        state.update(Vec::new(), at(359_999));
        assert_eq!(names(&state, at(359_999)).len(), 2);
        // It fires again: it is not resolved any more.
        state.update(vec![alert], at(359_999));
        assert_eq!(names(&state, at(359_999))[1].1, utc(659_999));
        state.update(Vec::new(), at(400_000));
        state.update(Vec::new(), at(700_000));
        assert_eq!(names(&state, at(700_000)).len(), 1);
    }
}
