//! The strict profile: proofs of the client's key, bound tokens, signed events.
//! Never: a stolen token, ticket, proof or message that does anything.

use portcullis_test::{
    Answer, ClientKey, Config, Connection, ProcessOptions, Request, SioClient, TestServer,
    digest_of, now_s,
};
use serde_json::{Value, json};

use crate::{code, start, unlimited};

const ORIGIN: &str = "https://app.example";
const PASSWORD: &str = "a plain long sentence of my own";

fn config() -> Config {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Config {
        profile: String::from("strict"),
        plaintext: true,
        origin: vec![format!("allowed = [{ORIGIN:?}]")],
        more: String::from("[admin]\nhost = \"admin.app.example\"\n"),
        process: ProcessOptions::with_environment(vec![variable(
            "PORTCULLIS__LISTEN__HOSTS",
            "[\"app.example\"]",
        )]),
        ..unlimited()
    }
}

/// One client: its key, and what it was given.
struct Client<'a> {
    server: &'a TestServer,
    key: ClientKey,
    nonce: String,
    token: String,
}

impl<'a> Client<'a> {
    /// A client of a fresh account that has logged in.
    fn new(server: &'a TestServer, name: &str) -> Self {
        let made = post(server, "/auth/register", &credentials(name)).ask(server);
        assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
        let key = ClientKey::generate();
        let mut client = Self { server, key, nonce: String::new(), token: String::new() };
        // The first proof cannot have a nonce; the answer brings one.
        let answer = client.log_in(name);
        assert_eq!((answer.status, answer.code().as_str()), (401, "use_dpop_nonce"));
        client.nonce = answer.header("dpop-nonce").unwrap().to_owned();
        let answer = client.log_in(name);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let answer = answer.json();
        assert_eq!(answer["token_type"], "DPoP");
        client.token = answer["access_token"].as_str().unwrap().to_owned();
        client
    }

    fn log_in(&self, name: &str) -> Answer {
        let nonce = if self.nonce.is_empty() { json!({}) } else { json!({ "nonce": self.nonce }) };
        let proof = self.key.proof("POST", &format!("{ORIGIN}/auth/login"), &nonce);
        let request = post(self.server, "/auth/login", &credentials(name));
        request.header("DPoP", &proof).ask(self.server)
    }

    /// A proof for a request with the token, changed by `change`.
    fn proof(&self, method: &str, path: &str, change: Value) -> String {
        let mut claims = json!({ "nonce": self.nonce, "ath": digest_of(&self.token) });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.key.proof(method, &format!("{ORIGIN}{path}"), &claims)
    }

    /// Asks for a ticket with a proof.
    fn ask_ticket(&self, proof: &str) -> Answer {
        post(self.server, "/auth/ticket", "{}")
            .header("Authorization", &format!("DPoP {}", self.token))
            .header("DPoP", proof)
            .ask(self.server)
    }

    fn ticket(&self) -> String {
        let answer = self.ask_ticket(&self.proof("POST", "/auth/ticket", json!({})));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()["ticket"].as_str().unwrap().to_owned()
    }

    /// A socket opened with a ticket, and its `conn`.
    fn connect(&self) -> (SioClient, String) {
        let mut socket = open(self.server);
        let payload = json!({ "ticket": self.ticket() }).to_string();
        let answer = socket.join_namespace("/", &payload).unwrap();
        (socket, answer["conn"].as_str().unwrap().to_owned())
    }

    /// The envelope of an event, signed for one place.
    fn envelope(&self, conn: &str, event: &str, payload: &Value, seq: u64, ts: i64) -> Value {
        let sum = digest_of(&payload.to_string());
        let text = format!("portcullis-event-v1\n{conn}\n/\n{event}\n{seq}\n{ts}\n{sum}");
        json!({ "mid": format!("m-{seq}"), "seq": seq, "ts": ts, "sig": self.key.sign(&text) })
    }
}

fn credentials(name: &str) -> String {
    json!({ "username": name, "password": PASSWORD }).to_string()
}

fn post(server: &TestServer, path: &str, body: &str) -> Request {
    Request::post(server, path, body).with("Host", "app.example").header("Origin", ORIGIN)
}

fn open(server: &TestServer) -> SioClient {
    let path = "/socket.io/?EIO=4&transport=websocket";
    let upgrade = Request::upgrade(server, path).with("Host", "app.example").with("Origin", ORIGIN);
    SioClient::over(Connection::open(server), &upgrade)
}

#[test]
fn t148_token_without_a_proof_of_its_key_is_rejected() {
    let server = start(&config());
    let client = Client::new(&server, "ann");
    let without = post(&server, "/auth/login", &credentials("ann")).ask(&server);
    assert_eq!((without.status, without.code().as_str()), (401, "unauthorized"));

    let good = client.proof("POST", "/auth/ticket", json!({}));
    assert_eq!(client.ask_ticket(&good).status, 200);
    assert_eq!(client.ask_ticket(&good).status, 401, "the same proof again");
    let outsider = ClientKey::generate();
    let claims = json!({ "nonce": client.nonce, "ath": digest_of(&client.token) });
    let wrong = [
        client.proof("GET", "/auth/ticket", json!({})),
        client.proof("POST", "/auth/profile", json!({})),
        client.proof("POST", "/auth/ticket", json!({ "htu": "https://evil.example/auth/ticket" })),
        client.proof("POST", "/auth/ticket", json!({ "ath": digest_of("another") })),
        client.proof("POST", "/auth/ticket", json!({ "ath": null })),
        client.proof("POST", "/auth/ticket", json!({ "iat": now_s() - 120 })),
        client.proof("POST", "/auth/ticket", json!({ "iat": now_s() + 60 })),
        outsider.proof("POST", &format!("{ORIGIN}/auth/ticket"), &claims),
        String::from("a.b.c"),
        String::new(),
    ];
    for proof in wrong {
        let answer = client.ask_ticket(&proof);
        assert!(answer.status == 401 || answer.status == 400, "{proof}: {}", answer.status);
        assert!(answer.json()["ticket"].is_null());
    }
    let stale = client.ask_ticket(&client.proof("POST", "/auth/ticket", json!({ "nonce": "old" })));
    assert_eq!((stale.status, stale.code().as_str()), (401, "use_dpop_nonce"));
    assert!(stale.header("dpop-nonce").is_some());
    // A bound token as a bearer token is a stolen one.
    let bearer = format!("Bearer {}", client.token);
    for path in ["/auth/ticket", "/auth/logout", "/auth/totp/begin"] {
        let answer = post(&server, path, "{}").header("Authorization", &bearer).ask(&server);
        assert_eq!(answer.status, 401, "{path}");
    }
    let reuse = server.records.wait_for(|record| record["event"]["code"] == "authn_token_reuse");
    assert_eq!(reuse["event"]["severity"], 50);
}

#[test]
fn t148_sockets_open_with_tickets_only_and_stay_with_their_key() {
    let server = start(&config());
    let client = Client::new(&server, "ann");
    let mut by_token = open(&server);
    let refused = by_token.join_namespace("/", &json!({ "token": client.token }).to_string());
    assert_eq!(refused.unwrap_err()["data"]["code"], "unauthorized");
    let (mut socket, _) = client.connect();
    assert_eq!(code(&socket.ask("room:list", &json!({}))), "ok");
    // A newer token of the same session prolongs it; it was bound to the same key.
    assert_eq!(code(&socket.ask("auth:refresh", &json!({ "token": client.token }))), "ok");
    let other = Client::new(&server, "bob");
    assert_eq!(code(&socket.ask("auth:refresh", &json!({ "token": other.token }))), "unauthorized");
}

#[test]
fn t144_t149_signed_events_count_once_here_and_now() {
    let server = start(&config());
    let client = Client::new(&server, "ann");
    let (mut socket, conn) = client.connect();
    let create = |socket: &mut SioClient| {
        let made = socket.ask("room:create", &json!({ "name": "Room", "visibility": "public" }));
        made["room"]["id"].as_str().unwrap().to_owned()
    };
    let event = "room:delete";
    let place = json!({ "roomId": create(&mut socket) });
    let now_ms = || now_s() * 1000;
    let unsigned = socket.ask(event, &place);
    assert_eq!((code(&unsigned), &unsigned["error"]["field"]), ("INVALID_MESSAGE", &json!("seq")));
    let good = client.envelope(&conn, event, &place, 1, now_ms());
    let stripped = json!({ "mid": "m-1", "seq": 1, "ts": good["ts"] });
    let answer = socket.ask_arguments(&json!([event, place, stripped]));
    assert_eq!((code(&answer), &answer["error"]["field"]), ("INVALID_MESSAGE", &json!("sig")));

    // Each on a connection of its own: a third replay would end it.
    let outsider = ClientKey::generate();
    type Forgery<'a> = &'a dyn Fn(&str) -> Value;
    let cases: [(&str, Forgery<'_>); 7] = [
        ("another connection", &|_| client.envelope(&conn, event, &place, 1, now_ms())),
        ("another event", &|conn| client.envelope(conn, "room:leave", &place, 1, now_ms())),
        ("another payload", &|conn| {
            client.envelope(conn, event, &json!({ "roomId": "other" }), 1, now_ms())
        }),
        ("another number", &|conn| {
            let mut envelope = client.envelope(conn, event, &place, 2, now_ms());
            envelope["seq"] = json!(1);
            envelope
        }),
        ("too old", &|conn| client.envelope(conn, event, &place, 1, now_ms() - 60_000)),
        ("too early", &|conn| client.envelope(conn, event, &place, 1, now_ms() + 60_000)),
        ("another key", &|conn| {
            let mut envelope = client.envelope(conn, event, &place, 1, now_ms());
            envelope["sig"] = json!(outsider.sign("anything"));
            envelope
        }),
    ];
    for (what, envelope) in cases {
        let (mut fresh, fresh_conn) = client.connect();
        let answer = fresh.ask_arguments(&json!([event, place, envelope(&fresh_conn)]));
        assert_eq!(code(&answer), "REPLAY", "{what}: {answer}");
    }
    let answer = socket.ask_arguments(&json!([event, place, good]));
    assert_eq!(code(&answer), "ok", "{answer}");
    let copy = socket.ask_arguments(&json!([event, place, good]));
    assert_eq!(code(&copy), "REPLAY");
}

#[test]
fn a10_one_event_with_a_forged_signature_alerts() {
    let server = start(&config());
    let client = Client::new(&server, "ann");
    let (mut socket, conn) = client.connect();
    let made = socket.ask("room:create", &json!({ "name": "Room", "visibility": "public" }));
    let payload = json!({ "roomId": made["room"]["id"] });
    let mut envelope = client.envelope(&conn, "room:delete", &payload, 1, now_s() * 1_000);
    envelope["sig"] = json!(ClientKey::generate().sign("anything"));
    let answer = socket.ask_arguments(&json!(["room:delete", payload, envelope]));
    assert_eq!(code(&answer), "REPLAY", "{answer}");
    let alert = server.records.wait_for(|record| record["event"]["code"] == "alert_fired");
    let message = alert["message"].as_str().unwrap();
    assert!(message.starts_with("A10 high: "), "{alert}");
    let rejected = server.records.wait_for(|record| record["event"]["code"] == "sequence_fail");
    assert_eq!(rejected["event"]["reason"], "signature", "{rejected}");
}

#[test]
fn strict_asks_for_envelopes_and_forgoes_polling() {
    let server = start(&config());
    let client = Client::new(&server, "ann");
    let (mut socket, _) = client.connect();
    let made = socket.ask("room:create", &json!({ "name": "Room", "visibility": "public" }));
    let say = json!({ "roomId": made["room"]["id"], "message": "hi" });
    assert_eq!(code(&socket.ask("chat:send", &say)), "INVALID_MESSAGE");
    let sent = socket.ask_arguments(&json!(["chat:send", say, { "mid": "m-1", "seq": 1 }]));
    assert_eq!(code(&sent), "ok", "{sent}");
    let poll = Request::get(&server, "/socket.io/?EIO=4&transport=polling");
    let poll = poll.with("Host", "app.example").header("Origin", ORIGIN).ask(&server);
    assert_eq!(poll.status, 400);
    // A foreign host name is nobody's here, whatever it asks.
    let elsewhere = post(&server, "/auth/register", &credentials("eve"));
    assert_eq!(elsewhere.with("Host", "evil.example").ask(&server).status, 400);
}

#[test]
fn t148_copied_token_of_another_issuer_has_no_effect() {
    let server = start(&config());
    let foreign = portcullis_test::hs256("42");
    let client = |nonce: &str| {
        let (nonce, token) = (nonce.to_owned(), foreign.clone());
        Client { server: &server, key: ClientKey::generate(), nonce, token }
    };
    // As a bearer token, on a socket and in a request, with what the developer has to change.
    let mut socket = open(&server);
    let refused = socket.join_namespace("/", &json!({ "token": foreign }).to_string()).unwrap_err();
    assert_eq!(refused["data"]["code"], "unauthorized");
    assert!(refused["message"].as_str().unwrap().contains("/auth/ticket"), "{refused}");
    let bearer = format!("Bearer {foreign}");
    let path = "/socket.io/?EIO=4&transport=websocket";
    let upgrade = Request::upgrade(&server, path).with("Host", "app.example");
    let answer = upgrade.with("Origin", ORIGIN).header("Authorization", &bearer).ask(&server);
    assert_eq!(answer.status, 401);
    assert!(String::from_utf8_lossy(&answer.body).contains("/auth/ticket"));
    let answer = post(&server, "/auth/ticket", "{}").header("Authorization", &bearer).ask(&server);
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
    assert!(answer.json()["message"].as_str().unwrap().contains("DPoP"), "{answer:?}");

    // The honest client proves a key, connects, and reconnects with a new ticket.
    let mut honest = client("");
    let first = honest.ask_ticket(&honest.proof("POST", "/auth/ticket", json!({ "nonce": null })));
    assert_eq!(first.code(), "use_dpop_nonce");
    honest.nonce = first.header("dpop-nonce").unwrap().to_owned();
    for _ in 0..3 {
        let (mut socket, conn) = honest.connect();
        let made = json!({ "name": "Room", "visibility": "public" });
        let envelope = honest.envelope(&conn, "room:create", &made, 1, now_s() * 1000);
        let answer = socket.ask_arguments(&json!(["room:create", made, envelope]));
        assert_eq!(code(&answer), "ok", "its key signs events: {answer}");
    }
    // A copy with another key, before and after the client has gone on.
    let copy = client(&honest.nonce);
    let answer = copy.ask_ticket(&copy.proof("POST", "/auth/ticket", json!({})));
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
    let record = server.records.wait_for(|record| record["event"]["code"] == "authn_token_reuse");
    assert_eq!(record["event"]["reason"], "used_before");
    let _still_there = honest.connect();
}
