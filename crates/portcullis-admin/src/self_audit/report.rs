//! The report of one run of the regular audit.
//! Never: more than 64 KiB; names of users or addresses of clients.

use std::collections::BTreeMap;

use portcullis_audit::utc;
use portcullis_model::Now;
use serde::{Deserialize, Serialize};

use super::acceptance::{AcceptedFinding, accept};
use super::check::{AuditFinding, Check, CheckResult, FindingSeverity};

/// Longest report, in bytes.
pub(crate) const REPORT_MAX_BYTES: usize = 64 * 1024;

/// The cause of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditCause {
    /// The nightly run of the server.
    Night,
    /// An administrator, or an operator through the server.
    Request,
    /// The command, without the server.
    Command,
}

impl AuditCause {
    /// The word in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Night => "night",
            Self::Request => "request",
            Self::Command => "command",
        }
    }
}

/// Values that later runs compare with theirs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuditMeasures {
    /// Bytes of the database and of the security log.
    pub used_bytes: Option<u64>,
    /// The newest signed note of the part of the security log that was verified.
    pub verified_note: Option<String>,
    /// When privileged users were active last, by user id, in milliseconds since 1970.
    pub active: BTreeMap<String, i64>,
}

/// The numbers of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResultCounts {
    /// Checks without a finding.
    pub ok: usize,
    /// Checks that could not run.
    pub not_checked: usize,
    /// Findings that need care soon.
    pub warnings: usize,
    /// Findings that need care now.
    pub critical: usize,
    /// Findings that the operator accepts for a while; they are in no other number.
    pub accepted: usize,
}

/// The report of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// When it began, in UTC.
    pub at: String,
    /// The same in milliseconds since 1970.
    pub unix_ms: i64,
    /// The cause of the run.
    pub cause: AuditCause,
    /// Whether the running server made it.
    pub server: bool,
    /// The version that made it.
    pub version: String,
    /// All checks, in their order.
    pub checks: Vec<Check>,
    /// Entries of `doctor.accept` that have no effect now, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance_notes: Vec<String>,
    /// Values for later runs.
    pub measures: AuditMeasures,
}

impl AuditReport {
    /// A report of these checks.
    #[must_use]
    pub fn new(cause: AuditCause, version: &str, checks: Vec<Check>, now: Now) -> Self {
        Self {
            at: utc(now.unix_ms),
            unix_ms: now.unix_ms,
            cause,
            server: cause != AuditCause::Command,
            version: String::from(version),
            checks,
            acceptance_notes: Vec::new(),
            measures: AuditMeasures::default(),
        }
    }

    /// All findings with their texts, in the order of the checks.
    pub fn findings(&self) -> impl Iterator<Item = (&Check, &AuditFinding)> {
        self.checks
            .iter()
            .flat_map(|check| check.findings.iter().map(move |finding| (check, finding)))
    }

    /// All findings, also those for whose texts the report has no space.
    pub(crate) fn all_findings(&self) -> impl Iterator<Item = (&Check, &AuditFinding)> {
        self.checks
            .iter()
            .flat_map(|check| check.all_findings().map(move |finding| (check, finding)))
    }

    /// Marks the findings that the operator accepts. It comes before [`Self::hide_rest`].
    pub fn accept(&mut self, accepted: &[AcceptedFinding]) {
        self.acceptance_notes = accept(&mut self.checks, accepted, self.unix_ms);
    }

    /// Hides the texts of findings for which a report has no space.
    pub fn hide_rest(&mut self) {
        self.checks.iter_mut().for_each(Check::hide_rest);
    }

    /// The worst result; a check that could not run is as good as one without a finding.
    #[must_use]
    pub fn result(&self) -> CheckResult {
        let worst = self.checks.iter().map(|check| check.result).max();
        worst.filter(|result| *result >= CheckResult::Warning).unwrap_or(CheckResult::Ok)
    }

    /// The numbers of results.
    #[must_use]
    pub fn counts(&self) -> ResultCounts {
        let of = |result| self.checks.iter().filter(|check| check.result == result).count();
        let count = |severity| {
            let open = self.all_findings().filter(|(_, finding)| finding.accepted.is_none());
            open.filter(|(_, finding)| finding.severity == severity).count()
        };
        // The most severe ones are counted: the others are warnings, or some of many.
        let uncounted: usize = self.checks.iter().map(|check| check.uncounted).sum();
        ResultCounts {
            ok: of(CheckResult::Ok),
            not_checked: of(CheckResult::NotChecked),
            warnings: count(FindingSeverity::Warning) + uncounted,
            critical: count(FindingSeverity::Critical),
            accepted: self.all_findings().filter(|(_, one)| one.accepted.is_some()).count(),
        }
    }

    /// The report as JSON, within its bound: facts are left out first, then remedies,
    /// then hidden findings.
    pub(crate) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let bytes = serde_json::to_vec(self)?;
        if bytes.len() <= REPORT_MAX_BYTES {
            return Ok(bytes);
        }
        let mut smaller = self.clone();
        smaller.checks.iter_mut().for_each(|check| check.facts.clear());
        let bytes = serde_json::to_vec(&smaller)?;
        if bytes.len() <= REPORT_MAX_BYTES {
            return Ok(bytes);
        }
        let findings = smaller.checks.iter_mut().flat_map(|check| &mut check.findings);
        findings.for_each(|finding| finding.remedy = String::from("run portcullis doctor"));
        let bytes = serde_json::to_vec(&smaller)?;
        if bytes.len() <= REPORT_MAX_BYTES {
            return Ok(bytes);
        }
        for check in &mut smaller.checks {
            check.uncounted += check.hidden.len();
            check.hidden.clear();
        }
        serde_json::to_vec(&smaller)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::check_builder::CheckBuilder;
    use super::super::check_id::CheckId;
    use super::*;

    /// A report with one warning of D5, unless the check is mended.
    pub(crate) fn report(unix_ms: i64, findings: &[(CheckId, &str)]) -> AuditReport {
        let checks = CheckId::ALL.map(|id| {
            let mut check = CheckBuilder::new(id);
            check.fact("in order");
            for (_, name) in findings.iter().filter(|(of, _)| *of == id) {
                check.warn(name, "a key is old", "rotate it");
            }
            check.finish()
        });
        let now = Now { monotonic_ms: 0, unix_ms };
        AuditReport::new(AuditCause::Night, "0.1.0", checks.to_vec(), now)
    }

    #[test]
    fn counts_are_of_findings_and_of_checks_without_them() {
        let report = report(0, &[(CheckId::D5, "token"), (CheckId::D5, "field")]);
        let counts = ResultCounts { ok: 13, not_checked: 0, warnings: 2, critical: 0, accepted: 0 };
        assert_eq!((report.counts(), report.result()), (counts, CheckResult::Warning));
    }

    #[test]
    fn largest_report_stays_within_its_bound() {
        let checks = CheckId::ALL.map(|id| {
            let mut check = CheckBuilder::new(id);
            for number in 0..10 {
                let name = format!("{number}{}", "\"".repeat(80));
                check.warn(&name, "\"".repeat(400), "\\".repeat(400));
                check.fact("\"".repeat(400));
                check.skip("\"".repeat(200));
            }
            check.finish()
        });
        let mut report =
            AuditReport::new(AuditCause::Night, "0.1.0", checks.to_vec(), Now::default());
        let active = (0..64).map(|number| (format!("u_{number:020}"), i64::MAX));
        report.measures.active = active.collect();
        assert!(serde_json::to_vec(&report).unwrap().len() > REPORT_MAX_BYTES);
        let bytes = report.to_bytes().unwrap();
        let read: AuditReport = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read.findings().count(), report.findings().count());
    }
}
