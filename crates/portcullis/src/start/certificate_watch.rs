//! Reports the state of the certificate: a metric, a daily reminder, an alert.
//! Never: a new certificate; the operator or the task of ACME renews it.

use std::sync::Arc;

use portcullis_audit::{AlertKey, AlertSeverity, Audit};
use portcullis_model::{Clock, Now};
use portcullis_server::Builder;

use crate::acme;
use crate::config::{ConfigError, Settings};
use crate::tls::certificate::EXPIRES_SOON_S;
use crate::tls::server_config::Tls;

/// Period between reminders of a certificate that expires soon, in seconds.
const REMIND_EVERY_S: i64 = 24 * 60 * 60;
/// With less time left, clients are about to be rejected.
const EXPIRES_NOW_S: i64 = 7 * 24 * 60 * 60;
/// The rule of alerts about certificates.
const RULE: &str = "A16";

/// Adds a metric, how long the current certificate is valid, and the task that renews it by ACME.
pub(crate) fn install(
    builder: &mut Builder,
    settings: &Settings,
    tls: Option<&Tls>,
    audit: &Audit,
    clock: &Arc<dyn Clock>,
) -> Result<(), ConfigError> {
    let Some(tls) = tls else { return Ok(()) };
    let (certificate, moments) = (Arc::clone(&tls.certificate), Arc::clone(clock));
    let help = "Seconds until the current certificate expires; negative when it has";
    builder.measure("certificate_expiry_seconds", help, move || {
        certificate.seconds_left(moments.now())
    });
    acme::task::install(builder, settings, tls, audit, clock)
}

/// Watches the certificate while the server runs.
pub(crate) struct CertificateWatch {
    last_reminder_unix_s: i64,
    key: AlertKey,
    /// What the operator has to do.
    remedy: &'static str,
}

impl CertificateWatch {
    pub(crate) fn new(settings: &Settings, now: Now) -> Self {
        let host = settings.gate.hosts.first().cloned().unwrap_or_default();
        let key = AlertKey { kind: "host", value: host };
        let remedy = settings.tls.renewal_remedy();
        Self { last_reminder_unix_s: now.unix_s(), key, remedy }
    }

    /// Once a second: logs once a day, and alerts, when the certificate expires soon.
    pub(crate) fn check(&mut self, tls: &Tls, audit: &Audit, now: Now) {
        let left_s = tls.certificate.seconds_left(now);
        if left_s < EXPIRES_SOON_S && now.unix_s() - self.last_reminder_unix_s >= REMIND_EVERY_S {
            self.last_reminder_unix_s = now.unix_s();
            tracing::warn!(left_s, "the certificate expires soon: {}", self.remedy);
        }
        let Some(alerts) = audit.alerts() else { return };
        match severity(left_s) {
            Some(severity) => alerts.raise(RULE, self.key.clone(), severity, now),
            None => alerts.clear(RULE, &self.key, now),
        }
    }
}

fn severity(left_s: i64) -> Option<AlertSeverity> {
    if left_s < EXPIRES_NOW_S {
        Some(AlertSeverity::Critical)
    } else if left_s < EXPIRES_SOON_S {
        Some(AlertSeverity::Medium)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // T-396
    #[test]
    fn t396_certificate_of_20_days_is_medium_and_of_6_days_critical() {
        let day_s = 24 * 60 * 60;
        for (days, expect) in [
            (90, None),
            (21, None),
            (20, Some(AlertSeverity::Medium)),
            (7, Some(AlertSeverity::Medium)),
            (6, Some(AlertSeverity::Critical)),
            (-1, Some(AlertSeverity::Critical)),
        ] {
            assert_eq!(severity(days * day_s), expect, "{days}");
        }
    }
}
