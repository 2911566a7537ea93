//! An alert in a few lines, for programs that show text.
//! Never: markup, or a link.

use portcullis_audit::{Alert, AlertKey, utc};

use crate::message::text::harmless;

/// The title, without text of clients.
pub(crate) fn title(alert: &Alert) -> String {
    let test = if alert.origin.test { "TEST " } else { "" };
    let (severity, state) = (alert.severity.name(), alert.state.name());
    format!("{test}[{severity}] {}: {} ({state})", alert.rule, alert.title)
}

/// The facts, each with its name.
pub(crate) fn facts(alert: &Alert) -> Vec<(&'static str, String)> {
    let counts = &alert.counts;
    let mut facts = Vec::new();
    if let Some(key) = &alert.key {
        facts.push(("Key", shown(key)));
    }
    let threshold =
        counts.threshold.map(|(count, window_s)| format!(" (threshold {count} in {window_s} s)"));
    facts.push(("Events", format!("{}{}", counts.events, threshold.unwrap_or_default())));
    let distinct = counts.distinct.iter().map(|(name, count)| format!("{count} {name}"));
    facts.push(("Distinct", distinct.collect::<Vec<_>>().join(", ")));
    let group = alert.group.iter().map(|(key, count)| format!("{} {count}", shown(key)));
    facts.push(("Most frequent", group.collect::<Vec<_>>().join(", ")));
    facts.push(("First", utc(counts.first_unix_ms)));
    facts.push(("Last", utc(counts.last_unix_ms)));
    let references = alert.evidence.iter().filter_map(|evidence| evidence.reference.as_ref());
    let references = references.map(ToString::to_string);
    facts.push(("References", references.collect::<Vec<_>>().join(", ")));
    facts.push(("Node", alert.origin.node.clone()));
    facts.push(("Alert", alert.id.clone()));
    facts.push(("Note of the log", alert.origin.note.clone().unwrap_or_default()));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// The facts as lines.
pub(crate) fn lines(alert: &Alert) -> String {
    let lines = facts(alert).into_iter().map(|(name, value)| format!("{name}: {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn shown(key: &AlertKey) -> String {
    format!("{} \"{}\"", key.kind, harmless(&key.value))
}
