//! Tokens nobody should believe: every one gets the same answer.
//! Never: a token that is wrong in two ways at once.

use portcullis_test::{
    Config, Request, SECRET, SioClient, TestServer, claims, forge_hs256, forge_none, hs256, now_s,
    sign_up,
};
use serde_json::{Value, json};

use crate::clients::{alive, start};

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn signed(claims: &Value) -> String {
    forge_hs256(HEADER, &claims.to_string(), SECRET.as_bytes())
}

fn with(name: &str, value: Value) -> String {
    let mut claims = claims("mallory");
    claims[name] = value;
    signed(&claims)
}

fn without(name: &str) -> String {
    let mut claims = claims("mallory");
    claims.as_object_mut().expect("claims").remove(name);
    signed(&claims)
}

/// The refusal of a CONNECT payload, without its reference.
fn refusal(server: &TestServer, payload: &str) -> Value {
    let mut client = SioClient::open(server);
    client.send(&format!("40{payload}"));
    let packet = client.wait_packet(|packet| packet.starts_with('4'));
    let text = packet.strip_prefix("44").expect("a refusal");
    let mut refusal: Value = serde_json::from_str(text).expect("JSON");
    assert!(refusal["data"]["ref"].is_string(), "{refusal}");
    refusal["data"].as_object_mut().expect("data").remove("ref");
    assert_eq!(client.close_code(), Some(4401), "{payload}");
    refusal
}

fn unauthorized(server: &TestServer, payload: &str) {
    let expect = json!({ "message": "unauthorized", "data": { "code": "unauthorized" } });
    let shown = payload.get(..payload.len().min(200)).unwrap_or_default();
    assert_eq!(refusal(server, payload), expect, "{shown}");
}

fn token(server: &TestServer, token: &str) {
    unauthorized(server, &json!({ "token": token }).to_string());
}

#[test]
fn t021_payloads_that_hold_no_token() {
    let server = start(&Config::plaintext());
    let payloads = [
        "",
        "{}",
        r#"{"token":null}"#,
        r#"{"token":123}"#,
        r#"{"token":["a"]}"#,
        r#"{"token":{"$gt":""}}"#,
        r#"{"token":""}"#,
        r#"{"ticket":"wst_x"}"#,
    ];
    for payload in payloads {
        unauthorized(&server, payload);
    }
    alive(&server);
}

#[test]
fn t030_t033_t034_t036_t038_t044_headers() {
    let server = start(&Config::plaintext());
    let good = claims("mallory").to_string();
    let headers = [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS384","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"alg":"RS384","typ":"JWT"}"#,
        r#"{"alg":"PS256","typ":"JWT"}"#,
        r#"{"alg":"ES384","typ":"JWT"}"#,
        r#"{"alg":"EdDSA","typ":"JWT"}"#,
        r#"{"alg":["HS256"],"typ":"JWT"}"#,
        r#"{"alg":1,"typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":"AA"}}"#,
        r#"{"alg":"HS256","typ":"JWT","jku":"http://127.0.0.1:1/"}"#,
        r#"{"alg":"HS256","typ":"JWT","x5u":"http://127.0.0.1:1/"}"#,
        r#"{"alg":"HS256","typ":"JWT","x5c":["AA"]}"#,
        r#"{"alg":"HS256","typ":"JWT","crit":["exp"]}"#,
        r#"{"alg":"HS256","typ":"JWT","crit":[]}"#,
        r#"{"alg":"HS256","typ":"JWT","b64":false}"#,
        r#"{"alg":"HS256","typ":"JWT","zip":"DEF"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"x' UNION SELECT '1';--"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"refresh+jwt"}"#,
        r#"{"alg":"HS256","typ":"id_token"}"#,
        r#"["HS256"]"#,
    ];
    for header in headers {
        token(&server, &forge_hs256(header, &good, SECRET.as_bytes()));
    }
    token(&server, &forge_none(r#"{"alg":"none"}"#, &good));
    token(&server, &forge_none(HEADER, &good));
    token(&server, &forge_hs256(HEADER, &good, b"1"));
    alive(&server);
}

#[test]
fn t031_the_servers_public_key_is_no_secret() {
    let server = start(&Config::default());
    let jwks = Request::get(&server, "/.well-known/jwks.json").ask(&server).json();
    let key = &jwks["keys"][0];
    let (kid, x) = (key["kid"].as_str().expect("kid"), key["x"].as_str().expect("x"));
    let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }).to_string();
    let mut claims = claims("mallory");
    claims["iss"] = json!("https://portcullis");
    claims["jti"] = json!("j");
    claims["sid"] = json!("s");
    let bytes = key.to_string();
    for secret in [x.as_bytes(), bytes.as_bytes(), jwks.to_string().as_bytes(), b""] {
        token(&server, &forge_hs256(&header, &claims.to_string(), secret));
    }
    alive(&server);
}

#[test]
fn t045_t046_t048_t052_t054_claims() {
    let server = start(&Config::plaintext());
    let now = now_s();
    for name in ["iss", "aud", "sub", "exp", "iat"] {
        token(&server, &without(name));
        for value in [json!(null), json!({}), json!([]), json!(true), json!(-1)] {
            token(&server, &with(name, value));
        }
    }
    for name in ["exp", "iat"] {
        token(&server, &with(name, json!("99999999999")));
    }
    let cases = [
        with("exp", json!(now - 60)),
        with("nbf", json!(now + 60)),
        with("nbf", json!("0")),
        with("iat", json!(now + 86_400)),
        with("exp", json!(now + 10 * 365 * 86_400)),
        with("exp", json!(1.5)),
        with("aud", json!("other")),
        with("aud", json!(["portcullis", "other"])),
        with("iss", json!("https://evil.example")),
        with("iss", json!(["https://id.example", "https://evil.example"])),
    ];
    for case in cases {
        token(&server, &case);
    }
    let doubled = claims("mallory").to_string().replacen('{', r#"{"sub":"admin","#, 1);
    token(&server, &forge_hs256(HEADER, &doubled, SECRET.as_bytes()));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    let nested = claims("mallory").to_string().replacen('{', &format!(r#"{{"x":{deep},"#), 1);
    token(&server, &forge_hs256(HEADER, &nested, SECRET.as_bytes()));
    alive(&server);
}

#[test]
fn t047_t049_t050_shapes() {
    let server = start(&Config::plaintext());
    let good = hs256("shapes");
    let (body, signature) = good.rsplit_once('.').expect("two dots");
    let expired = with("exp", json!(now_s() - 60));
    let (expired_body, _) = expired.rsplit_once('.').expect("two dots");
    let cases = [
        ".".repeat(8_000),
        body.to_owned(),
        format!("{good}.x"),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{body}.{}", signature.to_lowercase()),
        format!("{body}."),
        format!("{expired_body}.{}", "A".repeat(43)),
        String::from(".."),
        String::from("a.b."),
        "a".repeat(4_097),
    ];
    for case in cases {
        token(&server, &case);
    }
    alive(&server);
}

#[test]
fn t020_t022_t023_t026_where_a_credential_may_stand() {
    let server = start(&Config::plaintext());
    let good = hs256("standing");
    let path = "/socket.io/?EIO=4&transport=websocket";
    for name in ["token", "access_token", "jwt", "Token"] {
        let request = Request::upgrade(&server, &format!("{path}&{name}={good}"));
        assert_eq!(request.ask(&server).status, 401, "{name}");
    }
    assert!(!server.records.text().contains(&good), "a token in a URL is not recorded");
    let upgrade = || Request::upgrade(&server, path);
    let bearer = format!("Bearer {good}");
    let statuses = [
        (upgrade().header("Authorization", "Basic YTpi"), 401),
        (upgrade().header("Authorization", &bearer).header("Authorization", &bearer), 400),
        (upgrade().header("Authorization", &format!("Bearer {}", "a".repeat(5_000))), 401),
        (upgrade().header("Authorization", &format!("bearer {good}")), 101),
    ];
    for (request, status) in statuses {
        assert_eq!(request.ask(&server).status, status, "{request:?}");
    }
    let mut both = SioClient::over(
        portcullis_test::Connection::open(&server),
        &upgrade().header("Authorization", &bearer),
    );
    both.send(&format!("40{}", json!({ "token": hs256("another") })));
    let refused = both.wait_packet(|packet| packet.starts_with('4'));
    assert!(refused.starts_with("44"), "two credentials that differ: {refused}");
    let cookie = upgrade().header("Cookie", "session=abc");
    let mut client = SioClient::over(portcullis_test::Connection::open(&server), &cookie);
    client.send("40{}");
    assert_eq!(client.close_code(), Some(4401));
    let record = server.records.wait_for(|record| record.to_string().contains("cookie_not"));
    assert!(record.is_object());
    alive(&server);
}

#[test]
fn t053_roles_in_a_token_are_nobodys() {
    let server = start(&Config::plaintext());
    let mut claims = claims("climber");
    claims["roles"] = json!(["admin"]);
    claims["isAdmin"] = json!(true);
    let mut client = SioClient::connect(&server, &signed(&claims));
    let answer = client.ask("admin:broadcast", &json!({ "message": "hear me" }));
    assert_eq!(answer["error"]["code"], "forbidden", "{answer}");
}

#[test]
fn t057_the_end_of_a_token_ends_its_connection() {
    let server = start(&Config::plaintext());
    let short = with("exp", json!(now_s() + 2));
    let mut client = SioClient::connect(&server, &short);
    assert_eq!(client.close_code(), Some(4401));
    assert!(client.seen.iter().any(|packet| packet == "41"), "{:?}", client.seen);
    alive(&server);
}

#[test]
fn t028_log_ins_that_fail_look_alike() {
    let server = start(&Config::default());
    let _known = sign_up(&server, "known_one");
    let answers = ["known_one", "unknown_one"].map(|name| {
        let answer = portcullis_test::login(&server, name, "not the password at all");
        let mut body = answer.json();
        body.as_object_mut().expect("an object").remove("ref");
        (answer.status, body, answer.headers)
    });
    let [known, unknown] = answers;
    assert_eq!(known, unknown);
    assert_eq!(known.0, 401);
}

#[test]
fn t032_an_issuer_without_an_algorithm_stops_the_start() {
    let mut config = Config { issuer: false, ..Config::plaintext() };
    config.more = String::from(
        "[[token.issuer]]\nissuer = \"https://id.example\"\naudience = \"portcullis\"\n\
         secret_file = \"hs256.key\"\n",
    );
    let (code, text) = TestServer::refuse(env!("CARGO_BIN_EXE_portcullis"), &config);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("algorithm"), "{text}");
}

#[test]
fn t055_a_token_of_a_user_who_is_disabled_or_revoked_is_refused() {
    let mut server = start(&Config::default());
    let disabled = sign_up(&server, "disabled_one");
    let revoked = sign_up(&server, "revoked_one");
    let standing = sign_up(&server, "standing_one");
    assert!(server.terminate().success());
    let database = rusqlite::Connection::open(server.data().join("portcullis.db")).expect("opens");
    for change in [
        "UPDATE users SET disabled = 1 WHERE username = 'disabled_one'",
        "UPDATE users SET valid_after_unix_ms = 9999999999000 WHERE username = 'revoked_one'",
    ] {
        assert_eq!(database.execute(change, ()).expect("changes"), 1, "{change}");
    }
    drop(database);
    let server = server.crash_and_restart();
    token(&server, &disabled.token);
    token(&server, &revoked.token);
    let mut client = SioClient::connect(&server, &standing.token);
    assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
}
