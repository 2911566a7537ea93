//! Times on the command line: `2h` ago, a day, a moment in UTC.
//! Never: the time zone of the machine.

use portcullis_audit::utc;

const DAY_MS: i64 = 86_400_000;

/// A moment as typed: an age, or a time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeArgument {
    /// Milliseconds before now.
    Ago(i64),
    /// Milliseconds since 1970.
    At(i64),
}

impl TimeArgument {
    /// Reads `15m`, `2h`, `7d`, `2026-11-28`, `2026-11-28T22:25`, `2026-11-28T22:25:11Z`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let age = |unit: char, unit_ms: i64| {
            let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
            Some(Self::Ago(i64::from(count).saturating_mul(unit_ms)))
        };
        age('s', 1_000)
            .or_else(|| age('m', 60_000))
            .or_else(|| age('h', 3_600_000))
            .or_else(|| age('d', DAY_MS))
            .or_else(|| unix_ms(text).map(Self::At))
            .ok_or_else(|| {
                String::from("write an age (15m, 2h, 7d) or a time in UTC (2026-11-28T22:25)")
            })
    }

    /// The moment as the log writes it.
    pub(super) fn text(self, now_unix_ms: i64) -> String {
        utc(match self {
            Self::Ago(ms) => now_unix_ms.saturating_sub(ms),
            Self::At(unix_ms) => unix_ms,
        })
    }
}

/// Reads a day or a moment in UTC; the zone `Z` and smaller units can be left out.
pub(super) fn unix_ms(text: &str) -> Option<i64> {
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
    fn time_on_the_command_line_is_an_age_or_a_moment_in_utc() {
        let now = 1_800_000_000_000;
        for (text, expect) in [
            ("15m", "2027-01-15T07:45:00.000Z"),
            ("2h", "2027-01-15T06:00:00.000Z"),
            ("7d", "2027-01-08T08:00:00.000Z"),
            ("2026-11-28", "2026-11-28T00:00:00.000Z"),
            ("2024-02-29T23:59", "2024-02-29T23:59:00.000Z"),
            ("2026-11-28T22:25:11Z", "2026-11-28T22:25:11.000Z"),
            ("2026-11-28T22:25:11.482Z", "2026-11-28T22:25:11.482Z"),
            ("2026-11-28 22:25:11.5", "2026-11-28T22:25:11.500Z"),
        ] {
            assert_eq!(TimeArgument::parse(text).unwrap().text(now), expect, "{text}");
        }
        for text in
            ["", "h", "-1h", "yesterday", "2026-13-01", "2026-11-28T25:00", "2026", "28.11.2026"]
        {
            assert!(TimeArgument::parse(text).is_err(), "{text}");
        }
    }
}
