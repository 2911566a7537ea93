//! A channel: which alerts it gets, and how.
//! Never: a default receiver; without a channel, alerts are records and events of `/admin`.

use portcullis_audit::{Alert, AlertSeverity};
use portcullis_model::Now;

use crate::delivery::{Delivery, Progress, SendOutcome};
use crate::json;
use crate::webhook::Webhook;

/// One channel.
#[derive(Clone)]
pub struct ChannelOptions {
    /// Its name, unique, in logs and in the output of `alert test`.
    pub name: String,
    /// The severities that it gets.
    pub severities: Vec<AlertSeverity>,
    /// How it delivers.
    pub transport: Transport,
}

/// How a channel delivers.
#[derive(Clone)]
pub enum Transport {
    /// It posts JSON.
    Webhook(Webhook),
}

impl ChannelOptions {
    /// Whether the channel gets alerts of this severity.
    pub(crate) fn wants(&self, severity: AlertSeverity) -> bool {
        self.severities.contains(&severity)
    }

    /// How bodies are written, in the file of the spool.
    pub(crate) fn form(&self) -> &'static str {
        match &self.transport {
            Transport::Webhook(_) => "webhook standard",
        }
    }

    /// The message of a state of an alert.
    pub(crate) fn delivery(&self, alert: &Alert, message: String, now: Now) -> Delivery {
        let body = match &self.transport {
            Transport::Webhook(_) => json::standard(alert, now).to_string(),
        };
        Delivery {
            channel: self.name.clone(),
            form: String::from(self.form()),
            alert: alert.id.clone(),
            message,
            severity: alert.severity as u8,
            is_open: alert.state.is_open(),
            body: body.into(),
            progress: Progress::new(now.unix_ms),
        }
    }

    pub(crate) async fn send(&self, delivery: &Delivery, now: Now) -> SendOutcome {
        match &self.transport {
            Transport::Webhook(webhook) => webhook.send(delivery, now).await,
        }
    }
}
