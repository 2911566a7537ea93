//! Whole configurations with issuers: rules for their tokens, second factors, and weak keys.
//! Never: a network, or a file outside a temporary directory.

use std::path::Path;

use portcullis_guard::{KeyStrength, SecondFactorRule};
use portcullis_test::PublishedKey;
use serde_json::{Value, json};

use crate::config::tests::read;
use crate::config::{Profile, Settings};

fn text(profile: &str, more: &str) -> String {
    format!(
        "profile = {profile:?}\ntls = {{ mode = \"off\" }}\n\
         origin = {{ allowed = [\"https://a.example\"] }}\n\
         admin = {{ host = \"admin.a.example\" }}\n{more}"
    )
}

fn issuer(keys: &Path, algorithm: &str, more: &str) -> String {
    format!(
        "[[token.issuer]]\nissuer = \"https://id.example\"\naudience = \"portcullis\"\n\
         algorithm = {algorithm:?}\njwks_file = {keys:?}\n{more}\n"
    )
}

/// A key set in a file, and the directory that holds it.
fn key_set(keys: Value) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    std::fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
    (directory, path)
}

fn warnings(settings: &Settings) -> Vec<&'static str> {
    settings.warnings().into_iter().map(|warning| warning.key).collect()
}

#[test]
fn issuer_rules_are_in_force_and_summarised() {
    let key = PublishedKey::generate("main", "ES256");
    let (_directory, path) = key_set(json!([key.jwk()]));
    let more = "accept = \"id-token\"\nscope = [\"chat\"]\ntyp = \"JWT\"\n\
                privileged_acr = [\"aal2\"]\nacr_claim = [\"aal\"]\nroles_claim = [\"roles\"]";
    let settings = read(&text("production", &issuer(&path, "ES256", more))).unwrap();
    let known = &settings.gate.issuers[0];
    assert_eq!((known.rules.scope.len(), known.strength), (1, KeyStrength::Usual));
    assert_eq!(settings.gate.second_factor, SecondFactorRule::Admins);
    assert_eq!(warnings(&settings), ["token.issuer.accept"]);
    let summary = crate::config::summary(&settings, &[]);
    for line in ["accept = \"id-token\"", "scope = [\"chat\"]", "acr_claim = [\"aal\"]"] {
        assert!(summary.contains(line), "{line} in {summary}");
    }
    assert_eq!(crate::config::summary(&read(&summary).unwrap(), &[]), summary);
}

#[test]
fn issuer_roles_without_a_second_factor_rule_get_a_warning() {
    let key = PublishedKey::generate("main", "ES256");
    let (_directory, path) = key_set(json!([key.jwk()]));
    let of = |profile: &str, more: &str| read(&text(profile, &issuer(&path, "ES256", more)));
    let roles = "roles_claim = [\"roles\"]";
    let warned = of("production", roles).unwrap();
    assert_eq!(warnings(&warned), ["token.issuer.privileged_amr"]);
    let words = warned.warnings()[0].to_string();
    assert!(words.contains("no effect") && words.contains("https://id.example"), "{words}");
    let quiet = [(roles, "privileged_amr = [\"mfa\"]"), ("", "")];
    for (roles, rule) in quiet {
        let settings = of("production", &format!("{roles}\n{rule}")).unwrap();
        assert_eq!(warnings(&settings), Vec::<&str>::new());
    }
    let local = read(&issuer(&path, "ES256", roles)).unwrap();
    assert_eq!(local.profile, Profile::Development);
    assert_eq!(warnings(&local), Vec::<&str>::new());
}

#[test]
fn second_factor_none_is_accepted_in_development_only() {
    let of = |profile: &str, word: &str| {
        let accounts = format!("[accounts]\nsecond_factor = {word:?}\n");
        match profile {
            "development" => read(&accounts),
            _ => read(&text(profile, &accounts)),
        }
    };
    for (word, rule) in SecondFactorRule::ALL {
        assert_eq!(of("development", word).unwrap().gate.second_factor, rule);
        let outcome = of("production", word).map(|settings| settings.gate.second_factor);
        match rule {
            SecondFactorRule::None => assert!(outcome.unwrap_err().contains("second_factor")),
            SecondFactorRule::Admins | SecondFactorRule::Staff | SecondFactorRule::All => {
                assert_eq!(outcome, Ok(rule));
            }
        }
    }
    assert!(of("production", "everyone").err().unwrap().contains("no such choice"));
    let renamed = read("[accounts]\nadmins_need_totp = true\n").err().unwrap();
    assert!(renamed.contains("second_factor = \"admins\""), "{renamed}");
    // Users of an issuer whose tokens cannot show a factor could never connect.
    let key = PublishedKey::generate("main", "ES256");
    let (_directory, path) = key_set(json!([key.jwk()]));
    let all = |more: &str| {
        let accounts = "[accounts]\nsecond_factor = \"all\"\n";
        read(&text("production", &format!("{accounts}{}", issuer(&path, "ES256", more))))
    };
    let error = all("").err().unwrap();
    assert!(error.contains("privileged_amr") && error.contains("https://id.example"), "{error}");
    assert!(all("privileged_amr = [\"mfa\"]").is_ok());
}

#[test]
fn strict_rejects_rs256_and_rsa_keys_below_3072_bits() {
    let short = PublishedKey::generate("short-key", "PS256");
    let (_directory, path) = key_set(json!([short.jwk()]));
    let of = |profile: &str, algorithm: &str| {
        read(&text(profile, &issuer(&path, algorithm, ""))).map(|_| ())
    };
    assert_eq!(of("production", "PS256"), Ok(()));
    let error = of("strict", "PS256").unwrap_err();
    assert!(error.contains("short-key") && error.contains("3072"), "{error}");
    let error = of("strict", "RS256").unwrap_err();
    assert!(error.contains("token.issuer.algorithm") && error.contains("PS256"), "{error}");
    let long = PublishedKey::generate("long-key", "PS256-3072");
    let (_directory, path) = key_set(json!([long.jwk()]));
    let strict = read(&text("strict", &issuer(&path, "PS256", ""))).unwrap();
    assert_eq!(strict.gate.issuers[0].strength, KeyStrength::Strong);
    // One key of a set that is too short is named as well.
    let (_directory, path) = key_set(json!([long.jwk(), short.jwk()]));
    let error = read(&text("strict", &issuer(&path, "PS256", ""))).err().unwrap();
    assert!(error.contains("short-key"), "{error}");
}
