//! The difference between two reports: findings that are new, and findings that have ended.
//! Never: a finding that is new each night.

use std::collections::BTreeMap;

use portcullis_audit::{AlertKey, AlertSeverity, Alerts, Audit, Outcome, Record};
use portcullis_model::{Code, Now, Severity};

use super::check::{AuditFinding, Check, CheckId, CheckResult, FindingSeverity};
use super::report::AuditReport;

/// The rule of alerts about findings.
const RULE: &str = "A17";

/// Why a finding is not in the newest report any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndCause {
    Mended,
    /// Its check could not run.
    NotChecked,
}

impl EndCause {
    fn name(self) -> &'static str {
        match self {
            Self::Mended => "mended",
            Self::NotChecked => "not_checked",
        }
    }
}

/// The difference between two reports.
#[derive(Debug, Default)]
pub(crate) struct FindingChanges<'a> {
    /// Findings that are new or have another severity.
    pub(crate) opened: Vec<(CheckId, &'a AuditFinding)>,
    /// Findings that are gone.
    pub(crate) ended: Vec<(CheckId, &'a AuditFinding, EndCause)>,
}

impl<'a> FindingChanges<'a> {
    pub(crate) fn between(former: Option<&'a AuditReport>, newest: &'a AuditReport) -> Self {
        let by_key = |report: &'a AuditReport| -> BTreeMap<&'a str, (CheckId, &'a AuditFinding)> {
            let findings = report.findings();
            findings.map(|(check, one)| (one.key.as_str(), (check.id, one))).collect()
        };
        let (before, now) = (former.map(by_key).unwrap_or_default(), by_key(newest));
        let is_new = |key: &str, finding: &AuditFinding| {
            before.get(key).is_none_or(|(_, known)| known.severity != finding.severity)
        };
        let opened = now.iter().filter(|(key, (_, finding))| is_new(key, finding));
        let ended = before.iter().filter(|(key, _)| !now.contains_key(*key));
        let why = |id: CheckId, finding: &AuditFinding| {
            let check = newest.checks.iter().find(|check| check.id == id);
            match check.map(|check| check.result) {
                Some(CheckResult::NotChecked) | None => EndCause::NotChecked,
                // It was kept for some time, and could not be confirmed.
                Some(_) if finding.unseen_runs > 0 && check.is_some_and(is_partial) => {
                    EndCause::NotChecked
                }
                Some(CheckResult::Ok | CheckResult::Warning | CheckResult::Critical) => {
                    EndCause::Mended
                }
            }
        };
        Self {
            opened: opened.map(|(_, one)| *one).collect(),
            ended: ended.map(|(_, (id, finding))| (*id, *finding, why(*id, finding))).collect(),
        }
    }

    /// Keeps findings that the newest report may only have missed.
    pub(crate) fn keep_unseen(former: &AuditReport, newest: &mut AuditReport) {
        for check in &mut newest.checks {
            if let Some(before) = former.checks.iter().find(|before| before.id == check.id) {
                check.keep_unseen(before);
            }
        }
    }

    /// Records the changes, one record each.
    pub(crate) fn record(&self, audit: &Audit, now: Now) {
        for (id, finding) in &self.opened {
            let (reason, severity) = match finding.severity {
                FindingSeverity::Warning => ("warning", Severity::Warning),
                FindingSeverity::Critical => ("critical", Severity::Critical),
            };
            let mut record = record(*id, finding, &finding.found);
            record.outcome = Outcome::Failure;
            (record.reason, record.severity) = (reason, severity);
            audit.record(record, now);
        }
        for (id, finding, why) in &self.ended {
            let mut record = record(*id, finding, &finding.found);
            record.outcome = Outcome::Success;
            (record.reason, record.severity) = (why.name(), Severity::Info);
            audit.record(record, now);
        }
    }

    /// Resolves the alerts about findings that have ended.
    pub(crate) fn clear(&self, alerts: &Alerts, now: Now) {
        for (_, finding, _) in &self.ended {
            alerts.clear(RULE, &key(finding), now);
        }
    }
}

/// Opens an alert for each finding of a report, or keeps it open.
pub(crate) fn raise(report: &AuditReport, alerts: &Alerts, now: Now) {
    for (_, finding) in report.findings() {
        let severity = match finding.severity {
            FindingSeverity::Warning => AlertSeverity::Medium,
            FindingSeverity::Critical => AlertSeverity::Critical,
        };
        alerts.raise(RULE, key(finding), severity, now);
    }
}

fn is_partial(check: &Check) -> bool {
    !check.not_checked.is_empty()
}

fn key(finding: &AuditFinding) -> AlertKey {
    AlertKey { kind: "finding", value: finding.key.clone() }
}

fn record(id: CheckId, finding: &AuditFinding, detail: &str) -> Record {
    let mut record = Record::new(Code::AuditFinding);
    record.rule = id.name();
    record.labels.push(("finding", finding.key.clone()));
    record.detail = Some(String::from(detail));
    record
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckBuilder;
    use super::super::report::tests::report;
    use super::*;

    fn keys(changes: &FindingChanges<'_>) -> (Vec<String>, Vec<(String, EndCause)>) {
        let opened = changes.opened.iter().map(|(_, one)| one.key.clone()).collect();
        let ended = changes.ended.iter().map(|(_, one, why)| (one.key.clone(), *why)).collect();
        (opened, ended)
    }

    #[test]
    fn finding_is_opened_once_and_ends_once() {
        let key = |text: &str| String::from(text);
        let none = report(0, &[]);
        let one = report(1, &[(CheckId::D5, "token")]);
        let two = report(2, &[(CheckId::D5, "token"), (CheckId::D13, "page")]);
        let mended = |text: &str| (key(text), EndCause::Mended);
        for (former, newest, opened, ended) in [
            (None, &one, vec![key("D5 token")], vec![]),
            (Some(&one), &one, vec![], vec![]),
            (Some(&one), &two, vec![key("D13 page")], vec![]),
            (Some(&two), &one, vec![], vec![mended("D13 page")]),
            (Some(&two), &none, vec![], vec![mended("D13 page"), mended("D5 token")]),
        ] {
            let changes = FindingChanges::between(former, newest);
            assert_eq!(keys(&changes), (opened, ended));
        }
        let mut unknown = report(3, &[]);
        unknown.checks[4] = CheckBuilder::not_checked(CheckId::D5, "no keys");
        let changes = FindingChanges::between(Some(&one), &unknown);
        assert_eq!(keys(&changes).1, [(key("D5 token"), EndCause::NotChecked)]);
        assert_kept_while_partly_checked(&one);
        let mut worse = one.clone();
        worse.checks[4].findings[0].severity = FindingSeverity::Critical;
        assert_eq!(keys(&FindingChanges::between(Some(&one), &worse)).0, [key("D5 token")]);
    }

    /// A finding of D5 stays while a part of D5 cannot run, and ends when all of it ran.
    fn assert_kept_while_partly_checked(found: &AuditReport) {
        let partly = |why: &[&str]| {
            let mut report = report(4, &[]);
            let mut check = CheckBuilder::new(CheckId::D5);
            check.fact("another key is in order");
            why.iter().for_each(|why| check.skip(*why));
            report.checks[4] = check.finish();
            report
        };
        let mut former = found.clone();
        for run in 1..=14 {
            let mut newest = partly(&["the file is locked"]);
            FindingChanges::keep_unseen(&former, &mut newest);
            assert_eq!(newest.checks[4].result, CheckResult::Warning, "{run}");
            let changes = FindingChanges::between(Some(&former), &newest);
            assert_eq!(keys(&changes), (vec![], vec![]), "{run}");
            former = newest;
        }
        for (why, cause) in
            [(&["the file is locked"][..], EndCause::NotChecked), (&[], EndCause::Mended)]
        {
            let mut newest = partly(why);
            FindingChanges::keep_unseen(&former, &mut newest);
            let ended = keys(&FindingChanges::between(Some(&former), &newest)).1;
            assert_eq!(ended, [(String::from("D5 token"), cause)], "{why:?}");
        }
        // A part that did not run when the finding was made does not keep it open.
        let mut former = found.clone();
        former.checks[4].not_checked.push(String::from("no session keys yet"));
        let mut newest = partly(&["no session keys yet"]);
        FindingChanges::keep_unseen(&former, &mut newest);
        let ended = keys(&FindingChanges::between(Some(&former), &newest)).1;
        assert_eq!(ended, [(String::from("D5 token"), EndCause::Mended)]);
    }
}
