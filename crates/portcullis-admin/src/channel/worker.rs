//! The worker of one channel: sends its messages, one at a time.
//! Never: a second request while one is open; a wait of the other channels.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::channel::options::ChannelOptions;
use crate::channel::shared::Shared;
use crate::spool::delivery::{Delivery, SendOutcome};
use crate::spool::queue::{AttemptOutcome, Next};
use crate::spool::quota::Quota;

/// Longest sleep: a clock that was set back delays messages by this time at most.
const SLEEP_MAX_MS: u64 = 60_000;

/// Sends the messages of a channel until the runtime ends, or the receiver wants no more.
pub(crate) async fn run(shared: Arc<Shared>, channel: Arc<ChannelOptions>) {
    let mut quota = Quota::default();
    loop {
        // Registered before the look, so that a message that comes between is not missed.
        let queued = shared.queued.notified();
        tokio::pin!(queued);
        queued.as_mut().enable();
        let now = shared.clock.now();
        if let Some(quiet) = &channel.quiet
            && shared.spool().hold(&channel.name, quiet, now.unix_ms)
        {
            shared.changed.notify_one();
        }
        let next = shared.spool().next(&channel.name, &quota, now.unix_ms);
        match next {
            Next::Send(delivery) => {
                quota.count(delivery.is_critical(), now.unix_ms);
                let outcome = channel.send(&delivery, now).await;
                if settle(&shared, &channel, &delivery, &outcome) == Receiver::Gone {
                    return;
                }
            }
            Next::Wait(until) => {
                let wait_ms = until.map(|until| until.saturating_sub(now.unix_ms));
                let wait_ms = wait_ms.and_then(|wait_ms| u64::try_from(wait_ms).ok());
                let wait_ms = wait_ms.unwrap_or(SLEEP_MAX_MS).clamp(1, SLEEP_MAX_MS);
                let wait = Duration::from_millis(wait_ms);
                let _queued_or_due = tokio::time::timeout(wait, queued).await;
            }
        }
    }
}

/// Whether the receiver still wants messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    There,
    Gone,
}

fn settle(
    shared: &Shared,
    channel: &ChannelOptions,
    delivery: &Delivery,
    outcome: &SendOutcome,
) -> Receiver {
    let mut random = [0];
    // Without randomness, the times are not spread.
    let _spread = aws_lc_rs::rand::fill(&mut random);
    let [random] = random;
    let now = shared.clock.now();
    let settled = shared.spool().settle(delivery, outcome, now.unix_ms, random);
    shared.changed.notify_one();
    let (name, alert) = (&channel.name, &delivery.alert);
    let why = match outcome {
        SendOutcome::Delivered => {
            shared.counts.delivered.fetch_add(1, Ordering::Relaxed);
            shared.note_delivery(name);
            return Receiver::There;
        }
        SendOutcome::Gone => {
            let lost = shared.switch_off(name) as u64 + 1;
            let why = "the receiver answered 410; the channel is off until the next start";
            shared.undelivered(name, alert, why, lost);
            return Receiver::Gone;
        }
        SendOutcome::Rejected { why } | SendOutcome::Failed { why, .. } => why,
    };
    match settled {
        AttemptOutcome::Done => {}
        AttemptOutcome::Again(_) => {
            tracing::warn!(channel = name, alert, why, "alert not delivered yet")
        }
        AttemptOutcome::GivenUp => shared.undelivered(name, alert, why, 1),
    }
    Receiver::There
}
