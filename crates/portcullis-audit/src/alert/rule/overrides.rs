//! Changes by the configuration: thresholds, disabled rules and further rules.
//! Never: a value outside its bounds.

use portcullis_model::{Code, Severity};

use super::builtin;
use super::condition::Condition;
use super::rules::{Cause, Rule, Rules, Trigger};
use crate::alert::input::key::KeyKind;
use crate::alert::notification::AlertSeverity;

/// Most rules of the configuration.
pub const CUSTOM_RULES_MAX: usize = 32;

/// The changes to one rule by the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleOverride {
    /// `A1` to `A18`, `F1` to `F3`.
    pub id: String,
    /// The rule never fires.
    pub disabled: bool,
    /// Changes to its thresholds, in their order; the others stay.
    pub thresholds: Vec<ThresholdOverride>,
}

/// The changes to one threshold of a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThresholdOverride {
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
    /// Its thresholds, in order; a disabled rule has none.
    pub thresholds: Vec<ThresholdSummary>,
}

/// A threshold in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThresholdSummary {
    /// So many records in so many seconds; none for a threshold that does not count.
    pub count: Option<(u64, u64)>,
    /// The urgency of its alerts.
    pub severity: AlertSeverity,
}

/// The reason why rules of the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleError {
    /// No rule of the server has this name.
    UnknownRule(String),
    /// The rule has fewer thresholds than are changed.
    NoThreshold {
        /// The rule.
        id: String,
        /// The number of its thresholds.
        has: usize,
    },
    /// The threshold with this number does not count records, so it has no count and no window.
    NoCount {
        /// The rule.
        id: String,
        /// The number of the threshold, from 1 on.
        number: usize,
    },
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
            apply(rule, change)?;
            if change.disabled {
                rules.disabled.push(change.id.clone());
                rule.triggers.clear();
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

    /// The rules in force, in order, with their thresholds.
    #[must_use]
    pub fn summary(&self) -> Vec<RuleSummary> {
        let threshold = |trigger: &Trigger| ThresholdSummary {
            count: trigger.is_counting().then_some((trigger.count, trigger.window_s)),
            severity: trigger.severity,
        };
        let line = |rule: &Rule| RuleSummary {
            id: rule.id.clone(),
            enabled: !self.disabled.contains(&rule.id),
            thresholds: rule.triggers.iter().map(threshold).collect(),
        };
        self.rules.iter().map(line).collect()
    }
}

/// Changes the thresholds of a rule.
fn apply(rule: &mut Rule, change: &RuleOverride) -> Result<(), RuleError> {
    let has = rule.triggers.len();
    if change.thresholds.len() > has {
        return Err(RuleError::NoThreshold { id: change.id.clone(), has });
    }
    for (index, (trigger, change_of)) in
        rule.triggers.iter_mut().zip(&change.thresholds).enumerate()
    {
        let is_counted = change_of.count.is_some() || change_of.window_s.is_some();
        if is_counted && !trigger.is_counting() {
            return Err(RuleError::NoCount { id: change.id.clone(), number: index + 1 });
        }
        trigger.count = change_of.count.unwrap_or(trigger.count);
        trigger.window_s = change_of.window_s.unwrap_or(trigger.window_s);
        trigger.severity = change_of.severity.unwrap_or(trigger.severity);
        trigger.privileged = trigger.privileged.max(trigger.severity);
    }
    Ok(())
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
    let codes: Vec<_> = custom.codes.iter().map(|code| code.name()).collect();
    let trigger = Trigger::count(key, custom.count, custom.window_s, custom.severity, conditions);
    Ok(Rule {
        id: custom.name.clone(),
        title: format!("Rule {} of the configuration", custom.name),
        // What it counts is not known, so its messages have a budget.
        cause: Cause::Clients,
        triggers: vec![trigger.of(&format!("records {}", codes.join(", ")))],
    })
}
