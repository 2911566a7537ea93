//! The day and the time of the weekly digest, in a time zone.
//! Never: the time zone of the machine.

use std::fmt;

use jiff::civil::{Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

/// The words of the days.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// The error of a text that is not the time of a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestTimeError {
    /// It has another form.
    #[error("it is not \"DAY HH:MM ZONE\"")]
    Form,
    /// The day has another name.
    #[error("{0:?} is not mon, tue, wed, thu, fri, sat or sun")]
    Day(String),
    /// The time is not one of a day.
    #[error("{0:?} is not a time of day from 00:00 to 23:59")]
    Time(String),
    /// The zone has another name.
    #[error("{0:?} is not a time zone of the IANA database")]
    Zone(String),
}

/// The time at which the digest is sent, once a week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestTime {
    day: Weekday,
    time: Time,
    zone: TimeZone,
}

impl DigestTime {
    /// Reads `mon 08:00 Europe/Berlin`.
    ///
    /// # Errors
    /// [`DigestTimeError`] with the part that is not valid.
    pub fn parse(text: &str) -> Result<Self, DigestTimeError> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or(DigestTimeError::Form);
        let (day, time, zone) = (next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(DigestTimeError::Form);
        }
        let found = DAYS.iter().find(|(name, _)| *name == day);
        let (_, day) = found.ok_or_else(|| DigestTimeError::Day(String::from(day)))?;
        let invalid = || DigestTimeError::Time(String::from(time));
        let (hour, minute) = time.split_once(':').ok_or_else(invalid)?;
        let number = |digits: &str| {
            let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten().ok_or_else(invalid)
        };
        let time = Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| invalid())?;
        let zone = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_| DigestTimeError::Zone(String::from(zone)))?;
        Ok(Self { day: *day, time, zone })
    }

    /// The first time of a digest after a moment, in milliseconds since 1970.
    ///
    /// A time that the clock change skips is as much later; of one that occurs twice, the first
    /// counts.
    #[must_use]
    pub fn after(&self, unix_ms: i64) -> Option<i64> {
        let moment = Timestamp::from_millisecond(unix_ms).ok()?;
        let today = self.zone.to_datetime(moment).date();
        (0..=8).find_map(|days| {
            let date = today.checked_add(Span::new().days(days)).ok()?;
            let at = self.zone.to_timestamp(date.to_datetime(self.time)).ok()?;
            (date.weekday() == self.day && at > moment).then(|| at.as_millisecond())
        })
    }
}

impl fmt::Display for DigestTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = DAYS.iter().find(|(_, day)| *day == self.day).map_or("", |(name, _)| name);
        let zone = self.zone.iana_name().unwrap_or_default();
        let (hour, minute) = (self.time.hour(), self.time.minute());
        write!(formatter, "{day} {hour:02}:{minute:02} {zone}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn digest_is_due_once_a_week_in_its_zone() {
        let monday = DigestTime::parse("mon 08:00 Europe/Berlin").unwrap();
        for (now, expect) in [
            ("2026-11-29T22:00:00Z", "2026-11-30T07:00:00Z"),
            ("2026-11-30T06:59:59Z", "2026-11-30T07:00:00Z"),
            ("2026-11-30T07:00:00Z", "2026-12-07T07:00:00Z"),
            // Clocks change between the two.
            ("2026-03-23T08:00:00Z", "2026-03-30T06:00:00Z"),
        ] {
            assert_eq!(monday.after(at(now)), Some(at(expect)), "{now}");
        }
        // 02:30 is skipped, and occurs twice.
        let sunday = DigestTime::parse("sun 02:30 Europe/Berlin").unwrap();
        assert_eq!(sunday.after(at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T01:30:00Z")));
        assert_eq!(sunday.after(at("2026-10-24T12:00:00Z")), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(sunday.to_string(), "sun 02:30 Europe/Berlin");
    }

    #[test]
    fn invalid_time_is_rejected_with_the_part() {
        let text = String::from;
        for (input, expect) in [
            ("", DigestTimeError::Form),
            ("mon 08:00", DigestTimeError::Form),
            ("mon 08:00 UTC x", DigestTimeError::Form),
            ("monday 08:00 UTC", DigestTimeError::Day(text("monday"))),
            ("mon 8:00 UTC", DigestTimeError::Time(text("8:00"))),
            ("mon 24:00 UTC", DigestTimeError::Time(text("24:00"))),
            ("mon 08:00 Europe/Atlantis", DigestTimeError::Zone(text("Europe/Atlantis"))),
        ] {
            assert_eq!(DigestTime::parse(input), Err(expect), "{input:?}");
        }
    }
}
