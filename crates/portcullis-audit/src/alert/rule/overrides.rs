//! Changes by the configuration: thresholds, disabled rules and further rules.
//! Never: a value outside its bounds.

use portcullis_model::{Code, Severity};

use super::builtin;
use super::condition::Condition;
use super::rules::{Cause, Measure, Rule, Rules, Trigger};
use crate::alert::input::key::KeyKind;
use crate::alert::notification::AlertSeverity;

/// Most rules of the configuration.
pub const CUSTOM_RULES_MAX: usize = 32;

/// The changes to one rule by the configuration.
///
/// Count, window and severity are those of the rule's first threshold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleOverride {
    /// `A1` to `A17`, `F1` to `F3`.
    pub id: String,
    /// The rule never fires.
    pub disabled: bool,
    /// Records until it fires.
    pub count: Option<u64>,
    /// Seconds in which they come.
    pub window_s: Option<u64>,
    /// The urgency of its alerts.
    pub severity: Option<AlertSeverity>,
}

/// A rule of the configuration: so many records of any of these codes with an equal key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomRule {
    /// Its name in alerts.
    pub name: String,
    /// The codes it counts.
    pub codes: Vec<Code>,
    /// The rules of the records it counts; empty is every rule.
    pub rules: Vec<String>,
    /// `all`, `user`, `name`, `prefix`, `origin`, `room` or `connection`.
    pub key: String,
    /// Records until it fires.
    pub count: u64,
    /// Seconds in which they come.
    pub window_s: u64,
    /// The urgency of its alerts.
    pub severity: AlertSeverity,
}

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSummary {
    /// Its name.
    pub id: String,
    /// Whether it can fire.
    pub enabled: bool,
    /// So many records in so many seconds, and the severity; none for rules that do not count.
    pub threshold: Option<(u64, u64, AlertSeverity)>,
}

/// The reason why rules of the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleError {
    /// No rule of the server has this name.
    UnknownRule(String),
    /// A rule of the configuration has no key of this name.
    UnknownKey(String),
    /// Two rules have this name.
    NameTaken(String),
}

/// The names of the server's own rules.
#[must_use]
pub fn rule_names() -> Vec<String> {
    builtin::all().into_iter().map(|rule| rule.id).collect()
}

/// The keys that a rule of the configuration can count by.
#[must_use]
pub fn key_names() -> Vec<&'static str> {
    KeyKind::CONFIGURABLE.iter().map(|key| key.name()).collect()
}

impl Default for Rules {
    fn default() -> Self {
        Self { rules: builtin::all(), disabled: Vec::new() }
    }
}

impl Rules {
    /// The server's rules with the changes of the configuration.
    ///
    /// # Errors
    /// [`RuleError`] names the value at fault.
    pub fn build(overrides: &[RuleOverride], custom: &[CustomRule]) -> Result<Self, RuleError> {
        let mut rules = Self::default();
        for change in overrides {
            let number = rules.number(&change.id);
            let rule = number.and_then(|number| rules.rules.get_mut(number));
            let Some(rule) = rule else { return Err(RuleError::UnknownRule(change.id.clone())) };
            if change.disabled {
                rules.disabled.push(change.id.clone());
                rule.triggers.clear();
            }
            if let Some(trigger) = rule.triggers.first_mut() {
                trigger.count = change.count.unwrap_or(trigger.count);
                trigger.window_s = change.window_s.unwrap_or(trigger.window_s);
                trigger.severity = change.severity.unwrap_or(trigger.severity);
                trigger.privileged = trigger.privileged.max(trigger.severity);
            }
        }
        for rule in custom {
            if rules.number(&rule.name).is_some() || rule.name == "STORM" {
                return Err(RuleError::NameTaken(rule.name.clone()));
            }
            rules.rules.push(custom_rule(rule)?);
        }
        Ok(rules)
    }

    /// The rules in force, in order, with the first threshold of each.
    #[must_use]
    pub fn summary(&self) -> Vec<RuleSummary> {
        let first = |rule: &Rule| {
            let trigger = rule.triggers.first()?;
            let counts = match trigger.measure {
                Measure::Count | Measure::CountOf(..) | Measure::Distinct(_) => true,
                Measure::Gauge | Measure::FirstPrefix | Measure::FirstCode => false,
            };
            counts.then_some((trigger.count, trigger.window_s, trigger.severity))
        };
        let line = |rule: &Rule| RuleSummary {
            id: rule.id.clone(),
            enabled: !self.disabled.contains(&rule.id),
            threshold: first(rule),
        };
        self.rules.iter().map(line).collect()
    }
}

fn custom_rule(custom: &CustomRule) -> Result<Rule, RuleError> {
    let key = KeyKind::CONFIGURABLE.into_iter().find(|key| key.name() == custom.key);
    let key = key.ok_or_else(|| RuleError::UnknownKey(custom.key.clone()))?;
    let condition = |code: &Code| Condition {
        rules: custom.rules.clone(),
        severity: Severity::Info,
        ..Condition::any(*code)
    };
    let conditions = custom.codes.iter().map(condition).collect();
    Ok(Rule {
        id: custom.name.clone(),
        title: format!("Rule {} of the configuration", custom.name),
        // What it counts is not known, so its messages have a budget.
        cause: Cause::Clients,
        triggers: vec![Trigger::count(
            key,
            custom.count,
            custom.window_s,
            custom.severity,
            conditions,
        )],
    })
}
