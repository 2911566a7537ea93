//! One check of the regular audit with its result and its findings.
//! Never: more findings than its bounds; a finding that is lost because others are more severe.

use serde::{Deserialize, Serialize};

use super::acceptance::Acceptance;
use super::check_id::CheckId;

/// Most findings of one check that a report shows.
pub(crate) const SHOWN_MAX: usize = 8;
/// Most findings of one check that are compared with those of the next run.
pub(crate) const FINDINGS_MAX: usize = 40;
/// Most runs in which a finding is kept that its check could not confirm.
const UNSEEN_MAX: u32 = 14;

/// The result of a check, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// Nothing was found.
    Ok,
    /// The check could not run; it says why.
    NotChecked,
    /// A weakness that needs care soon.
    Warning,
    /// A weakness that needs care now.
    Critical,
}

impl CheckResult {
    /// The result in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotChecked => "not checked",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingSeverity {
    /// It needs care soon.
    Warning,
    /// It needs care now.
    Critical,
}

impl FindingSeverity {
    /// The word in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.result().words()
    }

    fn result(self) -> CheckResult {
        match self {
            Self::Warning => CheckResult::Warning,
            Self::Critical => CheckResult::Critical,
        }
    }
}

/// One weakness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFinding {
    /// Names the weakness, equal in all reports until it is mended: `D4 sessions.secret`.
    pub key: String,
    /// Its severity.
    pub severity: FindingSeverity,
    /// The fault and its effect; without names of users or addresses of clients. Empty if hidden.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found: String,
    /// The remedy. Empty if hidden.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// Since how many runs it is kept only because a part of its check could not run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unseen_runs: u32,
    /// The reason for which the operator accepts it for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// One check with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The check.
    pub id: CheckId,
    /// Its subject.
    pub title: String,
    /// The result.
    pub result: CheckResult,
    /// Facts that were checked and are in order.
    pub facts: Vec<String>,
    /// The weaknesses, the most severe first, those that are accepted last.
    pub findings: Vec<AuditFinding>,
    /// Further weaknesses, without their texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<AuditFinding>,
    /// The number of weaknesses beyond those.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uncounted: usize,
    /// The reasons for parts that could not be checked.
    pub not_checked: Vec<String>,
}

impl Check {
    /// All findings that have a key: shown and hidden ones.
    pub(crate) fn all_findings(&self) -> impl Iterator<Item = &AuditFinding> {
        self.findings.iter().chain(&self.hidden)
    }

    /// Keeps findings of the former run that this run may only have missed, because a part of the
    /// check could not run that ran before.
    pub(crate) fn keep_unseen(&mut self, former: &Self) {
        let has_new_gap = self.not_checked.iter().any(|why| !former.not_checked.contains(why));
        for finding in former.all_findings() {
            let is_seen = self.findings.iter().any(|one| one.key == finding.key);
            let may_exist = has_new_gap || finding.unseen_runs > 0;
            let unseen_runs = finding.unseen_runs.saturating_add(1);
            if is_seen || self.not_checked.is_empty() || !may_exist || unseen_runs > UNSEEN_MAX {
                continue;
            }
            let mut kept = AuditFinding { unseen_runs, accepted: None, ..finding.clone() };
            if kept.found.is_empty() {
                kept.found =
                    String::from("an earlier run found it, and this one could not check it");
                kept.remedy = String::from("run the check again when all of its parts can run");
            }
            self.findings.push(kept);
        }
        self.settle();
    }

    /// Sorts the findings, the most severe first, and sets the result. It is the same in each run.
    pub(crate) fn settle(&mut self) {
        let order = |one: &AuditFinding| {
            (one.accepted.is_some(), std::cmp::Reverse(one.severity), one.key.clone())
        };
        self.findings.sort_by_cached_key(order);
        let kept = self.findings.len().min(FINDINGS_MAX);
        self.uncounted += self.findings.drain(kept..).len();
        let open = self.findings.iter().filter(|finding| finding.accepted.is_none());
        self.result = match open.map(|finding| finding.severity.result()).max() {
            Some(result) => result,
            None if self.findings.is_empty()
                && self.facts.is_empty()
                && !self.not_checked.is_empty() =>
            {
                CheckResult::NotChecked
            }
            None => CheckResult::Ok,
        };
    }

    /// Hides the findings for which a report has no space. They are compared before.
    pub(crate) fn hide_rest(&mut self) {
        let shown = self.findings.len().min(SHOWN_MAX);
        let rest = self.findings.drain(shown..).map(|finding| AuditFinding {
            found: String::new(),
            remedy: String::new(),
            ..finding
        });
        self.hidden.extend(rest);
    }
}
