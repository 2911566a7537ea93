//! The keys of the configuration that take effect without a restart.
//! Never: a key of which only a part takes effect.

use std::collections::BTreeMap;

use toml::Value;

/// Keys that a reload applies. A name that ends with a dot stands for all keys below it.
pub(super) const LIVE: &[&str] = &[
    "admin.from",
    "alert.custom.",
    "alert.resolve_after_s",
    "alert.rule.",
    "alert.storm_keys",
    "alert.update_every_s",
    "capacity.admin_reserve",
    "capacity.connections_per_prefix",
    "capacity.connections_per_user",
    "capacity.connections_total",
    "capacity.http_per_prefix",
    "capacity.pre_auth_per_prefix",
    "capacity.pre_auth_total",
    "capacity.when_user_full",
    "listen.hosts",
    "listen.proxy_header",
    "listen.trusted_proxies",
    "message.links",
    "message.malicious",
    "message.markup",
    "origin.allowed",
    "origin.without_origin",
    "rate.",
    "replay.",
    "spam.",
    "tls.certificate_file",
    "tls.key_file",
    "transport.polling",
    "transport.polling_binding",
];

/// Keys below [`LIVE`] that need a restart: a table has its size from them.
const FIXED: &[&str] = &["rate.ticket_per_user"];

/// Whether the profile and the kind of TLS are the same. Otherwise every key needs a restart: most
/// values follow from the profile, and some of these are in force since the start.
pub(crate) fn is_same_kind(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> bool {
    ["profile", "tls.mode"].iter().all(|key| old.get(*key) == new.get(*key))
}

/// Whether a key is about the rights of roles.
pub(crate) fn is_right(key: &str) -> bool {
    ["role.", "access."].iter().any(|section| key.starts_with(section))
}

/// Whether a changed key takes effect at once.
pub(crate) fn is_live(
    key: &str,
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
) -> bool {
    if !is_same_kind(old, new) {
        return false;
    }
    // Other parts know the names of roles since the start.
    if is_right(key) {
        return role_names(old).eq(role_names(new));
    }
    if let Some(rest) = key.strip_prefix("token.issuer.") {
        let Some((issuer, _)) = rest.rsplit_once('.') else { return false };
        return is_issuer_live(issuer, old, new);
    }
    let is_listed = LIVE.iter().any(|live| match live.strip_suffix('.') {
        Some(section) => key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')),
        None => *live == key,
    });
    is_listed && !FIXED.contains(&key)
}

/// Whether the keys and rules of an issuer are replaced at once: it is configured before and
/// after, with the same algorithm, and its keys are not fetched.
pub(crate) fn is_issuer_live(
    issuer: &str,
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
) -> bool {
    let of = |name: &str| format!("token.issuer.{issuer}.{name}");
    if !is_same_kind(old, new) {
        return false;
    }
    let fetched = of("jwks_url");
    let algorithm = of("algorithm");
    is_in_both(&algorithm, old, new)
        && old.get(&algorithm) == new.get(&algorithm)
        && !old.contains_key(&fetched)
        && !new.contains_key(&fetched)
}

/// The names of the configured roles, in alphabetical order.
fn role_names(keys: &BTreeMap<String, Value>) -> impl Iterator<Item = &str> {
    let names = keys.keys().filter_map(|key| key.strip_prefix("role."));
    names.filter_map(|rest| rest.strip_suffix(".name"))
}

fn is_in_both(key: &str, old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> bool {
    old.contains_key(key) && new.contains_key(key)
}
