//! Times on the command line: `2h` ago, a day, a moment in UTC.
//! Never: the time zone of the machine.

use portcullis_audit::parse_utc;

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
            .or_else(|| parse_utc(text).map(Self::At))
            .ok_or_else(|| {
                String::from("write an age (15m, 2h, 7d) or a time in UTC (2026-11-28T22:25)")
            })
    }

    /// The moment, in milliseconds since 1970.
    pub(super) fn unix_ms(self, now_unix_ms: i64) -> i64 {
        match self {
            Self::Ago(ms) => now_unix_ms.saturating_sub(ms),
            Self::At(unix_ms) => unix_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_audit::utc;

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
            assert_eq!(utc(TimeArgument::parse(text).unwrap().unix_ms(now)), expect, "{text}");
        }
        for text in
            ["", "h", "-1h", "yesterday", "2026-13-01", "2026-11-28T25:00", "2026", "28.11.2026"]
        {
            assert!(TimeArgument::parse(text).is_err(), "{text}");
        }
    }
}
