//! A channel: the severities that it gets, and its transport.
//! Never: a default receiver; without a channel, alerts are records and events of `/admin`.

use portcullis_audit::{Alert, AlertSeverity};
use portcullis_model::Now;
use portcullis_server::random_id;

use crate::channel::quiet::QuietHours;
use crate::message::letter;
use crate::message::shape::Shape;
use crate::spool::delivery::{Delivery, Progress, SendOutcome};
use crate::spool::hold::Hold;
use crate::transport::command::Program;
use crate::transport::mail::Mail;
use crate::transport::webhook::Webhook;

/// One channel.
#[derive(Clone)]
pub struct ChannelOptions {
    /// Its name, unique, in logs and in the output of `alert test`.
    pub name: String,
    /// The severities that it gets.
    pub severities: Vec<AlertSeverity>,
    /// The channel that gets the messages that this one does not deliver in time.
    pub fallback: Option<String>,
    /// The times of day at which it gets critical messages only, or severe ones.
    pub quiet: Option<QuietHours>,
    /// The transport of its messages.
    pub transport: Transport,
}

/// The transport of a channel.
#[derive(Clone)]
pub enum Transport {
    /// It posts JSON.
    Webhook(Webhook),
    /// It runs a program.
    Program(Program),
    /// It sends a mail.
    Mail(Box<Mail>),
}

impl ChannelOptions {
    /// Whether the channel gets alerts of this severity.
    pub(crate) fn wants(&self, severity: AlertSeverity) -> bool {
        self.severities.contains(&severity)
    }

    /// The name of the body format, for the file of the spool.
    pub(crate) fn form(&self) -> &'static str {
        match &self.transport {
            Transport::Webhook(webhook) => webhook.shape().name(),
            Transport::Program(_) => Shape::Standard.name(),
            Transport::Mail(_) => "mail",
        }
    }

    /// The time until which a message that is due at a time is held.
    pub(crate) fn held_until(&self, delivery: &Delivery) -> Option<i64> {
        let quiet = self.quiet.as_ref()?;
        quiet.held_until(delivery.severity, delivery.progress.due_unix_ms)
    }

    /// The message of a state of an alert.
    ///
    /// `None` when the system returns no random bytes for its id.
    pub(crate) fn delivery(&self, alert: &Alert, now: Now) -> Option<Delivery> {
        let message = format!("msg_{}", random_id::<16>().ok()?);
        let body = match &self.transport {
            Transport::Webhook(webhook) => webhook.shape().body(alert, now).to_string(),
            Transport::Program(_) => Shape::Standard.body(alert, now).to_string(),
            Transport::Mail(_) => letter::letter(alert),
        };
        Some(Delivery {
            channel: self.name.clone(),
            form: String::from(self.form()),
            alert: alert.id.clone(),
            message,
            severity: alert.severity as u8,
            instead_of: None,
            body: body.into(),
            progress: Progress::new(now.unix_ms),
            hold: Hold::of(alert.state),
        })
    }

    pub(crate) async fn send(&self, delivery: &Delivery, now: Now) -> SendOutcome {
        match &self.transport {
            Transport::Webhook(webhook) => webhook.send(delivery, now).await,
            Transport::Program(program) => program.send(delivery).await,
            Transport::Mail(mail) => mail.send(delivery).await,
        }
    }
}
