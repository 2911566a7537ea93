//! Rules that are replaced while the engine runs.
//! Never: sleeps; tests wait for what the engine sends.

use std::sync::Arc;

use portcullis_model::{Clock, Code};

use super::World;
use crate::alert::notification::{AlertKey, AlertSeverity};
use crate::alert::options::AlertOptions;
use crate::alert::rule::overrides::{CustomRule, RuleOverride};
use crate::alert::rule::rules::Rules;
use crate::alert::run::alerts::lock;

#[test]
fn replaced_rules_count_from_now_on_and_keep_open_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    let alerts = world.audit.alerts().unwrap();
    world.guess(12);
    let opened = world.inbox.wait("A2 firing");
    let usual = AlertOptions::new(Arc::clone(&world.clock) as Arc<dyn Clock>);
    let off = RuleOverride { id: String::from("A2"), disabled: true, thresholds: Vec::new() };
    let rules = Rules::build(&[off], &[]).unwrap();
    assert!(alerts.replace_rules(&AlertOptions { rules, ..usual.clone() }));
    world.guess_name("bob", 30);
    assert!(alerts.replace_rules(&usual));
    assert_eq!(alerts.open().iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&opened.id]);
    world.guess_name("cam", 12);
    world.replace_log();
    world.inbox.wait("A13 firing");
    let keys = alerts.open().into_iter().filter(|alert| alert.rule == "A2");
    let mut names: Vec<_> = keys.filter_map(|alert| Some(alert.key?.value)).collect();
    names.sort();
    assert_eq!(names, ["ada", "cam"], "bob was guessed while the rule was disabled");
}

/// The usual rules, and one of the configuration.
fn guessing() -> Rules {
    let custom = CustomRule {
        name: String::from("guessing"),
        codes: vec![Code::AuthnLoginFail],
        rules: Vec::new(),
        key: String::from("all"),
        count: 3,
        window_s: 60,
        severity: AlertSeverity::High,
    };
    Rules::build(&[], &[custom]).unwrap()
}

#[test]
fn engine_that_failed_during_a_replacement_starts_with_the_new_rules() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    let alerts = world.audit.alerts().unwrap();
    let off = |id: &str| RuleOverride { id: String::from(id), disabled: true, thresholds: vec![] };
    // With none of these rules, failed logins concern no rule.
    let none = Rules::build(&["A1", "A2", "A3", "F3"].map(off), &[]).unwrap();
    let usual = AlertOptions::new(Arc::clone(&world.clock) as Arc<dyn Clock>);
    assert!(alerts.replace_rules(&AlertOptions { rules: none, ..usual.clone() }));
    *lock(&alerts.shared.options) = AlertOptions { rules: guessing(), ..usual };
    lock(&alerts.shared.stop.0).fails = true;
    world.inbox.wait("A12 firing");
    world.guess(3);
    world.inbox.wait("guessing firing");
}

#[test]
fn replacement_that_fails_is_reported_and_the_new_rules_are_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    let alerts = world.audit.alerts().unwrap();
    let usual = AlertOptions::new(Arc::clone(&world.clock) as Arc<dyn Clock>);
    // The text of the state has no such kind, so another engine cannot take the alert over.
    let key = AlertKey { kind: "unknown", value: String::from("x") };
    alerts.raise("A17", key, AlertSeverity::High, world.clock.now());
    let (rules, others) = (guessing(), usual.clone());
    assert!(!alerts.replace_rules(&AlertOptions { rules, ..others }));
    world.inbox.wait("A12 firing");
    assert_eq!(alerts.counts().restarts, 1);
    world.guess(3);
    world.inbox.wait("guessing firing");
    // The new engine does not have the alert, so the next replacement does not fail.
    assert!(alerts.replace_rules(&usual));
    world.inbox.wait("guessing resolved");
}

#[test]
fn alert_of_a_custom_rule_that_is_removed_is_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), &Arc::default());
    let alerts = world.audit.alerts().unwrap();
    let usual = AlertOptions::new(Arc::clone(&world.clock) as Arc<dyn Clock>);
    let rules = guessing();
    assert!(alerts.replace_rules(&AlertOptions { rules, ..usual.clone() }));
    world.guess(3);
    let opened = world.inbox.wait("guessing firing");
    assert!(alerts.replace_rules(&usual));
    assert_eq!(world.inbox.wait("guessing resolved").id, opened.id);
    assert!(alerts.open().is_empty());
}
