//! Findings that the operator accepts for a while: the reason, and the end.
//! Never: an acceptance without an end, or one for more than a year.

use portcullis_audit::{parse_utc, utc};
use serde::{Deserialize, Serialize};

use super::check::Check;

/// Longest time for which a finding is accepted: a year with a leap day.
pub const ACCEPTED_MAX_MS: i64 = 366 * 24 * 60 * 60_000;

/// A finding that the configuration accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedFinding {
    /// The key of the finding, such as `D6 age`.
    pub key: String,
    /// The reason.
    pub reason: String,
    /// The end, in milliseconds since 1970.
    pub until_unix_ms: i64,
}

/// Why a finding is accepted, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The reason of the operator.
    pub reason: String,
    /// The end, in UTC.
    pub until: String,
}

impl Acceptance {
    /// Whether it has not ended.
    pub(crate) fn is_in_force(&self, unix_ms: i64) -> bool {
        parse_utc(&self.until).is_some_and(|until| unix_ms < until)
    }
}

impl AcceptedFinding {
    /// Whether it holds now: it has not ended, and ends within a year.
    #[must_use]
    pub fn is_in_force(&self, unix_ms: i64) -> bool {
        unix_ms < self.until_unix_ms && !self.is_too_long(unix_ms)
    }

    /// Whether it ends later than in a year.
    #[must_use]
    pub fn is_too_long(&self, unix_ms: i64) -> bool {
        self.until_unix_ms.saturating_sub(unix_ms) > ACCEPTED_MAX_MS
    }
}

/// Marks the findings that are accepted now; returns notes about entries without an effect.
pub(crate) fn accept(
    checks: &mut [Check],
    accepted: &[AcceptedFinding],
    unix_ms: i64,
) -> Vec<String> {
    let mut notes = Vec::new();
    for entry in accepted {
        let (key, until) = (&entry.key, utc(entry.until_unix_ms));
        let is_partial = checks.iter().any(|check| {
            !check.not_checked.is_empty() && key.split(' ').next() == Some(check.id.name())
        });
        let mut findings = checks.iter_mut().flat_map(|check| &mut check.findings);
        let finding = findings.find(|finding| finding.key == *key);
        match finding {
            // A part that could not run may have it.
            None if is_partial => {}
            None => notes.push(format!("no finding has the key {key:?} now: remove the entry")),
            Some(_) if entry.is_too_long(unix_ms) => notes.push(format!(
                "{key:?} is not accepted: until is {until}, more than a year from now"
            )),
            Some(_) if !entry.is_in_force(unix_ms) => {
                notes.push(format!("{key:?} was accepted until {until}, and is open again"));
            }
            Some(finding) => {
                finding.accepted = Some(Acceptance { reason: entry.reason.clone(), until });
            }
        }
    }
    checks.iter_mut().for_each(Check::settle);
    notes
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckResult;
    use super::super::check_id::CheckId;
    use super::super::report::tests::report;
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60_000;

    fn entry(key: &str, until_unix_ms: i64) -> AcceptedFinding {
        AcceptedFinding { key: String::from(key), reason: String::from("a plan"), until_unix_ms }
    }

    #[test]
    fn finding_is_accepted_until_its_end_and_for_a_year_at_most() {
        let now = 1_000 * DAY_MS;
        // The end in days from now, whether it is accepted, a part of the note.
        for (days, expect, note) in [
            (1, true, None),
            (366, true, None),
            (367, false, Some("more than a year")),
            (0, false, Some("open again")),
            (-1, false, Some("open again")),
        ] {
            let mut report = report(now, &[(CheckId::D5, "token"), (CheckId::D6, "age")]);
            let accepted = [entry("D5 token", now + days * DAY_MS)];
            let notes = accept(&mut report.checks, &accepted, now);
            assert_eq!(report.checks[4].result == CheckResult::Ok, expect, "{days}");
            assert_eq!(report.checks[5].result, CheckResult::Warning, "another finding");
            assert_eq!(notes.len(), usize::from(note.is_some()), "{notes:?}");
            assert!(note.is_none_or(|part| notes[0].contains(part)), "{notes:?}");
        }
    }

    #[test]
    fn entry_that_names_no_finding_is_named() {
        let mut report = report(0, &[(CheckId::D5, "token")]);
        let notes = accept(&mut report.checks, &[entry("D5 tokens", DAY_MS)], 0);
        assert_eq!(notes, ["no finding has the key \"D5 tokens\" now: remove the entry"]);
        assert_eq!(report.checks[4].result, CheckResult::Warning);
        report.checks[4].not_checked.push(String::from("no session keys yet"));
        let notes = accept(&mut report.checks, &[entry("D5 tokens", DAY_MS)], 0);
        assert_eq!(notes, Vec::<String>::new(), "a part of the check did not run");
    }
}
