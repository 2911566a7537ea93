//! Quiet hours: the times of day at which a channel holds less severe messages.
//! Never: the time zones of the system, which differ from machine to machine.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use portcullis_audit::AlertSeverity;

/// The error of a text that is not quiet hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuietError {
    /// It has another form.
    #[error("it is not \"HH:MM-HH:MM ZONE\"")]
    Form,
    /// A part is not a time of day.
    #[error("{0:?} is not a time of day from 00:00 to 23:59")]
    Time(String),
    /// The hours would have no end.
    #[error("its start and its end are equal")]
    Equal,
    /// The zone has another name.
    #[error("{0:?} is not a time zone of the IANA database")]
    Zone(String),
}

/// The times of day at which a channel holds messages below a severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    start: Time,
    end: Time,
    zone: TimeZone,
    below: AlertSeverity,
}

impl QuietHours {
    /// Reads `22:00-07:00 Europe/Berlin`.
    ///
    /// # Errors
    /// [`QuietError`] with the part that is not valid.
    pub fn parse(text: &str, below: AlertSeverity) -> Result<Self, QuietError> {
        let (hours, zone) = text.split_once(' ').ok_or(QuietError::Form)?;
        let (start, end) = hours.split_once('-').ok_or(QuietError::Form)?;
        let (start, end) = (time(start)?, time(end)?);
        if start == end {
            return Err(QuietError::Equal);
        }
        let found = TimeZoneDatabase::bundled().get(zone);
        let zone = found.map_err(|_| QuietError::Zone(String::from(zone)))?;
        Ok(Self { start, end, zone, below })
    }

    /// Messages of this severity are not held.
    #[must_use]
    pub fn below(&self) -> AlertSeverity {
        self.below
    }

    /// The time until which a message of this severity is held; none if it is not.
    pub(crate) fn held_until(&self, severity: u8, unix_ms: i64) -> Option<i64> {
        if severity >= self.below as u8 {
            return None;
        }
        let now = Timestamp::from_millisecond(unix_ms).ok()?;
        let today = self.zone.to_datetime(now).date();
        let dates = [today.yesterday().ok()?, today, today.tomorrow().ok()?];
        let periods = dates.into_iter().filter_map(|date| self.period(date));
        let open = periods.filter(|(start, end)| (*start..*end).contains(&now));
        open.map(|(_, end)| end.as_millisecond()).max()
    }

    /// The quiet hours that start on a date.
    fn period(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        let last = if self.start < self.end { date } else { date.tomorrow().ok()? };
        let start = self.instant(date.to_datetime(self.start))?;
        Some((start, self.instant(last.to_datetime(self.end))?))
    }

    /// A time that occurs twice is the first one. One that is skipped is the end of the gap.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let earlier = ambiguous.earlier().ok()?;
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => Some(earlier),
            AmbiguousOffset::Gap { .. } => {
                self.zone.following(earlier).next().map(|transition| transition.timestamp())
            }
        }
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or_default();
        let [start, end] = [self.start, self.end].map(|time| (time.hour(), time.minute()));
        write!(formatter, "{:02}:{:02}-{:02}:{:02} {zone}", start.0, start.1, end.0, end.1)
    }
}

fn time(text: &str) -> Result<Time, QuietError> {
    let invalid = || QuietError::Time(String::from(text));
    let number = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten().ok_or_else(invalid)
    };
    let (hour, minute) = text.split_once(':').ok_or_else(invalid)?;
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: u8 = AlertSeverity::High as u8;

    fn quiet(text: &str) -> QuietHours {
        QuietHours::parse(text, AlertSeverity::Critical).unwrap()
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// Each case is a time, and the end of the quiet hours at that time.
    fn check(text: &str, cases: &[(&str, Option<&str>)]) {
        let quiet = quiet(text);
        for (now, expect) in cases {
            assert_eq!(quiet.held_until(HIGH, at(now)), expect.map(at), "{text} at {now}");
        }
    }

    #[test]
    fn hours_can_go_over_midnight() {
        let end = Some("2026-01-15T06:00:00Z");
        check(
            "22:00-07:00 Europe/Berlin",
            &[
                ("2026-01-14T20:59:59.999Z", None),
                ("2026-01-14T21:00:00Z", end),
                ("2026-01-14T23:30:00Z", end),
                ("2026-01-15T05:59:59.999Z", end),
                ("2026-01-15T06:00:00Z", None),
            ],
        );
        let end = Some("2026-01-14T13:00:00Z");
        check(
            "12:00-13:00 UTC",
            &[
                ("2026-01-14T11:59:59Z", None),
                ("2026-01-14T12:00:00Z", end),
                ("2026-01-14T13:00:00Z", None),
            ],
        );
    }

    #[test]
    fn severity_decides() {
        for below in [AlertSeverity::Medium, AlertSeverity::High, AlertSeverity::Critical] {
            let quiet = QuietHours::parse("12:00-13:00 UTC", below).unwrap();
            for severity in AlertSeverity::ALL {
                let held = quiet.held_until(severity as u8, at("2026-01-14T12:00:00Z"));
                assert_eq!(held.is_some(), severity < below, "{severity:?} {below:?}");
            }
        }
    }

    #[test]
    fn night_of_the_clock_change_has_another_length() {
        // 02:00 is 03:00: the night has eight hours. At the other one, it has ten.
        let (spring, autumn) = (Some("2026-03-29T05:00:00Z"), Some("2026-10-25T06:00:00Z"));
        check(
            "22:00-07:00 Europe/Berlin",
            &[
                ("2026-03-28T20:59:59Z", None),
                ("2026-03-28T21:00:00Z", spring),
                ("2026-03-29T05:00:00Z", None),
                ("2026-10-24T19:59:59Z", None),
                ("2026-10-24T20:00:00Z", autumn),
                ("2026-10-25T06:00:00Z", None),
            ],
        );
    }

    #[test]
    fn time_in_a_gap_is_its_end() {
        let end = Some("2026-03-29T01:00:00Z");
        check(
            "01:00-02:30 Europe/Berlin",
            &[("2026-03-29T00:59:59Z", end), ("2026-03-29T01:00:00Z", None)],
        );
        let end = Some("2026-03-29T05:00:00Z");
        check(
            "02:30-07:00 Europe/Berlin",
            &[("2026-03-29T00:59:59Z", None), ("2026-03-29T01:00:00Z", end)],
        );
        // Both are in the gap: there are no quiet hours on that day.
        check("02:10-02:50 Europe/Berlin", &[("2026-03-29T01:00:00Z", None)]);
        // Samoa had no 30 December 2011.
        let end = Some("2011-12-30T17:00:00Z");
        check(
            "22:00-07:00 Pacific/Apia",
            &[
                ("2011-12-30T09:59:59Z", Some("2011-12-30T10:00:00Z")),
                ("2011-12-30T10:00:00Z", end),
            ],
        );
    }

    #[test]
    fn time_that_occurs_twice_is_the_first_one() {
        let end = Some("2026-10-25T00:30:00Z");
        check(
            "22:00-02:30 Europe/Berlin",
            &[
                ("2026-10-25T00:29:59Z", end),
                ("2026-10-25T00:30:00Z", None),
                ("2026-10-25T01:15:00Z", None),
            ],
        );
        let end = Some("2026-10-25T06:00:00Z");
        check(
            "02:30-07:00 Europe/Berlin",
            &[
                ("2026-10-25T00:29:59Z", None),
                ("2026-10-25T00:30:00Z", end),
                // It is 02:10 for the second time.
                ("2026-10-25T01:10:00Z", end),
            ],
        );
    }

    #[test]
    fn rules_of_a_zone_go_on_after_its_table() {
        let end = Some("2099-07-15T05:00:00Z");
        check("22:00-07:00 Europe/Berlin", &[("2099-07-14T20:00:00Z", end)]);
    }

    #[test]
    fn invalid_hours_are_rejected_with_the_part() {
        let time = |text: &str| QuietError::Time(String::from(text));
        let zone = |text: &str| QuietError::Zone(String::from(text));
        for (text, expect) in [
            ("", QuietError::Form),
            ("22:00-07:00", QuietError::Form),
            ("22:00 Europe/Berlin", QuietError::Form),
            ("24:00-07:00 UTC", time("24:00")),
            ("22:00-7:00 UTC", time("7:00")),
            ("22:60-07:00 UTC", time("22:60")),
            ("22:00-+7:00 UTC", time("+7:00")),
            ("22-07:00 UTC", time("22")),
            ("22:00-22:00 UTC", QuietError::Equal),
            ("22:00-07:00 Europe/Atlantis", zone("Europe/Atlantis")),
            ("22:00-07:00 ", zone("")),
            ("22:00-07:00 ../etc/passwd", zone("../etc/passwd")),
        ] {
            let found = QuietHours::parse(text, AlertSeverity::Critical);
            assert_eq!(found, Err(expect), "{text:?}");
        }
        assert_eq!(quiet("22:00-07:30 Europe/Berlin").to_string(), "22:00-07:30 Europe/Berlin");
    }
}
