//! One message for one channel, and when it is sent again.
//! Never: more than one message that waits for the same alert and channel.

use std::sync::Arc;

use portcullis_audit::AlertSeverity;
use serde::{Deserialize, Serialize};

use crate::spool::hold::Hold;

/// Time until each attempt after the first one, in seconds; the last one repeats.
const RETRY_S: [u64; 6] = [5, 30, 120, 600, 1_800, 3_600];
/// After this time, a message is given up.
const GIVE_UP_MS: i64 = 24 * 3_600 * 1_000;
/// Attempts of a message that the receiver rejects.
const REJECTED_MAX: u32 = 3;

/// One message for one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// The name of the channel.
    pub(crate) channel: String,
    /// The format of the body. The channel sends bodies of its own format only.
    pub(crate) form: String,
    /// The id of the alert.
    pub(crate) alert: String,
    /// The id of the message, equal in all attempts.
    pub(crate) message: String,
    /// The severity: 0 is `info`, 3 `critical`.
    pub(crate) severity: u8,
    /// The channel whose message this one replaces, if that is not delivered in time.
    pub(crate) instead_of: Option<String>,
    /// The body.
    pub(crate) body: Arc<str>,
    /// The attempts.
    pub(crate) progress: Progress,
    /// Whether quiet hours hold it.
    #[serde(default)]
    pub(crate) hold: Hold,
}

/// The attempts of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) queued_unix_ms: i64,
    pub(crate) due_unix_ms: i64,
    pub(crate) attempts: u32,
    pub(crate) rejected: u32,
}

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    /// The receiver has it.
    Delivered,
    /// The receiver wants no messages any more (410).
    Gone,
    /// The receiver rejects this message.
    Rejected { why: String },
    /// The receiver cannot be reached, or has a fault.
    Failed { why: String, retry_after_s: Option<u64> },
}

/// The next step after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Another attempt at this time.
    Retry { due_unix_ms: i64 },
    /// No further attempt.
    GiveUp,
}

impl Delivery {
    /// Whether the message is about a critical alert.
    pub(crate) fn is_critical(&self) -> bool {
        self.severity == AlertSeverity::Critical as u8
    }
}

impl SendOutcome {
    /// The outcome by the status of a response.
    pub(crate) fn of_status(status: u16, retry_after_s: Option<u64>) -> Self {
        let why = format!("the receiver answered {status}");
        match status {
            200..=299 => Self::Delivered,
            410 => Self::Gone,
            // 408 and 429 are about the moment, not about the message.
            408 | 429 => Self::Failed { why, retry_after_s },
            400..=499 => Self::Rejected { why },
            _ => Self::Failed { why, retry_after_s },
        }
    }
}

impl Progress {
    pub(crate) fn new(unix_ms: i64) -> Self {
        Self { queued_unix_ms: unix_ms, due_unix_ms: unix_ms, attempts: 0, rejected: 0 }
    }

    /// Counts an attempt that failed. `random` spreads the times by a fifth both ways.
    pub(crate) fn failed(&mut self, outcome: &SendOutcome, unix_ms: i64, random: u8) -> NextStep {
        let index = usize::try_from(self.attempts).unwrap_or(usize::MAX);
        let usual_s = RETRY_S.get(index).or(RETRY_S.last()).copied().unwrap_or(3_600);
        self.attempts = self.attempts.saturating_add(1);
        let retry_after_s = match outcome {
            SendOutcome::Delivered | SendOutcome::Gone => return NextStep::GiveUp,
            SendOutcome::Rejected { .. } => {
                self.rejected += 1;
                if self.rejected >= REJECTED_MAX {
                    return NextStep::GiveUp;
                }
                None
            }
            SendOutcome::Failed { retry_after_s, .. } => *retry_after_s,
        };
        // 80 % to 120 %.
        let spread_ms = usual_s * (800 + u64::from(random) * 400 / 255);
        let wait_ms = spread_ms.max(retry_after_s.unwrap_or(0).saturating_mul(1_000));
        self.due_unix_ms = unix_ms.saturating_add_unsigned(wait_ms);
        if self.due_unix_ms.saturating_sub(self.queued_unix_ms) > GIVE_UP_MS {
            return NextStep::GiveUp;
        }
        NextStep::Retry { due_unix_ms: self.due_unix_ms }
    }
}

#[cfg(test)]
impl Delivery {
    /// A message of a test, due at once.
    pub(crate) fn sample(channel: &str, body: &str) -> Self {
        Self {
            channel: String::from(channel),
            form: String::from("standard"),
            alert: String::from("al_1"),
            message: String::from("msg_1"),
            severity: AlertSeverity::Info as u8,
            instead_of: None,
            body: body.into(),
            progress: Progress::new(0),
            hold: Hold::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(retry_after_s: Option<u64>) -> SendOutcome {
        SendOutcome::Failed { why: String::new(), retry_after_s }
    }

    #[test]
    fn failed_message_is_sent_again_for_a_day() {
        let mut progress = Progress::new(0);
        let mut now = 0;
        let mut waits = Vec::new();
        // 127 is the middle: no spread.
        while let NextStep::Retry { due_unix_ms } = progress.failed(&fails(None), now, 127) {
            waits.push((due_unix_ms - now + 2_500) / 5_000 * 5);
            now = due_unix_ms;
        }
        assert_eq!(waits[..5], [5, 30, 120, 600, 1_800]);
        assert!(waits[5..].iter().all(|wait| (3_590..=3_610).contains(wait)), "{waits:?}");
        assert_eq!(waits.len(), 5 + 23);
    }

    #[test]
    fn attempts_are_spread_and_wait_as_the_receiver_asks() {
        for (random, retry_after_s, expect) in
            [(0, None, 4_000), (255, None, 6_000), (0, Some(90), 90_000), (255, Some(1), 6_000)]
        {
            let mut progress = Progress::new(0);
            let step = progress.failed(&fails(retry_after_s), 0, random);
            assert_eq!(step, NextStep::Retry { due_unix_ms: expect });
        }
    }

    #[test]
    fn rejected_message_is_sent_three_times() {
        let rejected = SendOutcome::of_status(400, None);
        let mut progress = Progress::new(0);
        assert!(matches!(progress.failed(&rejected, 0, 0), NextStep::Retry { .. }));
        assert!(matches!(progress.failed(&rejected, 0, 0), NextStep::Retry { .. }));
        assert_eq!(progress.failed(&rejected, 0, 0), NextStep::GiveUp);
    }

    #[test]
    fn status_decides_whether_the_message_is_sent_again() {
        for (status, expect) in
            [(200, "Delivered"), (204, "Delivered"), (410, "Gone"), (404, "Rejected")]
                .into_iter()
                .chain([(408, "Failed"), (429, "Failed"), (500, "Failed"), (503, "Failed")])
        {
            let outcome = format!("{:?}", SendOutcome::of_status(status, None));
            assert!(outcome.starts_with(expect), "{status} {outcome}");
        }
    }
}
