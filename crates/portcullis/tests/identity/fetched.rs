//! Keys that an issuer publishes while the server runs, over HTTP and on sockets.
//! Never: a request on the internet.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_test::{
    Answer, ClientKey, Config, PublishedKey, Request, SioClient, TestServer, claims, digest_of,
};
use serde_json::{Value, json};

use crate::authorities::{Authority, serve};
use crate::start;

const ISSUER: &str = "https://published.example";

/// The keys that the issuer publishes; `None` while it is unreachable.
type KeySet = Arc<Mutex<Option<Vec<Value>>>>;

/// A server with one issuer that publishes these keys.
fn server(config: Config, keys: &KeySet) -> (TestServer, tempfile::TempDir) {
    let authority = Authority::new();
    let published = Arc::clone(keys);
    let port = serve(authority.server_config(), move || {
        published.lock().as_ref().map(|keys| json!({ "keys": keys }).to_string())
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authority.pem");
    std::fs::write(&path, &authority.pem).unwrap();
    let more = format!(
        "[[token.issuer]]\nissuer = {ISSUER:?}\naudience = \"portcullis\"\nalgorithm = \"ES256\"\n\
         jwks_url = \"https://127.0.0.1:{port}/keys\"\njwks_ca_file = {path:?}\n\
         [danger]\njwks_private_addresses = true\n"
    );
    (start(&Config { issuer: false, more, ..config }), directory)
}

fn token(key: &PublishedKey) -> String {
    let mut all = claims("ann");
    all["iss"] = json!(ISSUER);
    key.token(&key.header(), &all)
}

fn ticket(server: &TestServer, token: &str) -> Answer {
    Request::post(server, "/auth/ticket", "{}")
        .header("Authorization", &format!("Bearer {token}"))
        .ask(server)
}

fn connect_code(server: &TestServer, token: &str) -> String {
    let payload = json!({ "token": token }).to_string();
    match SioClient::open(server).join_namespace("/", &payload) {
        Ok(_) => String::from("ok"),
        Err(refusal) => refusal["data"]["code"].as_str().unwrap_or("?").to_owned(),
    }
}

fn wait_for_keys(server: &TestServer, outcome: &str) {
    let _fetched = server.records.wait_for(|record| {
        record["event"]["code"] == "issuer_keys" && record["event"]["outcome"] == outcome
    });
}

#[test]
fn a16_keys_of_an_issuer_that_cannot_be_fetched_alert() {
    let keys: KeySet = Arc::default();
    let (server, _files) = server(Config::plaintext(), &keys);
    wait_for_keys(&server, "failure");
    let alert = server.records.wait_for(|record| record["event"]["code"] == "alert_fired");
    assert!(alert["message"].as_str().unwrap().starts_with("A16 medium: "), "{alert}");
    assert_eq!(alert["labels"]["alert_key"], "issuer_keys", "{alert}");
}

#[test]
fn new_key_of_an_issuer_is_learned_by_every_authenticated_request() {
    let (first, second) =
        (PublishedKey::generate("k1", "ES256"), PublishedKey::generate("k2", "ES256"));
    for path in ["/auth/ticket", "/auth/logout"] {
        let keys: KeySet = Arc::new(Mutex::new(Some(vec![first.jwk()])));
        let (server, _files) = server(Config::plaintext(), &keys);
        wait_for_keys(&server, "success");
        assert_eq!(connect_code(&server, &token(&first)), "ok");
        keys.lock().as_mut().unwrap().push(second.jwk());
        let requested = Request::post(&server, path, "{}");
        let bearer = format!("Bearer {}", token(&second));
        // The user is known; the key is not.
        assert_eq!(
            requested.header("Authorization", &bearer).ask(&server).status / 100,
            2,
            "{path}"
        );
        // A key that is in no set is looked for once a minute, and rejected.
        let unknown = token(&PublishedKey::generate("k3", "ES256"));
        assert_eq!(ticket(&server, &unknown).status, 401);
    }
}

#[test]
fn new_key_of_an_issuer_is_learned_by_requests_with_a_proof() {
    let (first, second) =
        (PublishedKey::generate("k1", "ES256"), PublishedKey::generate("k2", "ES256"));
    let keys: KeySet = Arc::new(Mutex::new(Some(vec![first.jwk()])));
    let (server, _files) = server(Config::plaintext(), &keys);
    wait_for_keys(&server, "success");
    let client = ClientKey::generate();
    let ask = |token: &str, nonce: Option<&str>| {
        let mut more = json!({ "ath": digest_of(token) });
        if let Some(nonce) = nonce {
            more["nonce"] = json!(nonce);
        }
        let proof = client.proof("POST", &format!("http://{}/auth/ticket", server.public), &more);
        Request::post(&server, "/auth/ticket", "{}")
            .header("Authorization", &format!("DPoP {token}"))
            .header("DPoP", &proof)
            .ask(&server)
    };
    let bound = |key: &PublishedKey| {
        let mut all = claims("ann");
        all["iss"] = json!(ISSUER);
        all["cnf"] = json!({ "jkt": digest_of(&client.jwk().to_string()) });
        key.token(&key.header(), &all)
    };
    assert_eq!(connect_code(&server, &token(&first)), "ok");
    keys.lock().as_mut().unwrap().push(second.jwk());
    let token = bound(&second);
    let answer = ask(&token, None);
    assert_eq!((answer.status, answer.code().as_str()), (401, "use_dpop_nonce"));
    let answer = ask(&token, answer.header("dpop-nonce"));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

#[test]
fn clients_get_server_busy_while_the_keys_of_an_issuer_are_missing() {
    let key = PublishedKey::generate("k1", "ES256");
    let keys: KeySet = Arc::default();
    let (server, _files) = server(Config::plaintext(), &keys);
    wait_for_keys(&server, "failure");
    for _ in 0..3 {
        assert_eq!(connect_code(&server, &token(&key)), "server_busy");
        let answer = ticket(&server, &token(&key));
        assert_eq!((answer.status, answer.code().as_str()), (503, "server_busy"));
        assert!(answer.header("retry-after").is_some());
    }
    // A token that no published key can sign is wrong, whatever is missing.
    let own = portcullis_test::hs256("ann");
    assert_eq!(ticket(&server, &own).status, 401);
    *keys.lock() = Some(vec![key.jwk()]);
    wait_for_keys(&server, "success");
    assert_eq!(connect_code(&server, &token(&key)), "ok");
}
