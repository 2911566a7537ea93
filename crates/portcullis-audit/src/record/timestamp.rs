//! Formats times as RFC 3339 in UTC.
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
        }
    }
}
