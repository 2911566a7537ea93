//! The difference between two reports: findings that are new, and findings that have ended.
//! Never: a finding that is new each night.

use std::collections::BTreeMap;

use portcullis_audit::{AlertKey, AlertSeverity, Alerts, Audit, Outcome, Record};
use portcullis_model::{Code, Now, Severity};

use super::check::{AuditFinding, Check, CheckResult, FindingSeverity};
use super::check_id::CheckId;
use super::report::AuditReport;

/// The rule of alerts about findings.
const RULE: &str = "A17";

/// Why a finding is not in the newest report any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndCause {
    Mended,
    /// Its check could not run.
    NotChecked,
    /// The operator accepts it for a while.
    Accepted,
}

impl EndCause {
    fn name(self) -> &'static str {
        match self {
            Self::Mended => "mended",
            Self::NotChecked => "not_checked",
            Self::Accepted => "accepted",
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
    /// Compares two reports; the newest one is complete, before its rest is hidden.
    pub(crate) fn between(former: Option<&'a AuditReport>, newest: &'a AuditReport) -> Self {
        let by_key = |report: &'a AuditReport| -> BTreeMap<&'a str, (&'a Check, &'a AuditFinding)> {
            report.all_findings().map(|(check, one)| (one.key.as_str(), (check, one))).collect()
        };
        let (before, now) = (former.map(by_key).unwrap_or_default(), by_key(newest));
        let is_open = |finding: &AuditFinding| finding.accepted.is_none();
        let is_new = |key: &str, finding: &AuditFinding| {
            before
                .get(key)
                .is_none_or(|(_, known)| known.severity != finding.severity || !is_open(known))
        };
        let opened = now
            .iter()
            .filter(|(key, (_, finding))| is_open(finding) && is_new(key, finding))
            .map(|(_, (check, finding))| (check.id, *finding));
        let ended = before.iter().filter(|(_, (_, known))| is_open(known)).filter_map(
            |(key, (check, known))| match now.get(key) {
                Some((_, finding)) if is_open(finding) => None,
                Some((_, finding)) => Some((check.id, *finding, EndCause::Accepted)),
                None => Some((check.id, *known, end_cause(newest, check.id, known))),
            },
        );
        Self { opened: opened.collect(), ended: ended.collect() }
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
            let mut record = record(*id, finding, &end_detail(finding));
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

/// Why a finding is not in the newest report.
fn end_cause(newest: &AuditReport, id: CheckId, known: &AuditFinding) -> EndCause {
    match newest.checks.iter().find(|check| check.id == id) {
        None => EndCause::NotChecked,
        Some(check) if check.result == CheckResult::NotChecked => EndCause::NotChecked,
        // It was kept for some time, and could not be confirmed.
        Some(check) if known.unseen_runs > 0 && is_partial(check) => EndCause::NotChecked,
        // It may be one of those beyond the bound.
        Some(check) if check.uncounted > 0 => EndCause::NotChecked,
        Some(_) => EndCause::Mended,
    }
}

/// The text of a record about the end; a hidden finding has none of its own.
fn end_detail(finding: &AuditFinding) -> String {
    match &finding.accepted {
        Some(accepted) => {
            format!("accepted until {}: {}; {}", accepted.until, accepted.reason, finding.found)
        }
        None if finding.found.is_empty() => {
            String::from("it was one of many findings of its check, without a text")
        }
        None => finding.found.clone(),
    }
}

/// Opens an alert for each finding of a report that is not accepted now, or keeps it open.
pub(crate) fn raise(report: &AuditReport, alerts: &Alerts, now: Now) {
    let is_accepted = |finding: &AuditFinding| {
        finding.accepted.as_ref().is_some_and(|accepted| accepted.is_in_force(now.unix_ms))
    };
    for (_, finding) in report.all_findings().filter(|(_, finding)| !is_accepted(finding)) {
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
    use super::super::acceptance::AcceptedFinding;
    use super::super::check::FINDINGS_MAX;
    use super::super::check_builder::CheckBuilder;
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

    #[test]
    fn finding_that_others_hide_is_neither_mended_nor_new() {
        let name = |number: usize| format!("{number:02}");
        let with = |names: &[String], critical: usize| {
            let mut all = report(1, &[]);
            let mut check = CheckBuilder::new(CheckId::D10);
            names.iter().for_each(|name| check.warn(name, "an advisory", "update"));
            (0..critical).for_each(|number| check.alarm(&name(number), "severe", "update"));
            all.checks[9] = check.finish();
            all
        };
        let many: Vec<String> = (30..42).map(name).collect();
        let mut former = with(&many, 0);
        former.hide_rest();
        let newest = with(&many, 5);
        let (opened, ended) = keys(&FindingChanges::between(Some(&former), &newest));
        assert_eq!((opened.len(), ended), (5, vec![]), "more severe ones hide others");
        let mut hidden = newest.clone();
        hidden.hide_rest();
        assert_eq!((hidden.checks[9].findings.len(), hidden.checks[9].hidden.len()), (8, 9));
        assert_eq!(hidden.counts(), newest.counts());
        // The hidden one is mended, and the order of the check does not matter.
        let reversed: Vec<String> = many[..11].iter().rev().cloned().collect();
        let mended = with(&reversed, 5);
        let ended = keys(&FindingChanges::between(Some(&hidden), &mended)).1;
        assert_eq!(ended, [(format!("D10 {}", many[11]), EndCause::Mended)]);
        // Beyond the bound it is not known.
        let all: Vec<String> =
            (0..FINDINGS_MAX + 5).map(|number| format!("a{number:02}")).collect();
        let (last, first) = (with(&all[FINDINGS_MAX + 4..], 0), with(&all, 0));
        let ended = keys(&FindingChanges::between(Some(&last), &first)).1;
        assert_eq!(ended, [(String::from("D10 a44"), EndCause::NotChecked)]);
    }

    #[test]
    fn accepted_finding_ends_and_is_opened_again_after_its_end() {
        let plain = |unix_ms| report(unix_ms, &[(CheckId::D5, "token")]);
        let accepted = |unix_ms| {
            let mut report = plain(unix_ms);
            let (key, reason) = (String::from("D5 token"), String::from("a plan"));
            report.accept(&[AcceptedFinding { key, reason, until_unix_ms: 1_000 }]);
            report
        };
        let key = String::from("D5 token");
        let ended = (key.clone(), EndCause::Accepted);
        for (former, newest, expect) in [
            (None, accepted(1), (vec![], vec![])),
            (Some(plain(1)), accepted(2), (vec![], vec![ended])),
            (Some(accepted(1)), accepted(2), (vec![], vec![])),
            (Some(accepted(1)), accepted(1_000), (vec![key.clone()], vec![])),
            (Some(accepted(1)), plain(2), (vec![key], vec![])),
            (Some(accepted(1)), report(2, &[]), (vec![], vec![])),
        ] {
            assert_eq!(keys(&FindingChanges::between(former.as_ref(), &newest)), expect);
        }
    }
}
