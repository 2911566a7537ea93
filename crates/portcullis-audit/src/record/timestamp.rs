//! Formats and reads times as RFC 3339 in UTC.
//! Never: reads a clock.

use std::fmt::Write;

/// Formats milliseconds since 1970 as RFC 3339 in UTC, as in every record.
#[must_use]
pub fn utc(unix_ms: i64) -> String {
    let mut text = String::new();
    write_utc(&mut text, unix_ms);
    text
}

/// Appends milliseconds since 1970 as RFC 3339 in UTC.
pub(crate) fn write_utc(out: &mut String, unix_ms: i64) {
    const DAY_MS: i64 = 86_400_000;
    let (days, in_day) = (unix_ms.div_euclid(DAY_MS), unix_ms.rem_euclid(DAY_MS));
    // Days since 0000-03-01, so that a leap day is the last day of its year. 400 years have
    // 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    let _ =
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
}

/// Reads a day or a moment in UTC; the zone `Z` and smaller units can be left out.
#[must_use]
pub fn parse_utc(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let [year, month, date] = numbers(day, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] =
        numbers(time, ':').or_else(|| numbers(&format!("{time}:00"), ':'))?;
    let milli: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&date)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..61).contains(&second);
    let seconds = days(year, month, date) * 86_400 + hour * 3_600 + minute * 60 + second;
    in_range.then_some(seconds * 1_000 + milli)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut next = || {
        let part = parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse::<i64>().ok()
    };
    let found = [next()?, next()?, next()?];
    parts.next().is_none().then_some(found)
}

/// Days since 1970-01-01. Years count from March, so that a leap day is the last of its year.
fn days(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_formatted_as_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (unix_ms, expect) in cases {
            let mut out = String::new();
            write_utc(&mut out, unix_ms);
            assert_eq!(out, expect);
            if unix_ms >= 0 {
                assert_eq!(parse_utc(expect), Some(unix_ms));
            }
        }
    }

    #[test]
    fn day_or_moment_is_read_and_nothing_else() {
        for (text, expect) in [
            ("2024-02-29T23:59", Some("2024-02-29T23:59:00.000Z")),
            ("2026-11-28", Some("2026-11-28T00:00:00.000Z")),
            ("2026-11-28 22:25:11.5", Some("2026-11-28T22:25:11.500Z")),
            ("", None),
            ("2026-13-01", None),
            ("2026-11-28T25:00", None),
            ("28.11.2026", None),
        ] {
            assert_eq!(parse_utc(text).map(utc).as_deref(), expect, "{text}");
        }
    }
}
