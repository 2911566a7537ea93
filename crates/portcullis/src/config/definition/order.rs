//! The order of keys: that of `docs/configuration.md`.
//! Never: a key at a random place; a test finds keys without one.

use crate::config::weakening::table::KEYS;

/// The keys of tables that the table of weakenings has as one row.
const NESTED: &[(&str, &[&str])] = &[
    ("alert.rule", &["enabled", "count", "window_s", "severity", "thresholds"]),
    ("alert.custom", &["name", "code", "rule", "key", "count", "window_s", "severity"]),
    (
        "alert.channel",
        &[
            "name",
            "kind",
            "shape",
            "url_file",
            "server",
            "login_file",
            "from",
            "to",
            "command",
            "secret_file",
            "ca_file",
            "private_address",
            "severities",
            "fallback",
            "quiet",
            "quiet_below",
        ],
    ),
];

/// The position of a key, and the one inside its row.
pub(super) fn position(path: &str) -> Option<(usize, usize)> {
    let row = |path: &str| KEYS.iter().position(|(key, _)| *key == path);
    if let Some(row) = row(path) {
        return Some((row, 0));
    }
    let (table, name) = path.rsplit_once('.')?;
    let (_, names) = NESTED.iter().find(|(key, _)| *key == table)?;
    Some((row(table)?, names.iter().position(|key| *key == name)?))
}
