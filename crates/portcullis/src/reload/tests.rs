//! Tests of the differences between configurations, and of the keys that take effect at once.
//! Never: built into the server.

use std::path::Path;

use portcullis_guard::GateOptions;

use super::change::{Change, Effect, changes, flatten, in_force};
use super::live::LIVE;
use super::merge::merge;
use crate::config::{Settings, Sources, summary_table};

const BASE: &str = r#"
profile = "production"
[tls]
mode = "off"
[origin]
allowed = ["https://chat.example"]
[[role]]
name = "support"
actions = ["user:mute"]
"#;

fn read(text: &str) -> Settings {
    Settings::read_text(Path::new("portcullis.toml"), text, &Sources::default()).unwrap()
}

fn changed(added: &str) -> Vec<Change> {
    let (old, new) = (read(BASE), read(&format!("{BASE}\n{added}")));
    changes(&flatten(&summary_table(&old, &[])), &flatten(&summary_table(&new, &[])))
}

/// The keys and effects of added lines.
#[test]
fn changed_key_is_named_with_its_effect() {
    let cases = [
        ("", "", Effect::Now),
        ("[rate]\nlogin_per_user = \"20/1m\"", "rate.login_per_user", Effect::Now),
        ("[rate]\nticket_per_user = \"20/1m\"", "rate.ticket_per_user", Effect::Restart),
        ("[rate]\nobserve = [\"login_per_user\"]", "rate.observe", Effect::Now),
        ("[spam]\nphrases_add = [\"buy my cat\"]", "spam.phrases_add", Effect::Now),
        ("[capacity]\nconnections_per_user = 9", "capacity.connections_per_user", Effect::Now),
        ("[capacity]\nhttp_total = 900", "capacity.http_total", Effect::Restart),
        ("[message]\nlinks = true", "message.links", Effect::Now),
        ("[message]\nsize_max_bytes = 9000", "message.size_max_bytes", Effect::Restart),
        ("[alert]\nstorm_keys = 30", "alert.storm_keys", Effect::Now),
        ("[alert.rule.A2]\ncount = 30", "alert.rule.A2.thresholds.0.count", Effect::Now),
        ("[session]\nidle_s = 600", "session.idle_s", Effect::Restart),
        ("[session]\nlogins_per_user = 9", "session.logins_per_user", Effect::Restart),
        ("[audit]\nkeep_days = 30", "audit.keep_days", Effect::Restart),
        ("[hsts]\nmax_age_s = 63072001", "hsts.max_age_s", Effect::Restart),
        ("[listen]\nhosts = [\"chat.example\"]", "listen.hosts", Effect::Now),
        ("[listen]\npublic = \"127.0.0.1:4000\"", "listen.public", Effect::Restart),
        ("[listen]\ntrusted_proxies = [\"10.0.0.1/32\"]", "listen.proxy_header", Effect::Now),
        ("[transport]\npolling = false", "transport.polling", Effect::Now),
        ("[transport]\nping_interval_ms = 9000", "transport.ping_interval_ms", Effect::Restart),
    ];
    for (added, key, effect) in cases {
        let changes = changed(added);
        let named = changes.iter().find(|change| change.key == key);
        assert_eq!(
            named.map(|change| change.effect),
            (!key.is_empty()).then_some(effect),
            "{added}"
        );
        let all = if added.contains("proxies") { 3 } else { usize::from(!key.is_empty()) };
        assert_eq!(changes.len(), all, "{added}: {changes:?}");
    }
}

#[test]
fn rights_of_a_role_apply_at_once_and_other_roles_need_a_restart() {
    let table = |text: &str| flatten(&summary_table(&read(text), &[]));
    let effects = |text: &str| {
        let changes = changes(&table(BASE), &table(text));
        assert!(!changes.is_empty(), "{text}");
        changes.into_iter().map(|change| change.effect).collect::<Vec<_>>()
    };
    let more = BASE.replace("\"user:mute\"", "\"user:mute\", \"room:kick\"");
    assert_eq!(effects(&more), [Effect::Now]);
    let renamed = BASE.replace("support", "helpers");
    assert!(effects(&renamed).iter().all(|effect| *effect == Effect::Restart));
    let two = format!("{BASE}\n[[role]]\nname = \"helpers\"\nactions = [\"user:mute\"]\n");
    assert!(effects(&two).iter().all(|effect| *effect == Effect::Restart));
    let (old, newer) = (read(BASE).gate, read(&renamed).gate);
    assert_eq!(merge(&old, &newer).roles.grants, old.roles.grants);
    let (old, newer) = (read(BASE).gate, read(&more).gate);
    assert_eq!(merge(&old, &newer).roles.grants.len(), 2);
}

#[test]
fn key_that_needs_a_restart_is_named_again_until_the_restart() {
    let table = |text: &str| flatten(&summary_table(&read(text), &[]));
    let added = "[audit]\nkeep_days = 30\n[rate]\nlogin_per_user = \"20/1m\"\n";
    let (old, new) = (table(BASE), table(&format!("{BASE}\n{added}")));
    let after = in_force(&old, &new, &changes(&old, &new));
    let keys = |changes: Vec<Change>| changes.into_iter().map(|change| change.key);
    assert_eq!(
        keys(changes(&old, &new)).collect::<Vec<_>>(),
        ["audit.keep_days", "rate.login_per_user"]
    );
    assert_eq!(keys(changes(&after, &new)).collect::<Vec<_>>(), ["audit.keep_days"]);
    assert_eq!(keys(changes(&after, &old)).collect::<Vec<_>>(), ["rate.login_per_user"]);
}

#[test]
fn other_profile_or_kind_of_tls_needs_a_restart_for_every_key() {
    let table = |text: &str| flatten(&summary_table(&read(text), &[]));
    let rate = format!("{BASE}\n[rate]\nlogin_per_user = \"20/1m\"\n");
    let strict = rate.replace("\"production\"", "\"strict\"") + "[admin]\npage = false\n";
    let files = "[tls]\ncertificate_file = \"a.pem\"\nkey_file = \"a.key\"\n";
    let files = rate.replace("[tls]\nmode = \"off\"\n", files);
    for other in [strict, files] {
        let changes = changes(&table(BASE), &table(&other));
        assert!(changes.iter().any(|change| change.key == "rate.login_per_user"), "{changes:?}");
        assert!(changes.iter().all(|change| change.effect == Effect::Restart), "{changes:?}");
    }
}

#[test]
fn origin_and_host_apply_at_once_also_with_a_certificate_by_acme() {
    let table = |text: &str| flatten(&summary_table(&read(text), &[]));
    let acme = BASE.replace("mode = \"off\"", "mode = \"acme\"\nacme_terms_agreed = true");
    let hosts = "[listen]\nhosts = [\"chat.example\"]\n";
    let more = "[listen]\nhosts = [\"chat.example\", \"eu.chat.example\"]\n";
    let shop = "[\"https://chat.example\", \"https://shop.example\"]";
    for base in [BASE, &acme] {
        let applied = |old: &str, new: &str| {
            let changes = changes(&table(old), &table(new));
            let is_now = changes.iter().all(|change| change.effect == Effect::Now);
            assert!(is_now, "{changes:?}");
            changes.into_iter().map(|change| change.key).collect::<Vec<_>>()
        };
        let newer = base.replace("[\"https://chat.example\"]", shop);
        assert_eq!(applied(base, &newer), ["origin.allowed"]);
        let (old, new) = (format!("{base}{hosts}"), format!("{base}{more}"));
        assert_eq!(applied(&old, &new), ["listen.hosts"]);
    }
}

/// Every option that a key needs a restart for stays, and every other one is taken over.
#[test]
fn merged_options_are_new_except_those_that_need_a_restart() {
    let old = read(BASE).gate;
    let newer = GateOptions {
        rate_keys_max: 1 + old.rate_keys_max,
        message_max_bytes: 1 + old.message_max_bytes,
        rooms_per_connection: 1 + old.rooms_per_connection,
        proof_required: !old.proof_required,
        ticket_per_user: portcullis_guard::Rate::per(1, 1_000),
        links_allowed: true,
        connections_per_user: 9,
        login_per_user: portcullis_guard::Rate::per(1, 1_000),
        ..old.clone()
    };
    let merged = merge(&old, &newer);
    assert_eq!(merged.rate_keys_max, old.rate_keys_max);
    assert_eq!(merged.message_max_bytes, old.message_max_bytes);
    assert_eq!(merged.rooms_per_connection, old.rooms_per_connection);
    assert_eq!(merged.proof_required, old.proof_required);
    assert_eq!(merged.ticket_per_user, old.ticket_per_user);
    assert!(merged.links_allowed);
    assert_eq!((merged.connections_per_user, merged.login_per_user), (9, newer.login_per_user));
}

/// The guide names every key that takes effect at once.
#[test]
fn guide_names_every_live_key() {
    let guide = include_str!("../../../../docs/configuration.md");
    let (_, guide) = guide.split_once("## Changes without a restart\n").unwrap();
    let (guide, _) = guide.split_once("\n## ").unwrap();
    for key in LIVE {
        let section = key.split_once('.').map(|(section, _)| format!("`{section}.*`"));
        let whole = key.strip_suffix('.').map(|section| format!("`{section}.*`"));
        let named = [Some(format!("`{key}`")), section, whole];
        assert!(named.into_iter().flatten().any(|name| guide.contains(&name)), "{key}");
    }
}
