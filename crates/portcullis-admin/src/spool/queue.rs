//! Messages that are not delivered yet, of all channels.
//! Never: more than 1,000 messages or 4 MiB; two messages of one alert for one channel.

use crate::spool::delivery::{Delivery, NextStep, SendOutcome};
use crate::spool::quota::Quota;

/// Most messages.
const MESSAGES_MAX: usize = 1_000;
/// Most bytes of all messages together.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// The largest size of a message beside its body: names, ids and numbers.
const BESIDE_BODY_BYTES: usize = 512;

/// Messages that are not delivered yet, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    waiting: Vec<Delivery>,
    bytes: usize,
}

/// The next step of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this message.
    Send(Box<Delivery>),
    /// Nothing is due before this time, in Unix milliseconds; none: nothing waits.
    Wait(Option<i64>),
}

/// The outcome of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    /// It is out of the spool, or a newer state replaced it.
    Done,
    /// It is sent again at this time.
    Again(i64),
    /// It was given up.
    GivenUp,
}

impl Spool {
    /// Adds a message. It replaces the one of the same alert and channel that waits.
    ///
    /// In a full spool, the oldest message with a lower severity leaves. `false` when there is
    /// none; the message is not added.
    pub(crate) fn push(&mut self, mut delivery: Delivery) -> bool {
        let is_same =
            |other: &Delivery| other.alert == delivery.alert && other.channel == delivery.channel;
        if let Some(index) = self.waiting.iter().position(is_same) {
            let former = self.take(index);
            // A worse state is tried at once; others wait for the next attempt. A newer state does
            // not postpone a fallback.
            if delivery.instead_of.is_some() {
                delivery.progress.due_unix_ms = former.progress.due_unix_ms;
            } else if delivery.severity <= former.severity {
                let due = &mut delivery.progress.due_unix_ms;
                *due = former.progress.due_unix_ms.max(*due);
                delivery.progress.attempts = former.progress.attempts;
            }
        }
        let size = size(&delivery);
        while self.waiting.len() >= MESSAGES_MAX || self.bytes + size > BYTES_MAX {
            let lower = self.waiting.iter().enumerate();
            let lower = lower.filter(|(_, other)| other.severity < delivery.severity);
            match lower.min_by_key(|(_, other)| other.severity).map(|(index, _)| index) {
                Some(index) => drop(self.take(index)),
                None => return false,
            }
        }
        self.bytes += size;
        self.waiting.push(delivery);
        true
    }

    /// The next message of a channel: the most severe one that is due, then the oldest.
    pub(crate) fn next(&self, channel: &str, quota: &Quota, unix_ms: i64) -> Next {
        let mut found: Option<&Delivery> = None;
        let mut earliest: Option<i64> = None;
        for delivery in self.waiting.iter().filter(|delivery| delivery.channel == channel) {
            let free_at = quota.free_at(delivery.is_critical());
            let at = delivery.progress.due_unix_ms.max(free_at);
            if at > unix_ms {
                earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
            } else if found.is_none_or(|found| found.severity < delivery.severity) {
                found = Some(delivery);
            }
        }
        match found {
            Some(delivery) => Next::Send(Box::new(delivery.clone())),
            None => Next::Wait(earliest),
        }
    }

    /// Takes note of an attempt.
    pub(crate) fn settle(
        &mut self,
        sent: &Delivery,
        outcome: &SendOutcome,
        unix_ms: i64,
        random: u8,
    ) -> AttemptOutcome {
        let is_sent =
            |other: &Delivery| other.message == sent.message && other.channel == sent.channel;
        let Some(index) = self.waiting.iter().position(is_sent) else {
            return AttemptOutcome::Done;
        };
        let step = match outcome {
            SendOutcome::Delivered => {
                drop(self.take(index));
                self.cancel_fallback(sent);
                return AttemptOutcome::Done;
            }
            SendOutcome::Gone => NextStep::GiveUp,
            SendOutcome::Rejected { .. } | SendOutcome::Failed { .. } => {
                let waiting = self.waiting.get_mut(index);
                waiting.map_or(NextStep::GiveUp, |delivery| {
                    delivery.progress.failed(outcome, unix_ms, random)
                })
            }
        };
        match step {
            NextStep::Retry { due_unix_ms } => AttemptOutcome::Again(due_unix_ms),
            NextStep::GiveUp => {
                drop(self.take(index));
                AttemptOutcome::GivenUp
            }
        }
    }

    /// Removes the message that another channel would send instead.
    fn cancel_fallback(&mut self, sent: &Delivery) {
        let is_fallback = |other: &Delivery| {
            other.alert == sent.alert && other.instead_of.as_ref() == Some(&sent.channel)
        };
        if let Some(index) = self.waiting.iter().position(is_fallback) {
            drop(self.take(index));
        }
    }

    /// Removes all messages of a channel; returns how many there were.
    pub(crate) fn clear(&mut self, channel: &str) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|delivery| delivery.channel != channel);
        self.bytes = self.waiting.iter().map(size).sum();
        before - self.waiting.len()
    }

    /// All messages, oldest first.
    pub(crate) fn all(&self) -> &[Delivery] {
        &self.waiting
    }

    fn take(&mut self, index: usize) -> Delivery {
        let delivery = self.waiting.remove(index);
        self.bytes -= size(&delivery);
        delivery
    }
}

fn size(delivery: &Delivery) -> usize {
    delivery.body.len() + BESIDE_BODY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::delivery::Progress;

    fn delivery(channel: &str, alert: &str, message: &str, severity: u8) -> Delivery {
        Delivery {
            channel: String::from(channel),
            form: String::from("standard"),
            alert: String::from(alert),
            message: String::from(message),
            severity,
            instead_of: None,
            body: "{}".into(),
            progress: Progress::new(0),
        }
    }

    fn next(spool: &Spool, channel: &str, unix_ms: i64) -> Result<String, Option<i64>> {
        match spool.next(channel, &Quota::default(), unix_ms) {
            Next::Send(delivery) => Ok(delivery.message),
            Next::Wait(until) => Err(until),
        }
    }

    #[test]
    fn severe_messages_go_first_and_channels_do_not_wait_for_each_other() {
        let mut spool = Spool::default();
        for (channel, alert, message, severity) in
            [("a", "al_1", "m1", 1), ("a", "al_2", "m2", 3), ("a", "al_3", "m3", 3)]
        {
            assert!(spool.push(delivery(channel, alert, message, severity)));
        }
        assert_eq!(next(&spool, "a", 0), Ok(String::from("m2")));
        assert_eq!(next(&spool, "b", 0), Err(None));
        let failed = SendOutcome::Failed { why: String::new(), retry_after_s: None };
        let sent = delivery("a", "al_2", "m2", 3);
        assert_eq!(spool.settle(&sent, &failed, 0, 0), AttemptOutcome::Again(4_000));
        assert_eq!(next(&spool, "a", 0), Ok(String::from("m3")));
        assert_eq!(next(&spool, "a", 4_000), Ok(String::from("m2")));
    }

    #[test]
    fn undelivered_states_of_one_alert_become_the_newest() {
        let mut spool = Spool::default();
        let first = delivery("a", "al_1", "m1", 2);
        assert!(spool.push(first.clone()) && spool.push(delivery("b", "al_1", "m2", 2)));
        assert!(spool.push(delivery("a", "al_1", "m3", 2)));
        assert_eq!(spool.all().len(), 2);
        assert_eq!(next(&spool, "a", 0), Ok(String::from("m3")));
        // The answer to the former state changes nothing.
        assert_eq!(spool.settle(&first, &SendOutcome::Delivered, 0, 0), AttemptOutcome::Done);
        assert_eq!(next(&spool, "a", 0), Ok(String::from("m3")));
    }

    #[test]
    fn t399_fallback_gets_what_the_channel_does_not_deliver_in_time() {
        let mut spool = Spool::default();
        let (first, later) = (delivery("a", "al_1", "m1", 3), delivery("a", "al_1", "m3", 3));
        let fallback = |message: &str, due_unix_ms| Delivery {
            instead_of: Some(String::from("a")),
            progress: Progress { due_unix_ms, ..Progress::new(0) },
            ..delivery("b", "al_1", message, 3)
        };
        assert!(spool.push(first) && spool.push(fallback("m2", 60_000)));
        assert_eq!(next(&spool, "b", 59_999), Err(Some(60_000)));
        // A newer state does not postpone it, and replaces its text.
        assert!(spool.push(later.clone()) && spool.push(fallback("m4", 90_000)));
        assert_eq!(next(&spool, "b", 60_000), Ok(String::from("m4")));
        // The channel delivers after all: nothing is sent twice.
        assert_eq!(spool.settle(&later, &SendOutcome::Delivered, 30_000, 0), AttemptOutcome::Done);
        assert_eq!(next(&spool, "b", 60_000), Err(None));
    }

    #[test]
    fn message_that_is_given_up_leaves() {
        let mut spool = Spool::default();
        let sent = delivery("a", "al_1", "m1", 2);
        spool.push(sent.clone());
        assert_eq!(spool.settle(&sent, &SendOutcome::Gone, 0, 0), AttemptOutcome::GivenUp);
        assert!(spool.all().is_empty());
    }

    #[test]
    fn full_spool_prefers_severe_messages() {
        let mut spool = Spool::default();
        for number in 0..MESSAGES_MAX {
            assert!(spool.push(delivery("a", &number.to_string(), &number.to_string(), 1)));
        }
        assert!(!spool.push(delivery("a", "more", "more", 1)));
        assert!(spool.push(delivery("a", "severe", "severe", 2)));
        assert_eq!(spool.all().len(), MESSAGES_MAX);
        assert_eq!(spool.all()[0].message, "1");
    }

    #[test]
    fn spool_is_bounded_in_bytes() {
        let mut spool = Spool::default();
        let large = |name: &str| {
            let mut delivery = delivery("a", name, name, 1);
            delivery.body = "x".repeat(1024 * 1024).into();
            delivery
        };
        let taken = (0..5).filter(|number| spool.push(large(&number.to_string()))).count();
        assert_eq!(taken, 3);
        assert_eq!(spool.clear("a"), 3);
        assert!(spool.push(large("again")));
    }
}
