//! Tokens of issuers that publish their keys: RS256, PS256, ES256, EdDSA.
//! Never: a key used in another way than it is published for.

use portcullis_test::{
    Config, PublishedKey, TestServer, claims, forge_hs256, forge_none, now_s, timed,
};
use serde_json::{Value, json};

use crate::{is_accepted, start};

const ISSUER: &str = "https://published.example";

/// A server that believes one key of each algorithm, each under an issuer of its own.
fn server(keys: &[PublishedKey]) -> (TestServer, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::plaintext();
    for key in keys {
        let path = directory.path().join(format!("{}.json", key.algorithm));
        std::fs::write(&path, json!({ "keys": [key.jwk()] }).to_string()).unwrap();
        config.more.push_str(&format!(
            "[[token.issuer]]\nissuer = \"{ISSUER}/{}\"\naudience = \"portcullis\"\n\
             algorithm = \"{}\"\njwks_file = {path:?}\n",
            key.algorithm, key.algorithm
        ));
    }
    (start(&config), directory)
}

fn keys() -> Vec<PublishedKey> {
    // One name for all: which issuer's it is, the token says, and the signature proves.
    ["RS256", "PS256", "ES256", "EdDSA"]
        .map(|algorithm| PublishedKey::generate("main", algorithm))
        .into()
}

fn good(key: &PublishedKey) -> Value {
    let mut all = claims("ann");
    all["iss"] = json!(format!("{ISSUER}/{}", key.algorithm));
    all
}

fn changed(base: &Value, name: &str, value: Value) -> Value {
    let mut all = base.clone();
    match value {
        Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
        value => all[name] = value,
    }
    all
}

#[test]
fn t030_t033_t041_t043_each_key_signs_for_its_issuer_in_its_algorithm() {
    let keys = keys();
    let (server, _files) = server(&keys);
    for key in &keys {
        assert!(is_accepted(&server, &key.token(&key.header(), &good(key))), "{}", key.algorithm);
        let unnamed = changed(&key.header(), "kid", Value::Null);
        assert!(is_accepted(&server, &key.token(&unnamed, &good(key))), "{}", key.algorithm);
        // T-041: the same key id at three issuers; a token of one that claims to be another's.
        for other in keys.iter().filter(|other| other.algorithm != key.algorithm) {
            assert!(!is_accepted(&server, &key.token(&key.header(), &good(other))));
            assert!(!is_accepted(&server, &key.token(&other.header(), &good(other))));
            assert!(!is_accepted(&server, &key.token(&other.header(), &good(key))));
        }
        let outsider = PublishedKey::generate("main", key.algorithm);
        assert!(!is_accepted(&server, &outsider.token(&key.header(), &good(key))));
        let algorithms = [
            "none", "None", "HS256", "HS384", "RS256", "RS384", "RS512", "PS256", "PS384", "ES256",
            "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "",
        ];
        for algorithm in algorithms.iter().filter(|name| **name != key.algorithm) {
            let header = changed(&key.header(), "alg", json!(algorithm));
            assert!(!is_accepted(&server, &key.token(&header, &good(key))), "{algorithm}");
        }
        let header = key.header().to_string();
        assert!(!is_accepted(&server, &forge_none(&header, &good(key).to_string())));
        // T-043: signatures that are nothing, or everything.
        let signed = key.token(&key.header(), &good(key));
        let (body, signature) = signed.rsplit_once('.').unwrap();
        for forged in ["A".repeat(signature.len()), "_".repeat(signature.len()), "AA".into()] {
            assert!(!is_accepted(&server, &format!("{body}.{forged}")), "{}", key.algorithm);
        }
        for spelled in [format!("{signed}="), format!("{signed}=="), format!("{signed}A")] {
            assert!(!is_accepted(&server, &spelled), "{}", key.algorithm);
        }
    }
}

#[test]
fn t031_published_key_is_not_accepted_as_a_shared_secret() {
    let keys = keys();
    let (server, _files) = server(&keys);
    for key in &keys {
        let jwk = key.jwk();
        let mut sorted = jwk.clone();
        sorted.sort_all_objects();
        let texts = [
            jwk.to_string(),
            sorted.to_string(),
            json!({ "keys": [jwk] }).to_string(),
            jwk["n"].as_str().unwrap_or_default().to_owned(),
            jwk["x"].as_str().unwrap_or_default().to_owned(),
            String::from("main"),
            String::new(),
        ];
        for secret in texts.iter().flat_map(|text| [text.clone(), format!("{text}\n")]) {
            for alg in ["HS256", key.algorithm] {
                let header = changed(&key.header(), "alg", json!(alg)).to_string();
                let forged = forge_hs256(&header, &good(key).to_string(), secret.as_bytes());
                assert!(!is_accepted(&server, &forged), "{secret}");
            }
        }
    }
}

#[test]
fn t036_t038_t039_t044_headers_that_carry_or_steer_anything() {
    let keys = keys();
    let (server, _files) = server(&keys);
    for key in &keys {
        let long = "k".repeat(2_000);
        let more = [
            ("jwk", key.jwk()),
            ("jku", json!("https://published.example/keys")),
            ("x5u", json!("https://published.example/chain")),
            ("x5c", json!(["AA"])),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("typ", json!("dpop+jwt")),
            ("typ", json!("secevent+jwt")),
            ("typ", json!(["JWT"])),
            ("alg", json!([key.algorithm])),
            ("alg", json!(256)),
            ("alg", json!("R".repeat(1_000))),
            ("kid", json!("x' UNION SELECT '1';--")),
            ("kid", json!("|sleep 10")),
            ("kid", json!("$(id)")),
            ("kid", json!("../../../../dev/null")),
            ("kid", json!("main\u{0}")),
            ("kid", json!("m\u{430}in")),
            ("kid", json!(["main"])),
            ("kid", json!({ "$gt": "" })),
            ("kid", json!("")),
            ("kid", json!(long)),
        ];
        for (name, value) in more {
            let header = changed(&key.header(), name, value.clone());
            let forged = key.token(&header, &good(key));
            let (inside, took) = timed(|| is_accepted(&server, &forged));
            assert!(!inside, "{} {name} {value:.80}", key.algorithm);
            assert!(took < std::time::Duration::from_secs(2), "{name}: {took:?}");
        }
    }
    assert!(!server.records.text().contains("UNION SELECT"));
}

#[test]
fn t045_t046_t048_t052_claims_are_exact_whatever_signs_them() {
    let keys = keys();
    let (server, _files) = server(&keys);
    let now = now_s();
    for key in &keys {
        let base = good(key);
        let cases = [
            ("exp", json!(now - 60)),
            ("exp", json!(now.to_string())),
            ("exp", json!(1e300)),
            ("exp", json!(now as f64 + 60.5)),
            ("exp", json!(true)),
            ("exp", Value::Null),
            ("iat", json!(now + 86_400)),
            ("iat", json!(-1)),
            ("iat", Value::Null),
            ("nbf", json!(now + 60)),
            ("nbf", json!("0")),
            ("aud", json!("another")),
            ("aud", json!(["portcullis", "another"])),
            ("aud", json!([])),
            ("aud", Value::Null),
            ("sub", Value::Null),
            ("sub", json!("")),
            ("sub", json!(["ann"])),
            ("iss", json!([base["iss"]])),
            ("iss", json!(format!("{}/", base["iss"].as_str().unwrap()))),
            ("iss", Value::Null),
            ("exp", json!(now + 10 * 365 * 86_400)),
        ];
        for (name, value) in cases {
            let forged = key.token(&key.header(), &changed(&base, name, value.clone()));
            assert!(!is_accepted(&server, &forged), "{} {name} {value}", key.algorithm);
        }
        assert!(is_accepted(
            &server,
            &key.token(&key.header(), &changed(&base, "aud", json!(["portcullis"])))
        ));
        // T-053: what it says of roles is nothing here.
        let mut roles = base.clone();
        roles["roles"] = json!(["admin"]);
        roles["isAdmin"] = json!(true);
        let token = key.token(&key.header(), &roles);
        let mut client = portcullis_test::SioClient::connect(&server, &token);
        let answer = client.ask("admin:broadcast", &json!({ "message": "hi" }));
        assert_eq!(answer["error"]["code"], "forbidden");
    }
}

#[test]
fn t040_ten_thousand_names_of_keys_cost_little_and_lead_nowhere() {
    let keys = keys();
    let (server, _files) = server(&keys);
    let memory = server.resident_kib();
    let before = portcullis_test::processor_ms(&server);
    let key = &keys[2];
    let mut client = portcullis_test::PollingClient::open(&server);
    for number in 0..10_000 {
        let header = changed(&key.header(), "kid", json!(format!("unknown-{number}")));
        let forged = key.token(&header, &good(key));
        if number % 2_500 == 0 {
            assert!(!is_accepted(&server, &forged));
            client = portcullis_test::PollingClient::open(&server);
        }
        // By request: what asks over HTTP is refused as well, and needs no connection each.
        let request = portcullis_test::Request::post(&server, "/auth/ticket", "{}")
            .header("Authorization", &format!("Bearer {forged}"));
        if number < 2_000 {
            assert_eq!(request.ask(&server).status, 401);
        }
    }
    drop(client);
    let spent = portcullis_test::processor_ms(&server) - before;
    assert!(spent < 20_000, "{spent} ms of processor time");
    assert!(server.resident_kib() < memory + 20_000, "it keeps something of each");
    assert!(is_accepted(&server, &key.token(&key.header(), &good(key))));
}
