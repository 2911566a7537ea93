//! Invalid tokens, which all get the same answer.
//! Never: a token with two faults at once.

use std::io::ErrorKind;
use std::net::TcpListener;

use portcullis_test::{
    Config, Gauges, PollingClient, Request, SECRET, SioClient, TestServer, claims, eddsa_key,
    forge_eddsa, forge_hs256, forge_none, hs256, jwk_of, now_s, packets, public_key_forms, sign_up,
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
    for secret in ["1", "", "null", "0", "secret"] {
        token(&server, &forge_hs256(HEADER, &good, secret.as_bytes()));
        for kid in ["x' UNION SELECT '1';--", "' OR '1'='1", "../../../dev/null", "/dev/null"] {
            let header = json!({ "alg": "HS256", "typ": "JWT", "kid": kid }).to_string();
            token(&server, &forge_hs256(&header, &good, secret.as_bytes()));
        }
    }
    alive(&server);
}

#[test]
fn t036_t042_keys_that_a_token_brings_or_points_to_are_nobodys() {
    let mut server = start(&Config::plaintext());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let key = eddsa_key();
    let jwk = jwk_of(&key);
    let jwks = Request::get(&server, "/.well-known/jwks.json").ask(&server).json();
    let kid = jwks["keys"][0]["kid"].as_str().expect("kid");
    let mut own = claims("mallory");
    own["iss"] = json!("https://portcullis");
    own["jti"] = json!("j");
    own["sid"] = json!("s");
    let mut claims = vec![claims("mallory"), own];
    for issuer in [format!("http://{address}/"), format!("https://{address}/realms/x")] {
        let mut pointing = claims[0].clone();
        pointing["iss"] = json!(issuer);
        claims.push(pointing);
    }
    let url = |scheme: &str, path: &str| json!(format!("{scheme}://{address}/{path}"));
    let headers = [
        json!({ "jwk": jwk }),
        json!({ "jwk": jwk, "kid": kid }),
        json!({ "jku": url("http", "jwks.json") }),
        json!({ "jku": url("https", "jwks.json"), "kid": kid }),
        json!({ "x5u": url("http", "chain.pem") }),
        json!({ "jku": format!("https://portcullis@{address}/.well-known/jwks.json") }),
        json!({ "kid": url("http", "key") }),
        json!({ "x5c": ["MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="] }),
    ];
    for claims in &claims {
        for more in &headers {
            for typ in ["JWT", "at+jwt"] {
                let mut header = more.clone();
                header["typ"] = json!(typ);
                header["alg"] = json!("EdDSA");
                token(&server, &forge_eddsa(&header.to_string(), &claims.to_string(), &key));
                // As a secret of the attacker's choice, too.
                header["alg"] = json!("HS256");
                header["jwk"] = json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" });
                token(&server, &forge_hs256(&header.to_string(), &claims.to_string(), b"secret"));
            }
        }
    }
    alive(&server);
    // Whatever it might have fetched, it would have by its end.
    assert!(server.terminate().success());
    listener.set_nonblocking(true).expect("a look without waiting");
    let requested = listener.accept().map_err(|error| error.kind());
    assert_eq!(requested.err(), Some(ErrorKind::WouldBlock), "a key was requested");
}

#[test]
fn t031_public_key_of_the_server_is_not_accepted_as_a_secret() {
    let server = start(&Config::default());
    let jwks = Request::get(&server, "/.well-known/jwks.json").ask(&server).json();
    let key = &jwks["keys"][0];
    let kid = key["kid"].as_str().expect("kid");
    let mut forms = public_key_forms(key);
    forms.push((String::from("the answer itself"), jwks.to_string().into_bytes()));
    forms.push((String::from("nothing"), Vec::new()));
    let headers = [
        json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "HS256", "typ": "at+jwt" }),
        json!({ "alg": "HS256", "typ": "JWT", "kid": kid }),
    ];
    let mut own = claims("mallory");
    own["iss"] = json!("https://portcullis");
    own["jti"] = json!("j");
    own["sid"] = json!("s");
    for claims in [own, claims("mallory")] {
        for header in &headers {
            for (name, secret) in &forms {
                eprintln!("{name}");
                token(&server, &forge_hs256(&header.to_string(), &claims.to_string(), secret));
            }
        }
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
fn t020_t022_t026_credential_is_accepted_in_its_places_only() {
    let server = start(&Config::plaintext());
    let good = hs256("active");
    let path = "/socket.io/?EIO=4&transport=websocket";
    for name in ["token", "access_token", "jwt", "Token"] {
        let request = Request::upgrade(&server, &format!("{path}&{name}={good}"));
        let answer = request.ask(&server);
        assert_eq!(answer.status, 401, "{name}");
        let reply = answer.json();
        let reference = reply["ref"].as_str().expect("a reference");
        let record = server.records.wait_for_reference(reference);
        assert_eq!(record["rule"]["name"], "token_in_url", "{record}");
        // Its record is written: whatever there is to leak has leaked by now.
        let written = server.records.text() + &server.records.errors();
        assert!(!written.contains(&good), "a token in a URL is not written down");
        assert!(!String::from_utf8_lossy(&answer.body).contains(&good));
    }
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
    let cookie = upgrade().header("Cookie", "session=abc");
    let mut client = SioClient::over(portcullis_test::Connection::open(&server), &cookie);
    client.send("40{}");
    assert_eq!(client.close_code(), Some(4401));
    let record = server.records.wait_for(|record| record.to_string().contains("cookie_not"));
    assert!(record.is_object());
    alive(&server);
}

#[test]
fn t023_two_credentials_that_differ_are_a_bad_request_and_open_no_session() {
    let server = start(&Config::plaintext());
    let bearer = format!("Bearer {}", hs256("one"));
    let request = Request::upgrade(&server, "/socket.io/?EIO=4&transport=websocket");
    let mut both = SioClient::over(
        portcullis_test::Connection::open(&server),
        &request.header("Authorization", &bearer),
    );
    both.send(&format!("40{}", json!({ "token": hs256("another") })));
    let refused = both.wait_packet(|packet| packet.starts_with('4'));
    let text = refused.strip_prefix("44").expect("a refusal");
    let refusal: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(refusal["message"], "Bad request", "{refusal}");
    assert_eq!(refusal["data"]["code"], "protocol_error", "{refusal}");
    assert_eq!(both.close_code(), Some(1008));
    let reference = refusal["data"]["ref"].as_str().expect("a reference");
    let record = server.records.wait_for_reference(reference);
    assert_eq!(record["rule"]["name"], "two_credentials", "{record}");
    // By polling, the answer has a status of its own.
    let outsider = PollingClient::outsider(&server);
    let opening = outsider.request("GET", "").header("Authorization", &bearer);
    let answer = outsider.send(&opening);
    assert_eq!(answer.status, 200);
    let open: Value = serde_json::from_str(&packets(&answer)[0][1..]).expect("JSON");
    let sid = open["sid"].as_str().expect("sid").to_owned();
    let mut polling = PollingClient { sid, ..outsider };
    let _sent_by_the_next_poll =
        polling.post(&format!("40{}", json!({ "token": hs256("another") })));
    let reply = polling.rest();
    assert!(reply.iter().any(|packet| packet.starts_with("44{")), "{reply:?}");
    assert!(reply.iter().all(|packet| !packet.starts_with("40")), "{reply:?}");
    let other = PollingClient::open(&server);
    let twice = other.poll_request().header("Authorization", &bearer);
    let twice = twice.header("Authorization", &format!("Bearer {}", hs256("another")));
    assert_eq!(other.send(&twice).status, 400);
    other.say("1");
    Gauges::default().wait_for(&server);
    let sessions = server.records.all();
    let opened = |record: &&Value| record["event"]["code"] == "ws_connected";
    assert_eq!(sessions.iter().find(opened), None);
}

#[test]
fn t053_roles_in_a_token_are_nobodys() {
    let server = start(&Config::plaintext());
    let mut claims = claims("climber");
    claims["roles"] = json!(["admin"]);
    claims["isAdmin"] = json!(true);
    let mut client = SioClient::connect(&server, &signed(&claims));
    let answer = client.ask("admin:broadcast", &json!({ "message": "listen" }));
    assert_eq!(answer["error"]["code"], "forbidden", "{answer}");
}

#[test]
fn t057_expired_token_ends_its_connection() {
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
fn t032_issuer_without_an_algorithm_stops_the_start() {
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
fn t055_token_of_a_disabled_or_revoked_user_is_rejected() {
    let mut server = start(&Config::default());
    let disabled = sign_up(&server, "disabled_one");
    let revoked = sign_up(&server, "revoked_one");
    let active = sign_up(&server, "active_user");
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
    let mut client = SioClient::connect(&server, &active.token);
    assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
}
