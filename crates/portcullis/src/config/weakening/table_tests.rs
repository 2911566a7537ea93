//! Every key has a rule, every weakening is reported, and ordinary settings get no warning.
//! Never: a list of keys that is maintained by hand.

use std::collections::BTreeSet;

use crate::command::actions;
use crate::config::danger::Danger;
use crate::config::tests::{keys, read, read_with, variables};
use crate::config::weakening::check::{profile_defaults, weakenings as find_weakenings};
use crate::config::weakening::rule::Rule;
use crate::config::weakening::table::KEYS;
use crate::config::{Profile, Settings, Warning};

/// Files with every weakening; the test of the binary reads them as well.
const PRODUCTION: &str = include_str!("../../../tests/start/weakened/production.toml");
const STRICT: &str = include_str!("../../../tests/start/weakened/strict.toml");

fn weakenings(settings: &Settings) -> Vec<Warning> {
    find_weakenings(settings, &actions(settings).unwrap()).unwrap()
}

/// The weakenings, as `key: text` lines.
fn of(text: &str) -> Vec<String> {
    weakenings(&read(text).unwrap()).iter().map(ToString::to_string).collect()
}

fn production(more: &str) -> String {
    format!(
        "profile = \"production\"\ntls = {{ mode = \"off\" }}\n\
         origin = {{ allowed = [\"https://chat.example\"] }}\n\
         admin = {{ host = \"admin.chat.example\" }}\n{more}"
    )
}

/// An issuer whose secret is in the environment.
const SECRET: [(&str, &str); 4] = [
    ("PORTCULLIS__TOKEN__ISSUER__1__ISSUER", "https://other.example"),
    ("PORTCULLIS__TOKEN__ISSUER__1__AUDIENCE", "portcullis"),
    ("PORTCULLIS__TOKEN__ISSUER__1__ALGORITHM", "HS256"),
    ("PORTCULLIS__TOKEN__ISSUER__1__SECRET", "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o"),
];

/// All keys, from the error for an unknown key.
fn all_keys() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for section in keys("") {
        match section.as_str() {
            // A value, and tables whose keys are the events.
            "profile" | "access" | "replay" => {
                all.insert(section);
            }
            "token" | "role" => {
                let (heading, prefix) = match section.as_str() {
                    "token" => ("[[token.issuer]]\n", "token.issuer"),
                    _ => ("[[role]]\n", "role"),
                };
                all.extend(keys(heading).into_iter().map(|key| format!("{prefix}.{key}")));
            }
            _ => {
                let named = keys(&format!("[{section}]\n"));
                assert!(!named.is_empty(), "[{section}] has no keys");
                all.extend(named.into_iter().map(|key| format!("{section}.{key}")));
            }
        }
    }
    all
}

#[test]
fn every_key_has_one_rule_and_every_rule_has_a_key() {
    let rows: Vec<_> = KEYS.iter().map(|(key, _)| String::from(*key)).collect();
    let classified: BTreeSet<_> = rows.iter().cloned().collect();
    assert_eq!(rows.len(), classified.len(), "a key has two rows");
    let all = all_keys();
    let without: Vec<_> = all.difference(&classified).collect();
    assert!(without.is_empty(), "weakening/table.rs does not classify {without:?}");
    let stale: Vec<_> = classified.difference(&all).collect();
    assert!(stale.is_empty(), "weakening/table.rs classifies keys that do not exist: {stale:?}");
    let dangers = KEYS.iter().filter(|(_, rule)| matches!(rule, Rule::Danger));
    let dangers: Vec<_> = dangers.map(|(key, _)| *key).collect();
    let known = Danger::ALL.map(|danger| format!("danger.{}", danger.key));
    assert_eq!(dangers, known);
}

#[test]
fn every_weakening_is_reported() {
    let mut named = BTreeSet::new();
    for (text, sources) in [(PRODUCTION, variables(&SECRET)), (STRICT, variables(&[]))] {
        let found = weakenings(&read_with(text, &sources).unwrap());
        for warning in &found {
            let text = &warning.text;
            let says_all = text.contains(": ") && text.contains("; ");
            assert!(says_all, "{warning} lacks the reason, or what to do");
            assert!(!text.contains('\n') && !text.contains("kR8v2W"), "{warning}");
        }
        named.extend(found.iter().map(|warning| warning.key));
    }
    for (key, rule) in KEYS {
        let can_be_weak = !matches!(rule, Rule::Safe(_) | Rule::Rejected(_) | Rule::Danger);
        assert_eq!(named.contains(key), can_be_weak, "{key}");
    }
}

#[test]
fn profile_defaults_have_no_weakening() {
    for profile in Profile::ALL {
        let found = weakenings(&profile_defaults(profile).unwrap());
        assert_eq!(found, [], "{profile:?}");
    }
}

#[test]
fn weakenings_are_reported_in_development_too() {
    let text = "[store]\nseal_messages = false\n[rate]\nlogin_per_user = \"101/60s\"\n\
                observe = [\"login_per_user\"]\n[access]\n\"user:role\" = [\"user\"]\n";
    let found = of(text);
    let keys: Vec<_> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    let expect = ["rate.login_per_user", "rate.observe", "store.seal_messages", "access"];
    assert_eq!(keys, expect, "{found:?}");
}

#[test]
fn ordinary_settings_get_no_warning() {
    let more = r#"
        [listen]
        trusted_proxies = ["10.0.0.0/8", "fd00::/8", "2600::/16", "192.0.2.1"]
        [transport]
        ping_interval_ms = 60000
        receive_min_bytes_per_s = 100
        polling_binding = "token"
        [capacity]
        connections_total = 200000
        connections_per_user = 20
        pre_auth_per_prefix = 200
        users_total = 1000000
        when_user_full = "evict-oldest"
        [rate]
        login_per_prefix = "100/60s"
        login_per_user = "20/60s"
        login_failed_per_user = "500/24h"
        message_per_user = "60/1s"
        connect_per_prefix = "100/60s"
        event_per_user = { "chat:send" = "60/60s" }
        penalty_s = 30
        [message]
        size_max_bytes = 65536
        [spam]
        phrase = "record"
        phrases_remove = ["buy now", "click here"]
        [store]
        min_free = "64MiB"
        [accounts]
        registration = "closed"
        [session]
        idle_s = 7200
        absolute_s = 86400
        login_absolute_s = 5184000
        [[role]]
        name = "support"
        actions = ["user:ban", "user:mute", "room:kick:any"]
        [access]
        "room:create" = ["moderator", "support"]
        "user:ban" = ["admin", "moderator", "support"]
        [replay]
        "chat:send" = "seq+mid"
        [audit]
        keep_days = 7
        keep_total_mib = 1024
        stdout = false
    "#;
    assert_eq!(of(&production(more)), Vec::<String>::new());
    // The issuer's own address beside the audience, and more connections with their usual shares.
    let auth0 = "[[token.issuer]]\nissuer = \"https://t.example/\"\naudience = \"a\"\n\
                 audience_beside = [\"https://t.example/userinfo\"]\nalgorithm = \"RS256\"\n\
                 jwks_url = \"https://t.example/keys\"\n";
    assert_eq!(of(&production(auth0)), Vec::<String>::new());
}

#[test]
fn method_that_can_be_the_only_one_of_a_login_is_reported() {
    let issuer = |more: &str| {
        production(&format!(
            "[[token.issuer]]\nissuer = \"https://id.example/\"\naudience = \"a\"\n\
             algorithm = \"RS256\"\njwks_url = \"https://id.example/keys\"\n{more}\n"
        ))
    };
    for (more, count) in [
        ("privileged_amr = [\"mfa\", \"hwk\"]", 0),
        ("privileged_amr = [\"otp\"]", 1),
        ("privileged_amr = [\"mfa\", \"SMS\", \"email\"]", 2),
        // A claim of the issuer's own holds second factors alone.
        ("privileged_amr = [\"otp\"]\namr_claim = [\"second_factor\"]", 0),
        ("privileged_acr = [\"2\"]", 0),
    ] {
        let found = of(&issuer(more));
        assert_eq!(found.len(), count, "{more}: {found:?}");
        assert!(found.iter().all(|text| text.contains("only method of a login")), "{found:?}");
    }
}

#[test]
fn weakening_text_has_the_value_the_reason_and_the_remedy() {
    let cases = [
        (
            "[rate]\nlogin_per_user = \"1000/1s\"\n",
            "rate.login_per_user: \"1000/1s\" is more than 10 times the default \"10/60s\": \
             passwords and codes can be guessed faster; write a lower rate, or leave it out",
        ),
        (
            "[store]\nseal_messages = false\n",
            "store.seal_messages: false, and true by default: a copy of the database shows the \
             text of every message; leave it out",
        ),
        (
            "[capacity]\nconnections_per_user = 1000\n",
            "capacity.connections_per_user: 1000 is more than 10 times the default 5: one client \
             or network can take most of the server; write 50 or less",
        ),
        (
            "[access]\n\"user:role\" = [\"user\"]\n",
            "access: \"user:role\" can be sent by user, by default only by admin: every \
             account with that role has this power; leave it out, or name a role that few users \
             have",
        ),
    ];
    for (text, expect) in cases {
        assert_eq!(of(&production(text)), [expect]);
    }
}

#[test]
fn variants_of_a_weakening_are_reported() {
    let all_of_ipv4: Vec<_> = (0..=255).map(|first| format!("{first}.0.0.0/8")).collect();
    let cases = [
        ("[listen]\ntrusted_proxies = [\"0.0.0.0/1\", \"128.0.0.0/1\"]\n", 2),
        ("[listen]\ntrusted_proxies = [\"::/0\"]\n", 1),
        ("[listen]\ntrusted_proxies = [\"2000::/3\"]\n", 1),
        (&format!("[listen]\ntrusted_proxies = {:?}\n", all_of_ipv4), 1),
        // Few at once and many over time; many at once and few over time.
        ("[rate]\nlogin_per_user = \"1/1ms\"\n", 1),
        ("[rate]\nlogin_per_user = \"101/24h\"\n", 1),
        ("[rate]\nobserve = [\"login_per_user\", \"login_per_prefix\"]\n", 2),
        ("[overload]\nstate = \"elevated\"\n", 1),
        ("[overload]\nstate = \"critical\"\n", 0),
        ("[[role]]\nname = \"a\"\n[access]\n\"user:role\" = [\"a\", \"admin\"]\n", 1),
        ("[[role]]\nname = \"a\"\nactions = [\"admin:broadcast\"]\n", 1),
        ("[access]\n\"user:mute\" = [\"admin\"]\n", 0),
        ("[replay]\n\"chat:send\" = \"mid\"\n", 0),
        ("[capacity]\nconnections_total = 50\npre_auth_total = 50\n", 0),
        ("[capacity]\nconnections_total = 1000\npre_auth_total = 501\n", 1),
        ("[capacity]\nadmin_reserve = 9\n", 1),
        ("[capacity]\nadmin_reserve = 10\n", 0),
        ("[audit]\nfile = \"/dev/null\"\n", 1),
        ("[audit]\nfile = \"/dev/null\"\nstdout = false\n", 1),
    ];
    for (text, count) in cases {
        let found = of(&production(text));
        assert_eq!(found.len(), count, "{text}: {found:?}");
    }
}
