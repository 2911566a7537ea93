//! Letters beside alerts, such as the weekly digest: mail channels alone send them.
//! Never: a letter that pushes an alert out of the spool.

use std::sync::Arc;

use portcullis_audit::AlertSeverity;
use portcullis_model::Now;
use portcullis_server::random_id;

use crate::channel::channels::Channels;
use crate::channel::options::{ChannelOptions, Transport};
use crate::channel::trial::{TrialResult, result_of};
use crate::spool::delivery::{Delivery, Progress};
use crate::spool::hold::Hold;
use crate::spool::queue::PushOutcome;

/// Queues a letter, by its id and text, for each mail channel; returns how many got it.
pub(crate) type LetterSender = Arc<dyn Fn(&str, &str) -> usize + Send + Sync>;

impl ChannelOptions {
    /// A letter: the subject in its first line. None for a channel that sends no mails.
    fn letter(&self, id: &str, text: &str, now: Now) -> Option<Delivery> {
        match &self.transport {
            Transport::Mail(_) => {}
            Transport::Webhook(_) | Transport::Program(_) => return None,
        }
        Some(Delivery {
            channel: self.name.clone(),
            form: String::from(self.form()),
            alert: String::from(id),
            message: format!("msg_{}", random_id::<16>().ok()?),
            severity: AlertSeverity::Info as u8,
            instead_of: None,
            body: text.into(),
            progress: Progress::new(now.unix_ms),
            hold: Hold::default(),
        })
    }
}

impl Channels {
    /// Queues a letter for each mail channel; returns how many got it.
    pub(crate) fn letters(&self) -> LetterSender {
        let shared = Arc::clone(&self.shared);
        Arc::new(move |id, text| {
            let now = shared.clock.now();
            let mut queued = 0;
            for channel in &shared.channels {
                let Some(delivery) = channel.letter(id, text, now) else { continue };
                // Its severity is the lowest, so no alert leaves for it.
                let pushed = shared.spool().push(delivery, &mut Vec::new());
                if pushed == PushOutcome::Queued {
                    queued += 1;
                } else {
                    shared.undelivered(&channel.name, id, "the spool is full", 1);
                }
            }
            shared.queued.notify_waiters();
            shared.changed.notify_one();
            queued
        })
    }
}

/// Sends a letter at once; none for a channel that sends no mails.
pub async fn send_letter(
    channel: &ChannelOptions,
    id: &str,
    text: &str,
    now: Now,
) -> Option<TrialResult> {
    let delivery = channel.letter(id, text, now)?;
    Some(result_of(channel, channel.send(&delivery, now).await))
}
