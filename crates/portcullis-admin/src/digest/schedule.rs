//! When the next digest is due, also after the clock was set, and after a failure.
//! Never: two digests within half a week, or a wait of more than a week and a half.

use portcullis_audit::{parse_utc, utc};
use portcullis_model::Now;

use super::time::DigestTime;

const HOUR_MS: i64 = 60 * 60_000;
/// The next digest is at the time that is nearest to a week after the last one.
const HALF_WEEK_MS: i64 = 84 * HOUR_MS;
/// The clock was set when it moves by more than this against the monotonic clock.
const STEP_MS: i64 = 60_000;
/// A digest that failed is tried again after this time.
const RETRY_MS: i64 = HOUR_MS;
/// Failures after which the digest is sent without the numbers of the log; and attempts to hand it
/// to a channel before that of the week is lost.
const FAILURES_MAX: u32 = 3;

/// The last event of which the file has the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastDigest {
    /// The server started, and had sent none yet.
    Started(i64),
    /// A digest was sent.
    Sent(i64),
}

impl LastDigest {
    /// Reads the text of the file.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_prefix("started ") {
            Some(time) => parse_utc(time).map(Self::Started),
            None => parse_utc(text).map(Self::Sent),
        }
    }

    /// The text of the file.
    pub(crate) fn to_text(self) -> String {
        match self {
            Self::Started(at) => format!("started {}\n", utc(at)),
            Self::Sent(at) => format!("{}\n", utc(at)),
        }
    }

    fn unix_ms(self) -> i64 {
        match self {
            Self::Started(at) | Self::Sent(at) => at,
        }
    }

    /// The same event on a clock that was set by so much.
    fn shifted(self, by_ms: i64) -> Self {
        match self {
            Self::Started(at) => Self::Started(at.saturating_add(by_ms)),
            Self::Sent(at) => Self::Sent(at.saturating_add(by_ms)),
        }
    }
}

/// The times of the digest.
#[derive(Debug)]
pub(crate) struct DigestSchedule {
    time: DigestTime,
    last: LastDigest,
    next_unix_ms: Option<i64>,
    /// The wall clock minus the monotonic clock, for which the times are right.
    difference_ms: i64,
    failures: u32,
    /// Attempts in which no channel took the digest.
    not_taken: u32,
    is_sending: bool,
}

impl DigestSchedule {
    /// The schedule after a start; `last` is the content of the file.
    pub(crate) fn new(time: DigestTime, last: Option<LastDigest>, now: Now) -> Self {
        let last = match last {
            Some(last) if last.unix_ms() <= now.unix_ms => last,
            // One of the two clocks is wrong: it was sent, and nothing says when.
            Some(LastDigest::Sent(_)) => LastDigest::Sent(now.unix_ms),
            Some(LastDigest::Started(_)) | None => LastDigest::Started(now.unix_ms),
        };
        let mut schedule = Self {
            time,
            last,
            next_unix_ms: None,
            difference_ms: difference(now),
            failures: 0,
            not_taken: 0,
            is_sending: false,
        };
        schedule.plan();
        schedule
    }

    /// The content of the file.
    pub(crate) fn last(&self) -> LastDigest {
        self.last
    }

    /// Moves the times when the clock was set; returns whether it was.
    pub(crate) fn follow_clock(&mut self, now: Now) -> bool {
        let moved_ms = difference(now).saturating_sub(self.difference_ms);
        if moved_ms.abs() <= STEP_MS {
            return false;
        }
        self.difference_ms = difference(now);
        self.last = self.last.shifted(moved_ms);
        self.plan();
        true
    }

    /// Whether the digest is to be sent now.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        !self.is_sending && self.next_unix_ms.is_some_and(|next| next <= now.unix_ms)
    }

    /// The digest is being sent; it is not due meanwhile.
    pub(crate) fn start(&mut self) {
        self.is_sending = true;
    }

    /// The digest was sent.
    pub(crate) fn set_sent(&mut self, now: Now) {
        (self.is_sending, self.failures, self.not_taken) = (false, 0, 0);
        self.last = LastDigest::Sent(now.unix_ms);
        self.plan();
    }

    /// The digest could not be made: it is due again in an hour.
    pub(crate) fn set_failed(&mut self, now: Now) {
        self.is_sending = false;
        self.failures = self.failures.saturating_add(1);
        self.next_unix_ms = Some(now.unix_ms.saturating_add(RETRY_MS));
    }

    /// No channel took the digest: it is due again in an hour. `false` after some attempts.
    pub(crate) fn set_not_taken(&mut self, now: Now) -> bool {
        self.not_taken = self.not_taken.saturating_add(1);
        if self.not_taken >= FAILURES_MAX {
            return false;
        }
        self.is_sending = false;
        self.next_unix_ms = Some(now.unix_ms.saturating_add(RETRY_MS));
        true
    }

    /// Whether it failed so often that it is sent without the numbers of the log.
    pub(crate) fn has_given_up(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    fn plan(&mut self) {
        self.next_unix_ms = match self.last {
            LastDigest::Started(at) => self.time.after(at),
            LastDigest::Sent(at) => self.time.after(at.saturating_add(HALF_WEEK_MS)),
        };
    }
}

fn difference(now: Now) -> i64 {
    now.unix_ms.saturating_sub(i64::try_from(now.monotonic_ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    fn at(text: &str) -> i64 {
        parse_utc(text).unwrap()
    }

    /// A moment of a server that started on a Monday at noon, on a clock that is ahead.
    fn moment(hours: i64, ahead_ms: i64) -> Now {
        let monotonic_ms = u64::try_from(hours * HOUR_MS).unwrap();
        Now { monotonic_ms, unix_ms: at("2026-11-30T12:00") + hours * HOUR_MS + ahead_ms }
    }

    fn monday() -> DigestTime {
        DigestTime::parse("mon 08:00 UTC").unwrap()
    }

    fn next(last: Option<LastDigest>, now: &str) -> Option<i64> {
        let now = Now { monotonic_ms: 0, unix_ms: at(now) };
        DigestSchedule::new(monday(), last, now).next_unix_ms
    }

    #[test]
    fn missed_digest_is_due_after_the_start_and_a_sent_one_is_not() {
        let sent = |text: &str| Some(LastDigest::Sent(at(text)));
        let started = |text: &str| Some(LastDigest::Started(at(text)));
        for (last, now, expect) in [
            // The first start: no digest of the time before.
            (None, "2026-11-29T22:00", "2026-11-30T08:00"),
            // It was off on Monday.
            (started("2026-11-29T22:00"), "2026-12-01T22:00", "2026-11-30T08:00"),
            (sent("2026-11-23T08:01"), "2026-12-01T22:00", "2026-11-30T08:00"),
            (sent("2026-12-01T22:01"), "2026-12-01T23:00", "2026-12-07T08:00"),
            // Sent late: the time on the next day is of the same week.
            (sent("2026-12-06T22:01"), "2026-12-06T23:00", "2026-12-14T08:00"),
            // A time of the future is of a wrong clock.
            (sent("2030-01-01T00:00"), "2026-12-01T23:00", "2026-12-07T08:00"),
            (sent("2030-01-01T00:00"), "2026-12-06T23:00", "2026-12-14T08:00"),
            (started("2030-01-01T00:00"), "2026-12-06T23:00", "2026-12-07T08:00"),
        ] {
            assert_eq!(next(last, now), Some(at(expect)), "{last:?} {now}");
        }
    }

    /// The hours at which digests are sent; the clock is ahead by so much at each hour.
    fn sent_hours(hours: i64, ahead_ms: impl Fn(i64) -> i64) -> Vec<i64> {
        let mut schedule = DigestSchedule::new(monday(), None, moment(0, ahead_ms(0)));
        let mut sent = Vec::new();
        for hour in 0..hours {
            let now = moment(hour, ahead_ms(hour));
            schedule.follow_clock(now);
            if schedule.is_due(now) {
                schedule.start();
                assert!(!schedule.is_due(now), "it is being sent");
                schedule.set_sent(now);
                sent.push(hour);
            }
        }
        sent
    }

    #[test]
    fn clock_that_is_set_and_set_right_causes_no_second_digest_and_no_long_wait() {
        let right = sent_hours(6 * 168, |_| 0);
        assert_eq!(right, [164, 332, 500, 668, 836, 1004], "each Monday at 08:00");
        for days in [-400, -40, -8, -6, -1, 1, 6, 8, 40, 400] {
            for (from, until) in [(100, 160), (160, 170), (165, 166), (165, 400), (300, 340)] {
                let wrong = |hour: i64| (from..until).contains(&hour);
                let ahead = |hour: i64| if wrong(hour) { days * DAY_MS } else { 0 };
                let sent = sent_hours(6 * 168, ahead);
                let waits = sent.windows(2).map(|pair| pair[1] - pair[0]);
                let case = format!("{days} days from {from} to {until}: {sent:?}");
                assert!(waits.clone().all(|hours| hours >= 84), "{case}");
                assert!(waits.clone().all(|hours| hours <= 252), "{case}");
                assert!(sent.first().is_some_and(|hour| *hour <= 252), "{case}");
            }
        }
        // The clock was ahead at the start already.
        let sent = sent_hours(4 * 168, |hour| if hour < 10 { 40 * DAY_MS } else { 0 });
        assert_eq!(sent.first(), Some(&164));
    }

    #[test]
    fn failed_digest_is_due_again_in_an_hour_and_not_noted_as_sent() {
        let mut schedule = DigestSchedule::new(monday(), None, moment(0, 0));
        let before = schedule.last();
        for hour in 164..167 {
            assert!(schedule.is_due(moment(hour, 0)) && !schedule.has_given_up(), "{hour}");
            schedule.start();
            schedule.set_failed(moment(hour, 0));
            assert_eq!(schedule.last(), before);
            assert!(!schedule.is_due(moment(hour, 0)));
        }
        assert!(schedule.is_due(moment(167, 0)) && schedule.has_given_up());
        schedule.set_sent(moment(167, 0));
        assert!(!schedule.has_given_up());
        assert_eq!(schedule.last(), LastDigest::Sent(moment(167, 0).unix_ms));
    }

    #[test]
    fn digest_that_no_channel_takes_is_due_again_twice_whatever_failed_before() {
        let mut schedule = DigestSchedule::new(monday(), None, moment(0, 0));
        (164..167).for_each(|hour| schedule.set_failed(moment(hour, 0)));
        for hour in [167, 168] {
            assert!(schedule.is_due(moment(hour, 0)), "{hour}");
            schedule.start();
            assert!(schedule.set_not_taken(moment(hour, 0)));
            assert!(!schedule.is_due(moment(hour, 0)));
        }
        assert!(!schedule.set_not_taken(moment(169, 0)));
        schedule.set_sent(moment(169, 0));
        assert!(schedule.set_not_taken(moment(332, 0)), "the next week counts by itself");
    }

    #[test]
    fn file_is_read_as_it_is_written() {
        for last in [LastDigest::Started(1_000), LastDigest::Sent(2_000)] {
            assert_eq!(LastDigest::parse(&last.to_text()), Some(last));
        }
        assert_eq!(
            LastDigest::parse("2026-12-01T22:01:00.000Z\n"),
            Some(LastDigest::Sent(at("2026-12-01T22:01")))
        );
        for text in ["", "started", "x"] {
            assert_eq!(LastDigest::parse(text), None, "{text}");
        }
    }
}
