//! Messages that are not delivered yet, of all channels.
//! Never: more than 1,000 messages or 4 MiB; two messages of one alert for one channel.

use crate::channel::quiet::QuietHours;
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

/// The outcome of adding a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushOutcome {
    /// It waits.
    Queued,
    /// The spool is full.
    NoSpace,
    /// It ends an alert that its receiver does not know, so it is not sent.
    Canceled,
}

impl Spool {
    /// Adds a message. It replaces the one of the same alert and channel that waits.
    ///
    /// In a full spool, the oldest messages with the lowest severity leave; `lost` gets them.
    pub(crate) fn push(&mut self, mut delivery: Delivery, lost: &mut Vec<Delivery>) -> PushOutcome {
        let is_same =
            |other: &Delivery| other.alert == delivery.alert && other.channel == delivery.channel;
        if let Some(index) = self.waiting.iter().position(is_same) {
            let former = self.take(index);
            if !delivery.follow(&former) {
                self.cancel_fallback(&former);
                return PushOutcome::Canceled;
            }
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
                Some(index) => lost.push(self.take(index)),
                None => return PushOutcome::NoSpace,
            }
        }
        self.bytes += size;
        self.waiting.push(delivery);
        PushOutcome::Queued
    }

    /// Holds the messages of a channel in its quiet hours. Returns whether there are any.
    pub(crate) fn hold(&mut self, channel: &str, quiet: &QuietHours, unix_ms: i64) -> bool {
        let mut has_held = false;
        for delivery in self.waiting.iter_mut().filter(|delivery| delivery.channel == channel) {
            let until = quiet.held_until(delivery.severity, unix_ms);
            if let Some(until) = until.filter(|until| delivery.progress.due_unix_ms < *until) {
                delivery.hold(until);
                has_held = true;
            }
        }
        has_held
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
    use crate::spool::hold::{Hold, Stage};

    fn delivery(channel: &str, alert: &str, message: &str, severity: u8) -> Delivery {
        Delivery {
            alert: String::from(alert),
            message: String::from(message),
            severity,
            ..Delivery::sample(channel, "{}")
        }
    }

    /// Adds a message, for which no other one leaves.
    fn push(spool: &mut Spool, delivery: Delivery) -> PushOutcome {
        let mut lost = Vec::new();
        let fate = spool.push(delivery, &mut lost);
        assert_eq!(lost, []);
        fate
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
            assert_eq!(
                push(&mut spool, delivery(channel, alert, message, severity)),
                PushOutcome::Queued
            );
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
        for message in
            [first.clone(), delivery("b", "al_1", "m2", 2), delivery("a", "al_1", "m3", 2)]
        {
            assert_eq!(push(&mut spool, message), PushOutcome::Queued);
        }
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
        push(&mut spool, first);
        push(&mut spool, fallback("m2", 60_000));
        assert_eq!(next(&spool, "b", 59_999), Err(Some(60_000)));
        // A newer state does not postpone it, and replaces its text.
        push(&mut spool, later.clone());
        push(&mut spool, fallback("m4", 90_000));
        assert_eq!(next(&spool, "b", 60_000), Ok(String::from("m4")));
        // The channel delivers after all: nothing is sent twice.
        assert_eq!(spool.settle(&later, &SendOutcome::Delivered, 30_000, 0), AttemptOutcome::Done);
        assert_eq!(next(&spool, "b", 60_000), Err(None));
    }

    #[test]
    fn message_that_is_given_up_leaves() {
        let mut spool = Spool::default();
        let sent = delivery("a", "al_1", "m1", 2);
        push(&mut spool, sent.clone());
        assert_eq!(spool.settle(&sent, &SendOutcome::Gone, 0, 0), AttemptOutcome::GivenUp);
        assert!(spool.all().is_empty());
    }

    #[test]
    fn full_spool_prefers_severe_messages() {
        let mut spool = Spool::default();
        for number in 0..MESSAGES_MAX {
            let number = number.to_string();
            assert_eq!(push(&mut spool, delivery("a", &number, &number, 1)), PushOutcome::Queued);
        }
        assert_eq!(push(&mut spool, delivery("a", "more", "more", 1)), PushOutcome::NoSpace);
        let mut lost = Vec::new();
        assert_eq!(
            spool.push(delivery("a", "severe", "severe", 2), &mut lost),
            PushOutcome::Queued
        );
        assert_eq!(lost, [delivery("a", "0", "0", 1)], "the caller counts it");
        assert_eq!(spool.all().len(), MESSAGES_MAX);
        assert_eq!(spool.all()[0].message, "1");
        // A newer state of an alert takes the space of the former one.
        assert_eq!(push(&mut spool, delivery("a", "severe", "newer", 2)), PushOutcome::Queued);
    }

    #[test]
    fn spool_is_bounded_in_bytes() {
        let mut spool = Spool::default();
        let large = |name: &str| {
            let mut delivery = delivery("a", name, name, 1);
            delivery.body = "x".repeat(1024 * 1024).into();
            delivery
        };
        let taken = (0..5)
            .filter(|number| push(&mut spool, large(&number.to_string())) == PushOutcome::Queued)
            .count();
        assert_eq!(taken, 3);
        assert_eq!(spool.clear("a"), 3);
        assert_eq!(push(&mut spool, large("again")), PushOutcome::Queued);
    }

    const NIGHT: i64 = 13 * HOUR;
    const HOUR: i64 = 3_600_000;

    fn noon() -> QuietHours {
        QuietHours::parse("12:00-13:00 UTC", portcullis_audit::AlertSeverity::Critical).unwrap()
    }

    /// A message at 12:00, when `noon` holds it.
    fn held(message: &str, stage: Stage, severity: u8) -> Delivery {
        let mut delivery = Delivery {
            progress: Progress::new(12 * HOUR),
            hold: Hold { stage, until_unix_ms: None },
            ..delivery("a", "al_1", message, severity)
        };
        if severity < 3 {
            delivery.hold(NIGHT);
        }
        delivery
    }

    #[test]
    fn quiet_hours_hold_messages_and_send_the_newest_at_their_end() {
        let mut spool = Spool::default();
        push(&mut spool, held("m1", Stage::Begins, 2));
        push(&mut spool, held("m2", Stage::Continues, 2));
        assert_eq!(next(&spool, "a", 12 * HOUR), Err(Some(NIGHT)));
        assert_eq!(next(&spool, "a", NIGHT), Ok(String::from("m2")));
        // It is critical now: it is sent at once.
        assert_eq!(push(&mut spool, held("m3", Stage::Continues, 3)), PushOutcome::Queued);
        assert_eq!(next(&spool, "a", 12 * HOUR), Ok(String::from("m3")));
    }

    #[test]
    fn alert_that_ends_in_quiet_hours_is_not_sent_unless_its_start_was() {
        for (first, attempts, expect) in [
            (Some(Stage::Begins), 0, PushOutcome::Canceled),
            (Some(Stage::Begins), 1, PushOutcome::Queued),
            (Some(Stage::Continues), 0, PushOutcome::Queued),
            (None, 0, PushOutcome::Queued),
        ] {
            let mut spool = Spool::default();
            for stage in first.into_iter().chain(first.map(|_| Stage::Continues)) {
                let mut delivery = held("m1", stage, 2);
                delivery.progress.attempts = attempts;
                push(&mut spool, delivery);
            }
            let fallback =
                Delivery { instead_of: Some(String::from("a")), ..delivery("b", "al_1", "m2", 2) };
            push(&mut spool, fallback);
            assert_eq!(push(&mut spool, held("m3", Stage::Ends, 2)), expect, "{first:?}");
            let count = if expect == PushOutcome::Canceled { 0 } else { 2 };
            assert_eq!(spool.all().len(), count, "its fallback leaves too: {first:?}");
        }
    }

    #[test]
    fn alert_that_opens_again_in_quiet_hours_is_sent_as_it_is_then() {
        let mut spool = Spool::default();
        push(&mut spool, held("m1", Stage::Ends, 2));
        push(&mut spool, held("m2", Stage::Begins, 2));
        // Its receiver knows it from before the quiet hours, so it gets the end.
        assert_eq!(push(&mut spool, held("m3", Stage::Ends, 2)), PushOutcome::Queued);
        assert_eq!(next(&spool, "a", NIGHT), Ok(String::from("m3")));
    }

    #[test]
    fn quiet_hours_hold_messages_that_failed_before_for_their_whole_time() {
        let mut spool = Spool::default();
        let mut late = held("m1", Stage::Begins, 2);
        (late.hold, late.progress) = (Hold::default(), Progress::new(11 * HOUR));
        late.progress.attempts = 1;
        push(&mut spool, late);
        assert!(!spool.hold("a", &noon(), 12 * HOUR - 1) && !spool.hold("b", &noon(), 12 * HOUR));
        assert!(spool.hold("a", &noon(), 12 * HOUR));
        assert!(!spool.hold("a", &noon(), 12 * HOUR + 1), "nothing changes");
        assert_eq!(next(&spool, "a", 12 * HOUR), Err(Some(NIGHT)));
        assert_eq!(spool.all()[0].progress.queued_unix_ms, NIGHT, "the day begins then");
        assert_eq!(spool.all()[0].hold.until_unix_ms, None, "the receiver may have it");
    }

    #[test]
    fn held_message_is_due_after_a_restart_and_one_that_failed_is_due_soon() {
        let mut message = held("m1", Stage::Begins, 2);
        message.resume(12 * HOUR);
        assert_eq!(
            (message.progress, message.hold.until_unix_ms),
            (Progress::new(12 * HOUR), None)
        );
        let mut failed = delivery("a", "al_1", "m1", 2);
        for (attempts, due_unix_ms, expect) in
            [(0, 60_000, 60_000), (1, 20_000, 20_000), (4, 60_000, 30_007)]
        {
            failed.progress = Progress { attempts, due_unix_ms, ..Progress::new(0) };
            failed.resume(7);
            assert_eq!(failed.progress.due_unix_ms, expect);
        }
    }
}
