//! Tokens made and explained at the command line.
//! Never: a signature, a secret, or a token on a command line.

use portcullis_test::{Config, SECRET, SioClient, claims, forge_hs256, hs256, now_s, sign_up};
use serde_json::json;

use crate::{done, refused, start};

#[test]
fn made_token_connects_and_rejected_token_is_explained() {
    let server = start(&Config::default());
    let ann = sign_up(&server, "ann");
    let own = done(&server, &["token", "make", "ann"], "");
    let _record = server.records.wait_for(|record| {
        record["event"]["reason"] == "operator" && record["event"]["code"] == "session_created"
    });
    let answer = SioClient::connect(&server, own.trim_end()).ask("room:list", &json!({}));
    assert_eq!(answer["ok"], true);
    let foreign = ["token", "make", "--issuer", "https://id.example", "--subject", "42"];
    let foreign = done(&server, &foreign, "");
    let answer = SioClient::connect(&server, foreign.trim_end()).ask("room:list", &json!({}));
    assert_eq!(answer["ok"], true);

    let now = now_s();
    let changed = |change: serde_json::Value| {
        let mut all = claims("7");
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        forge_hs256(r#"{"alg":"HS256","typ":"JWT"}"#, &all.to_string(), SECRET.as_bytes())
    };
    let cases = [
        (own.clone(), "accepted, as \"ann\""),
        (hs256("new user"), "accepted, as a new user"),
        (ann.token.replace('.', ","), "rejected (shape)"),
        (changed(json!({ "iat": now - 120, "exp": now - 60 })), "rejected (expired)"),
        (changed(json!({ "aud": "another" })), "rejected (claims)"),
        (changed(json!({ "iss": "https://elsewhere.example" })), "rejected ("),
        (changed(json!({ "nonce": "n-0S6" })), "rejected (id_token): it is an id-token"),
        (changed(json!({ "token_use": "id" })), "accept = \"id-token\""),
        (changed(json!({ "events": {} })), "rejected (other_token)"),
        (changed(json!({ "typ": "Refresh" })), "rejected (other_token)"),
        (changed(json!({ "authorization_details": [{}] })), "rejected (authorization_details)"),
        (changed(json!({ "amr": ["mfa"] })), "proves no second factor"),
        (format!("{}x", hs256("42")), "rejected (s"),
    ];
    for (token, words) in cases {
        let text = done(&server, &["token", "explain"], &token);
        assert!(text.contains(words), "{words}: {text}");
        let signature = token.trim_end().rsplit('.').next().unwrap();
        assert!(!text.contains(signature), "{text}");
    }
    done(&server, &["user", "logout", "ann"], "");
    let text = done(&server, &["token", "explain"], &own);
    assert!(text.contains("rejected (revoked)") || text.contains("rejected (session)"), "{text}");
    for (arguments, words) in [
        (["token", "make", "missing"], "there is no user"),
        (["token", "make", "x_1"], "there is no user"),
    ] {
        assert!(refused(&server, &arguments, "").contains(words));
    }
    let unknown = ["token", "make", "--issuer", "https://a.example", "--subject", "1"];
    assert!(refused(&server, &unknown, "").contains("no [[token.issuer]]"));
}

#[test]
fn token_made_for_an_issuer_follows_its_rules() {
    // Keys of the issuer's table, which stands last.
    let rules = "scope = [\"chat\", \"read\"]\ntyp = \"at+jwt\"\nprivileged_amr = [\"hwk\"]\n";
    let server = start(&Config { more: String::from(rules), ..Config::default() });
    let make = ["token", "make", "--issuer", "https://id.example", "--subject", "42"];
    for (more, words) in [(None, "no second factor"), (Some("--second-factor"), "proves a second")]
    {
        let arguments: Vec<_> = make.into_iter().chain(more).collect();
        let made = done(&server, &arguments, "");
        let text = done(&server, &["token", "explain"], &made);
        assert!(text.contains(words) && text.contains("accepted"), "{text}");
        let answer = SioClient::connect(&server, made.trim_end()).ask("room:list", &json!({}));
        assert_eq!(answer["ok"], true);
    }
    let text = done(&server, &["token", "explain"], &hs256("42"));
    assert!(text.contains("rejected (other_token)") && text.contains("typ"), "{text}");
}
