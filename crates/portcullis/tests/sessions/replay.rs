//! Tickets and messages that count once.
//! Never: a second effect, or a second authentication, by a copy.

use std::sync::Barrier;

use portcullis_test::{PlainClient, PollingClient, Request, SioClient, TestServer, hs256, sign_up};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{code, room, start, unlimited};

/// A ticket for the user of a token, requested by the server's own page.
fn ticket(server: &TestServer, token: &str) -> String {
    let answer = Request::post(server, "/auth/ticket", "{}")
        .header("Origin", &server.origin)
        .header("Authorization", &format!("Bearer {token}"))
        .ask(server);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let answer = answer.json();
    assert_eq!(answer["expires_in"], 30);
    answer["ticket"].as_str().unwrap().to_owned()
}

fn join(server: &TestServer, ticket: &str) -> Result<Value, Value> {
    let mut client = SioClient::open(server);
    let outcome = client.join_namespace("/", &json!({ "ticket": ticket }).to_string());
    if outcome.is_ok() {
        assert_eq!(code(&client.ask("room:list", &json!({}))), "ok");
    }
    outcome
}

fn refused(outcome: &Result<Value, Value>) {
    let refusal = outcome.as_ref().unwrap_err();
    assert_eq!(refusal["message"], "unauthorized");
    assert_eq!(refusal["data"]["code"], "unauthorized");
}

#[test]
fn t140_ticket_opens_one_socket_and_its_copy_is_recorded() {
    let server = start(&unlimited());
    let ann = sign_up(&server, "ann");
    for token in [ann.token.as_str(), &hs256("foreign")] {
        let good = ticket(&server, token);
        join(&server, &good).unwrap();
        refused(&join(&server, &good));
    }
    let record = server.records.wait_for(|record| record["event"]["code"] == "authn_token_reuse");
    assert_eq!(record["event"]["severity"], 50);

    let mut plain = PlainClient::open(&server);
    let shown = json!({ "ticket": ticket(&server, &ann.token) });
    assert_eq!(code(&plain.ask("connect", &shown)), "ok");
    let mut copy = PlainClient::open(&server);
    assert_eq!(code(&copy.ask("connect", &shown)), "unauthorized");
    let mut polling = PollingClient::open(&server);
    let shown = json!({ "ticket": ticket(&server, &ann.token) }).to_string();
    polling.join(&shown).unwrap();
    assert_eq!(code(&polling.ask("room:list", &json!({}))), "ok");
    let mut copy = PollingClient::open(&server);
    refused(&copy.join(&shown));
    // In the header of the request that opens the socket.
    let bearer = format!("Bearer {}", ticket(&server, &ann.token));
    let upgrade = Request::upgrade(&server, "/ws").header("Authorization", &bearer);
    let mut by_header = PlainClient::over(portcullis_test::Connection::open(&server), &upgrade);
    assert_eq!(code(&by_header.ask("room:list", &json!({}))), "ok");
}

#[test]
fn t140_simultaneous_uses_of_a_ticket_admit_one_client() {
    let server = start(&unlimited());
    for round in 0..5 {
        let good = ticket(&server, &hs256(&format!("ann{round}")));
        let go = Barrier::new(20);
        let inside = std::thread::scope(|scope| {
            let try_one = || {
                let mut client = SioClient::open(&server);
                go.wait();
                client.join_namespace("/", &json!({ "ticket": good }).to_string()).is_ok()
            };
            let all: Vec<_> = (0..20).map(|_| scope.spawn(try_one)).collect();
            all.into_iter().filter(|_| true).map(|one| one.join().unwrap()).filter(|ok| *ok).count()
        });
        assert_eq!(inside, 1);
    }
}

#[test]
fn t141_ticket_is_valid_for_its_page_and_while_its_session_lasts() {
    let mut config = unlimited();
    config.origin.push(String::from("allowed = [\"https://other.test\"]"));
    let server = start(&config);
    let _ann = sign_up(&server, "ann");
    let browser = Browser::log_in(&server, "ann");
    // Asked for by one page, shown by another: used up as well.
    let foreign = Request::post(&server, "/auth/ticket", "{}")
        .header("Origin", "https://other.test")
        .header("Authorization", &format!("Bearer {}", browser.token))
        .ask(&server)
        .json();
    let foreign = foreign["ticket"].as_str().unwrap();
    refused(&join(&server, foreign));
    refused(&join(&server, foreign));
    let good = ticket(&server, &browser.token);
    assert_eq!(browser.post(&server, "/auth/logout", &json!({})).status, 200);
    refused(&join(&server, &good));
    for guess in ["wst_", "wst_AAAA", "ticket", "", &"w".repeat(5000)] {
        refused(&join(&server, guess));
    }
    assert_eq!(browser.post(&server, "/auth/ticket", &json!({})).status, 401);
    // T-022: in a URL it is refused, however spelled.
    for query in ["ticket=wst_A", "Ticket=wst_A", "access_token=wst_A", "tick%65t=wst_A"] {
        let path = format!("/socket.io/?EIO=4&transport=websocket&{query}");
        assert_eq!(Request::upgrade(&server, &path).ask(&server).status, 401, "{query}");
    }
    assert!(!server.records.text().contains("wst_"));
}

#[test]
fn t142_simultaneous_retries_of_a_message_have_one_effect() {
    let mut config = unlimited();
    config.capacity.push(String::from("connections_per_user = 20"));
    let server = start(&config);
    let token = hs256("ann");
    let mut reader = SioClient::connect(&server, &hs256("reader"));
    let hall = room(&mut reader, "public");
    let place = json!({ "roomId": hall });
    let mut clients: Vec<SioClient> = (0..20)
        .map(|_| {
            let mut client = SioClient::connect(&server, &token);
            assert_eq!(code(&client.ask("room:join", &place)), "ok");
            client
        })
        .collect();
    let go = Barrier::new(20);
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let send = |client: &mut SioClient| {
            go.wait();
            let payload = json!({ "roomId": hall, "message": "once" });
            client.ask_arguments(&json!(["chat:send", payload, { "mid": "m-1" }]))
        };
        let all: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(move || send(client))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(code(&answers[0]), "ok");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let other = json!({ "roomId": hall, "message": "twice" });
    let conflict = clients[0].ask_arguments(&json!(["chat:send", other, { "mid": "m-1" }]));
    assert_eq!(code(&conflict), "IDEMPOTENCY_CONFLICT");
    // Another user's mid is another one.
    let mine = reader.ask_arguments(&json!(["chat:send", other, { "mid": "m-1" }]));
    assert_eq!(code(&mine), "ok");
    let history = reader.ask("chat:history", &place);
    assert_eq!(history["messages"].as_array().unwrap().len(), 2, "{history}");
}

#[test]
fn t143_t144_replay_rule_of_the_operator_is_enforced() {
    let mut config = unlimited();
    config.more =
        String::from("[replay]\n\"chat:send\" = \"seq+mid\"\n\"room:delete\" = \"mid\"\n");
    let server = start(&config);
    let mut client = SioClient::connect(&server, &hs256("ann"));
    let hall = room(&mut client, "public");
    let say = json!({ "roomId": hall, "message": "hi" });
    let cases = [
        (json!(["chat:send", say]), "INVALID_MESSAGE", Some("mid")),
        (json!(["chat:send", say, { "mid": "m-1" }]), "INVALID_MESSAGE", Some("seq")),
        (json!(["chat:send", say, { "seq": 1 }]), "INVALID_MESSAGE", Some("mid")),
        (json!(["room:delete", { "roomId": hall }]), "INVALID_MESSAGE", Some("mid")),
    ];
    for (message, expect, field) in cases {
        let answer = client.ask_arguments(&message);
        assert_eq!(
            (code(&answer), answer["error"]["field"].as_str()),
            (expect, field),
            "{message}"
        );
    }
    // A stock client's events that are under no rule go on as before.
    assert_eq!(code(&client.ask("room:list", &json!({}))), "ok");
    let mut fresh = SioClient::connect(&server, &hs256("ann"));
    for (seq, expect) in [(1, "ok"), (2, "ok"), (2, "REPLAY"), (3, "ok")] {
        let envelope = json!({ "mid": format!("n-{seq}"), "seq": seq });
        let answer = fresh.ask_arguments(&json!(["chat:send", say, envelope]));
        assert_eq!(code(&answer), expect, "{seq}: {answer}");
    }
    let record = server.records.wait_for_rule("replay");
    assert_eq!(record["event"]["code"], "sequence_fail");
}
