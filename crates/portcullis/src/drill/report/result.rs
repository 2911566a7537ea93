//! The result of each case, and of the whole drill.
//! Never: text of the target without a bound, or with control characters.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use crate::drill::cases::case::{Case, CaseOutcome, Verdict};
use crate::drill::client::obstacle::Obstacle;

/// Longest text of a result, in characters.
const TEXT_MAX_CHARS: usize = 300;

/// The exit code when a case failed.
const FAILED: u8 = 3;
/// The exit code when the drill had to end before all cases were tried.
const NOT_REACHED: u8 = 4;

/// Whether the target withstood a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CaseStatus {
    Passed,
    Failed,
    Skipped,
}

impl CaseStatus {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The result of a case.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CaseResult {
    pub(crate) id: &'static str,
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) threat: &'static str,
    pub(crate) sent: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) result: CaseStatus,
    /// The reaction of the target; the reason of a skipped case.
    pub(crate) seen: String,
    /// The remedy of a failed case.
    pub(crate) fix: Option<&'static str>,
    /// Whether the time and the connections of the drill were enough to try it.
    #[serde(skip)]
    pub(crate) is_reached: bool,
}

impl CaseResult {
    pub(crate) fn new(group: &'static str, case: &Case, outcome: CaseOutcome) -> Self {
        let is_reached = !matches!(outcome, Err(Obstacle::UsedUp(_)));
        let (result, seen, fix) = match outcome {
            Ok(Verdict::Pass { seen }) => (CaseStatus::Passed, seen, None),
            Ok(Verdict::Fail { seen, fix }) => {
                (CaseStatus::Failed, seen, Some(fix.unwrap_or(case.fix)))
            }
            Ok(Verdict::Skip { why }) => (CaseStatus::Skipped, why, None),
            Err(obstacle) => (CaseStatus::Skipped, obstacle.why(), None),
        };
        Self {
            id: case.id,
            group,
            name: case.name,
            threat: case.threat,
            sent: case.sent,
            expected: case.expected,
            result,
            seen: bounded(&seen),
            fix,
            is_reached,
        }
    }
}

/// An alert that fired while the drill ran, and that the drill may have caused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FiredAlert {
    pub(crate) rule: String,
    pub(crate) title: String,
    pub(crate) severity: String,
    pub(crate) cause: AlertCause,
}

/// The clients that may have caused an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AlertCause {
    /// The drill: the alert is about its address.
    Drill,
    /// The drill or other clients: the alert is about no address, or that of the drill is unknown.
    Unknown,
}

/// The alerts that fired while the drill ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FiredAlerts {
    pub(crate) listed: Vec<FiredAlert>,
    /// How many are about other addresses.
    pub(crate) of_others: usize,
}

impl AlertCause {
    /// The cause by the key of an alert and the address of the drill, as the server saw it; `None`
    /// for an alert about another address.
    pub(crate) fn of(key: Option<(&str, &str)>, own: Option<IpAddr>) -> Option<Self> {
        let prefix = key.filter(|(kind, _)| *kind == "prefix").map(|(_, value)| value);
        let Some(prefix) = prefix.and_then(|prefix| prefix.parse::<IpNet>().ok()) else {
            return Some(Self::Unknown);
        };
        match own {
            Some(own) if prefix.contains(&own.to_canonical()) => Some(Self::Drill),
            Some(_) => None,
            None => Some(Self::Unknown),
        }
    }
}

/// How many cases had each result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct ResultCounts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// The report of a drill.
#[derive(Debug, Serialize)]
pub(crate) struct DrillReport {
    /// The version of this format.
    pub(crate) format: u32,
    pub(crate) version: &'static str,
    pub(crate) target: String,
    pub(crate) address: String,
    pub(crate) started: String,
    pub(crate) ended: String,
    pub(crate) connections: u32,
    pub(crate) counts: ResultCounts,
    /// How many of the skipped cases were left out because the drill had to end before them.
    pub(crate) not_reached: usize,
    pub(crate) cases: Vec<CaseResult>,
    /// The alerts that the drill may have caused.
    pub(crate) alerts: Vec<FiredAlert>,
    /// How many alerts about other addresses fired.
    pub(crate) alerts_of_others: usize,
}

impl DrillReport {
    /// The alerts with this cause.
    pub(crate) fn alerts_of(&self, cause: AlertCause) -> Vec<&FiredAlert> {
        self.alerts.iter().filter(|alert| alert.cause == cause).collect()
    }

    /// The exit code of the command.
    pub(crate) fn exit_code(&self) -> u8 {
        match (self.counts.failed, self.not_reached) {
            (0, 0) => 0,
            (0, _) => NOT_REACHED,
            _ => FAILED,
        }
    }

    /// The cases that failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &CaseResult> {
        self.cases.iter().filter(|case| case.result == CaseStatus::Failed)
    }
}

impl ResultCounts {
    pub(crate) fn of(cases: &[CaseResult]) -> Self {
        let count = |status| cases.iter().filter(|case| case.result == status).count();
        Self {
            passed: count(CaseStatus::Passed),
            failed: count(CaseStatus::Failed),
            skipped: count(CaseStatus::Skipped),
        }
    }
}

/// How many cases were left out because the connections or the time were used up.
pub(crate) fn count_not_reached(cases: &[CaseResult]) -> usize {
    cases.iter().filter(|case| !case.is_reached).count()
}

/// A text of the target: bounded, and without characters that change a terminal or a line.
pub(crate) fn bounded(text: &str) -> String {
    let mut chars = text.chars();
    let visible = |char: char| if is_harmful(char) { '\u{fffd}' } else { char };
    let mut bounded: String = chars.by_ref().take(TEXT_MAX_CHARS).map(visible).collect();
    if chars.next().is_some() {
        bounded.push('…');
    }
    bounded
}

/// Control characters, and those that change the direction of text (Unicode, UAX 9).
fn is_harmful(char: char) -> bool {
    const RANGES: [(char, char); 4] = [
        ('\u{200b}', '\u{200f}'),
        ('\u{202a}', '\u{202e}'),
        ('\u{2060}', '\u{206f}'),
        ('\u{feff}', '\u{feff}'),
    ];
    char.is_control() || RANGES.iter().any(|(first, last)| (*first..=*last).contains(&char))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::drill::cases::GROUPS;
    use crate::drill::cases::case::{fail, fail_with, pass, skip};

    fn alert(rule: &str, cause: AlertCause) -> FiredAlert {
        FiredAlert {
            rule: String::from(rule),
            title: String::from("<b>hostile</b>"),
            severity: String::from("medium"),
            cause,
        }
    }

    /// A report with a case of each result, and hostile text of the target.
    pub(crate) fn report() -> DrillReport {
        let group = &GROUPS[0];
        let outcomes = [
            Ok(pass("fine")),
            Ok(fail("<script>alert(1)</script>\u{1b}[31m")),
            Ok(skip("not possible")),
            Err(Obstacle::Other(String::from("no connection"))),
        ];
        let cases = group.cases.iter().zip(outcomes);
        let cases: Vec<_> =
            cases.map(|(case, outcome)| CaseResult::new(group.name, case, outcome)).collect();
        DrillReport {
            format: 1,
            version: "0.1.0",
            target: String::from("https://chat.example"),
            address: String::from("192.0.2.1:443"),
            started: String::from("2026-11-30T05:00:00.000Z"),
            ended: String::from("2026-11-30T05:00:09.000Z"),
            connections: 150,
            counts: ResultCounts::of(&cases),
            not_reached: count_not_reached(&cases),
            cases,
            alerts: vec![alert("A1", AlertCause::Drill), alert("A5", AlertCause::Unknown)],
            alerts_of_others: 2,
        }
    }

    #[test]
    fn results_are_counted_and_have_a_remedy_when_they_failed() {
        let report = report();
        assert_eq!(report.counts, ResultCounts { passed: 1, failed: 1, skipped: 2 });
        let failed: Vec<_> = report.failed().map(|case| (case.id, case.fix.is_some())).collect();
        assert_eq!(failed, [("tls-old-versions", true)]);
        let case = &GROUPS[0].cases[0];
        let own = CaseResult::new("TLS", case, Ok(fail_with("x", "another remedy")));
        assert_eq!(own.fix, Some("another remedy"));
    }

    #[test]
    fn cases_after_the_time_of_a_drill_are_not_reached() {
        let outcomes = || {
            [
                Ok(pass("fine")),
                Ok(skip("not possible")),
                Err(Obstacle::UsedUp(String::from("the drill has run for 60 s, the longest"))),
                Err(Obstacle::Other(String::from("no connection"))),
                Err(Obstacle::UsedUp(String::from("it takes up to 18 s, and 3 s are left"))),
            ]
        };
        let case = &GROUPS[0].cases[0];
        let cases = outcomes().map(|outcome| CaseResult::new("TLS", case, outcome));
        assert_eq!(count_not_reached(&cases), 2);
        for (failed, not_reached, expect) in [(0, 0, 0), (0, 72, 4), (1, 0, 3), (1, 72, 3)] {
            let counts = ResultCounts { passed: 3, failed, skipped: not_reached };
            let report = DrillReport { counts, not_reached, ..report() };
            assert_eq!(report.exit_code(), expect, "{failed} {not_reached}");
        }
    }

    #[test]
    fn alert_about_another_address_is_not_of_the_drill() {
        let own = |text: &str| Some(text.parse().unwrap());
        let (drill, unknown) = (Some(AlertCause::Drill), Some(AlertCause::Unknown));
        for (key, own, expect) in [
            (Some(("prefix", "192.0.2.7/32")), own("192.0.2.7"), drill),
            (Some(("prefix", "192.0.2.7/32")), own("::ffff:192.0.2.7"), drill),
            (Some(("prefix", "2001:db8:0:7::/64")), own("2001:db8:0:7::1"), drill),
            (Some(("prefix", "192.0.2.8/32")), own("192.0.2.7"), None),
            (Some(("prefix", "2001:db8:0:8::/64")), own("2001:db8:0:7::1"), None),
            (Some(("prefix", "2001:db8:0:8::/64")), own("192.0.2.7"), None),
            (Some(("prefix", "192.0.2.8/32")), None, unknown),
            (Some(("origin", "https://drill.invalid")), own("192.0.2.7"), unknown),
            (Some(("name", "192.0.2.8/32")), own("192.0.2.7"), unknown),
            (None, own("192.0.2.7"), unknown),
        ] {
            assert_eq!(AlertCause::of(key, own), expect, "{key:?} {own:?}");
        }
    }

    #[test]
    fn text_of_the_target_is_bounded_and_harmless() {
        assert_eq!(bounded("a\r\n\u{1b}[31mb\u{202e}c"), "a\u{fffd}\u{fffd}\u{fffd}[31mb\u{fffd}c");
        let long = bounded(&"ä".repeat(1_000));
        assert_eq!(long.chars().count(), TEXT_MAX_CHARS + 1);
        assert_eq!(bounded("short"), "short");
    }
}
