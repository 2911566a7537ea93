//! The conditions of records on the command line.
//! Never: the comparison with a record; `RecordFilter` makes it.

use clap::Args;
use ipnet::IpNet;
use portcullis_admin::{Period, RecordConditions, RecordFilter, parse_network};
use portcullis_model::Code;

use super::time_argument::TimeArgument;

/// Conditions; a record fits if all of them hold.
#[derive(Debug, Args, Default)]
pub(super) struct FilterArguments {
    /// The reference from the error that a client got.
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// The id or name of a user who acts, or on whom an operation acts.
    #[arg(long)]
    user: Option<String>,
    /// An address, or a network such as 203.0.113.0/24.
    #[arg(long, value_name = "CIDR", value_parser = parse_network)]
    address: Option<IpNet>,
    /// The name of the record (`event.code`).
    #[arg(long, value_parser = code)]
    code: Option<Code>,
    /// The rule that decided (`rule.name`).
    #[arg(long)]
    rule: Option<String>,
    #[command(flatten)]
    period: PeriodArguments,
}

/// A period.
#[derive(Debug, Args, Default)]
pub(super) struct PeriodArguments {
    /// The earliest time: an age (15m, 2h, 7d) or a time in UTC (2026-11-28T22:25).
    #[arg(long, value_name = "TIME", value_parser = TimeArgument::parse)]
    since: Option<TimeArgument>,
    /// The first time after the period, written in the same way.
    #[arg(long, value_name = "TIME", value_parser = TimeArgument::parse)]
    until: Option<TimeArgument>,
}

impl FilterArguments {
    pub(super) fn filter(&self, now_unix_ms: i64) -> RecordFilter {
        RecordFilter::new(RecordConditions {
            period: self.period.period(now_unix_ms),
            reference: self.reference.clone(),
            user: self.user.clone(),
            address: self.address,
            codes: self.code.map(|code| String::from(code.name())).into_iter().collect(),
            severities: Vec::new(),
            rule: self.rule.clone(),
        })
    }
}

impl PeriodArguments {
    pub(super) fn period(&self, now_unix_ms: i64) -> Period {
        let unix_ms = |time: Option<TimeArgument>| time.map(|time| time.unix_ms(now_unix_ms));
        Period::new(unix_ms(self.since), unix_ms(self.until))
    }
}

fn code(text: &str) -> Result<Code, String> {
    let found = Code::ALL.iter().copied().find(|code| code.name() == text);
    found.ok_or_else(|| String::from("`portcullis audit inventory` lists all names"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: FilterArguments,
    }

    const NOW: i64 = 1_800_000_000_000;

    fn filter(line: &str) -> RecordFilter {
        let line = Line::try_parse_from(format!("x {line}").split_whitespace()).unwrap();
        line.filter.filter(NOW)
    }

    const RECORD: &str = concat!(
        r#"{"@timestamp":"2027-01-15T07:30:00.000Z","event":{"code":"authn_login_fail"},"#,
        r#""rule":{"name":"password"},"trace":{"id":"7f3kq09mzx2c"},"#,
        r#""source":{"ip":"203.0.113.7"},"user":{"name":"ada \"x\"","target":{"id":"u_9"}}}"#
    );

    #[test]
    fn record_fits_if_all_conditions_hold() {
        for (line, expect) in [
            ("", true),
            ("--ref 7F3KQ09MZX2C", true),
            ("--ref 7f3kq09mzx2d", false),
            ("--code authn_login_fail --rule password", true),
            ("--code authn_login_fail --rule totp", false),
            ("--rule authn_login_fail", false),
            ("--user u_9", true),
            ("--user ada", false),
            ("--user password", false),
            ("--address 203.0.113.7", true),
            ("--address ::ffff:203.0.113.7", true),
            ("--address 203.0.113.99/24", true),
            ("--address 203.0.113.8", false),
            ("--address 2001:db8::/32", false),
            ("--since 1h", true),
            ("--since 29m", false),
            ("--since 2027-01-15 --until 2027-01-15T07:30", false),
            ("--since 2027-01-15T07:30 --until 2027-01-15T07:30:01", true),
        ] {
            assert_eq!(filter(line).fits(RECORD.as_bytes()), expect, "{line}");
        }
    }

    #[test]
    fn unknown_code_or_network_is_rejected() {
        for line in ["--code nothing", "--address 1.2.3", "--address 10.0.0.0/33", "--since x"] {
            let line = format!("x {line}");
            assert!(Line::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }
}
