//! A test alert to each channel, whether or not the server runs.
//! Never: the spool; a channel that fails is reported and not tried again.

use portcullis_model::Now;
use portcullis_server::random_id;

use crate::channel::monitor::MonitorOptions;
use crate::channel::options::ChannelOptions;
use crate::message::sample::test_alert;
use crate::spool::delivery::SendOutcome;

/// The outcome of the test alert of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialResult {
    /// The name of the channel.
    pub channel: String,
    /// The reason why it was not delivered.
    pub fault: Option<String>,
}

/// Sends a test alert to a channel, whatever severities it gets.
pub async fn send_trial(channel: &ChannelOptions, now: Now) -> TrialResult {
    let result = |fault| TrialResult { channel: channel.name.clone(), fault };
    let Ok(id) = random_id::<16>() else {
        return result(Some(String::from("the system returned no random bytes")));
    };
    let Some(delivery) = channel.delivery(&test_alert(&id, now), now) else {
        return result(Some(String::from("the system returned no random bytes")));
    };
    result_of(channel, channel.send(&delivery, now).await)
}

/// The result of an attempt.
pub(crate) fn result_of(channel: &ChannelOptions, outcome: SendOutcome) -> TrialResult {
    let fault = match outcome {
        SendOutcome::Delivered => None,
        SendOutcome::Gone => Some(String::from("the receiver answered 410: it is gone")),
        SendOutcome::Rejected { why } | SendOutcome::Failed { why, .. } => Some(why),
    };
    TrialResult { channel: channel.name.clone(), fault }
}

/// Sends a test to a monitor: an alert that ends after five minutes, or one heartbeat.
pub async fn send_monitor_trial(options: &MonitorOptions, now: Now) -> TrialResult {
    let fault = match random_id::<16>() {
        Ok(id) => options.send_test(&test_alert(&id, now), now).await.err(),
        Err(_) => Some(String::from("the system returned no random bytes")),
    };
    TrialResult { channel: options.name.clone(), fault }
}
