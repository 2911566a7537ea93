//! T-009, T-170: the client that a session belongs to, checked on each request.
//! Never: an answer that reveals to another client whether a session exists.

use portcullis_test::{
    Answer, Config, PollingClient, Request, TestServer, claims, forge_hs256, hs256, now_s, packets,
};
use serde_json::json;

use crate::clients::{NOTHING, alive, start, waiting_poll};

const OTHER: &str = "https://other.test";

/// A server with one page of its own and one more that may connect.
fn listed() -> TestServer {
    let config = Config::plaintext();
    let server = start(&Config {
        origin: vec![format!("allowed = [\"https://myapp.test\", \"{OTHER}\"]")],
        ..config
    });
    alive(&server);
    server
}

/// Poll, post and upgrade.
fn all_three(client: &PollingClient<'_>) -> [Request; 3] {
    [client.poll_request(), client.post_request(b"1"), client.upgrade_request()]
}

/// The session polls, posts and is answered.
fn works(client: &mut PollingClient<'_>) {
    assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
}

fn assert_unknown(answer: &Answer, what: &str) {
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 400, "{what}: {shown}");
    assert_eq!(answer.code(), "1", "{what}: {shown}");
    assert_eq!(answer.json()["message"], "Session ID unknown", "{what}");
    assert!(answer.json()["ref"].is_string(), "{what}: {shown}");
    assert_eq!(answer.header("upgrade"), None, "{what}");
}

#[test]
fn t_009_t_013_every_request_of_a_session_is_checked_again() {
    let server = listed();
    let mut client =
        PollingClient { origin: "https://myapp.test".into(), ..PollingClient::outsider(&server) };
    client.handshake();
    client.sign_in(&hs256("ann"));
    let evil_origins = [
        "https://evil.com",
        "null",
        "https://myapp.test.evil.com",
        "http://myapp.test",
        "https://myapp.test:443",
        "https://MYAPP.com",
    ];
    for origin in evil_origins {
        let evil = PollingClient { origin: origin.into(), ..client.clone() };
        for (index, request) in all_three(&evil).iter().enumerate() {
            let answer = evil.send(request);
            assert_eq!(answer.status, 403, "{origin} {index}");
            assert_eq!(answer.code(), "4", "{origin} {index}");
            let cors = answer.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
            assert_eq!(cors, None, "{origin} {index}");
        }
        works(&mut client);
    }
    // No origin at all: a browser's own GET says where it comes from; nothing else may.
    let silent = PollingClient { origin: String::new(), ..client.clone() };
    for (index, request) in all_three(&silent).into_iter().enumerate() {
        assert_eq!(silent.send(&request).status, 403, "{index}");
        for site in ["same-site", "cross-site", "none", "", "SAME-ORIGIN"] {
            let request = request.clone().header("Sec-Fetch-Site", site);
            assert_eq!(silent.send(&request).status, 403, "{index} {site}");
        }
        let referred = request.header("Referer", "https://myapp.test/");
        assert_eq!(silent.send(&referred).status, 403, "{index}");
    }
    let posted = silent.post_request(b"1").header("Sec-Fetch-Site", "same-origin");
    assert_eq!(silent.send(&posted).status, 403, "a post names its origin");
    works(&mut client);
    // The host is checked again, and so is the absence of credentials in the URL.
    let rebound = client.poll_request().with("Host", "evil.com");
    assert_eq!(client.send(&rebound).status, 400);
    assert_eq!(client.send(&client.request("GET", "&token=x")).status, 401);
    works(&mut client);
    let record = server.records.wait_for_rule("origin_rejected");
    assert_eq!(record["event"]["code"], "malicious_csrf", "{record}");
}

#[test]
fn t_008_same_origin_poll_of_a_browser_needs_no_origin() {
    let server = start(&Config::plaintext());
    let mut client = PollingClient { origin: String::new(), ..PollingClient::outsider(&server) };
    assert_eq!(client.send(&client.request("GET", "")).status, 403);
    let same = client.request("GET", "").header("Sec-Fetch-Site", "same-origin");
    let answer = client.send(&same);
    assert_eq!(answer.status, 200);
    let open: serde_json::Value = serde_json::from_str(&packets(&answer)[0][1..]).unwrap();
    client.sid = open["sid"].as_str().unwrap().to_owned();
    // Its posts name the origin; from then on it is bound to that one.
    client.origin = server.origin.clone();
    client.sign_in(&hs256("ann"));
    works(&mut client);
    alive(&server);
}

#[test]
fn t_170_another_page_address_or_program_with_the_id_is_rejected() {
    let server = listed();
    let mut victim =
        PollingClient { origin: "https://myapp.test".into(), ..PollingClient::outsider(&server) };
    victim.handshake();
    victim.sign_in(&hs256("ann"));
    let thieves = [
        ("origin", PollingClient { origin: OTHER.into(), ..victim.clone() }),
        ("address", PollingClient { source: [127, 0, 0, 2].into(), ..victim.clone() }),
        ("agent", PollingClient { agent: "thief/1".into(), ..victim.clone() }),
        ("agent's case", PollingClient { agent: "POLLING-test/1".into(), ..victim.clone() }),
        (
            "all",
            PollingClient {
                origin: OTHER.into(),
                source: [127, 9, 9, 9].into(),
                agent: "thief/1".into(),
                ..victim.clone()
            },
        ),
    ];
    for (what, thief) in &thieves {
        for request in all_three(thief) {
            assert_unknown(&thief.send(&request), what);
        }
        // A body that would close the session, or speak for its user, changes nothing.
        assert_unknown(&thief.post("42[\"room:create\",{\"name\":\"stolen\"}]"), what);
        works(&mut victim);
    }
    let no_agent = PollingClient { agent: String::new(), ..victim.clone() };
    assert_unknown(&no_agent.poll(), "no agent");
    assert_unknown(&no_agent.post("1"), "no agent");
    let rooms = victim.ask("room:list", &json!({}));
    assert!(!rooms.to_string().contains("stolen"), "{rooms}");
    // The same answer as for an id that never was.
    let unknown = PollingClient { sid: "A".repeat(38), ..victim.clone() };
    for (known, request) in thieves[0].1.poll().headers.iter().zip(unknown.poll().headers) {
        assert_eq!(known, &request);
    }
    let record = server.records.wait_for_rule("session_unknown");
    assert_eq!(record["source"]["ip"], "127.0.0.1", "{record}");
}

#[test]
fn t_170_poll_of_another_client_does_not_end_a_waiting_poll() {
    let server = listed();
    let mut victim =
        PollingClient { origin: "https://myapp.test".into(), ..PollingClient::outsider(&server) };
    victim.handshake();
    victim.sign_in(&hs256("ann"));
    let mut waiting = waiting_poll(&server, &victim);
    for thief in [
        PollingClient { agent: "thief/1".into(), ..victim.clone() },
        PollingClient { source: [127, 0, 0, 2].into(), ..victim.clone() },
        PollingClient { origin: OTHER.into(), ..victim.clone() },
        PollingClient { origin: "https://evil.com".into(), ..victim.clone() },
    ] {
        for request in all_three(&thief) {
            assert!([400, 403].contains(&thief.send(&request).status));
        }
    }
    victim.say("421[\"room:list\",{}]");
    let answer = Answer::read(&mut waiting);
    assert_eq!(answer.status, 200);
    assert!(packets(&answer)[0].starts_with("431[{"), "{answer:?}");
}

#[test]
fn t_170_poll_with_the_credential_of_another_session_is_rejected() {
    let server = start(&Config::plaintext());
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let with =
        |token: &str| client.poll_request().header("Authorization", &format!("Bearer {token}"));
    assert_unknown(&client.send(&with(&hs256("bob"))), "another user's token");
    let mut expired = claims("ann");
    expired["exp"] = json!(now_s() - 60);
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let expired = forge_hs256(header, &expired.to_string(), portcullis_test::SECRET.as_bytes());
    assert_eq!(client.send(&with(&expired)).status, 401);
    assert_eq!(client.send(&with("x")).status, 401);
    works(&mut client);
    let own = client.post_request(b"421[\"room:list\",{}]");
    let own = own.header("Authorization", &format!("Bearer {}", hs256("ann")));
    assert_eq!(client.send(&own).status, 200);
    assert!(client.wait_packet(|packet| packet.starts_with("431[")).contains("\"ok\":true"));
}

#[test]
fn t_170_ended_session_is_rejected_for_every_client() {
    let server = start(&Config::plaintext());
    let client = PollingClient::connect(&server, &hs256("ann"));
    client.say("1");
    let mut reply = 0;
    portcullis_test::until("the end of the session", || {
        let answer = client.poll();
        reply += usize::from(answer.status == 200);
        (answer.status == 400).then_some(())
    });
    assert!(reply <= 1, "the last poll gets the end once");
    assert_unknown(&client.poll(), "poll");
    assert_unknown(&client.post("40"), "post");
    assert_unknown(&client.send(&client.upgrade_request()), "upgrade");
    NOTHING.wait_for(&server);
    // Another server's ids, and those from before a restart, are unknown too.
    let other = start(&Config::plaintext());
    let stale = PollingClient { sid: client.sid.clone(), ..PollingClient::outsider(&other) };
    assert_unknown(&stale.poll(), "another server's");
    NOTHING.wait_for(&other);
    let survivor = PollingClient::open(&other);
    assert_eq!(survivor.post("1").status, 200);
}

#[test]
fn t_007_native_clients_poll_with_their_token_in_every_request() {
    let config = Config::plaintext();
    let origin = vec![String::from("without_origin = \"token\"")];
    let server = start(&Config { origin, ..config });
    let mut client = PollingClient { origin: String::new(), ..PollingClient::outsider(&server) };
    let bearer = |token: &str| format!("Bearer {token}");
    let own = bearer(&hs256("ann"));
    let opening = client.request("GET", "");
    assert_eq!(client.send(&opening).status, 403, "no token");
    let wrong = opening.clone().header("Authorization", "Bearer x");
    assert_eq!(client.send(&wrong).status, 401, "an invalid token");
    let cookie = opening.clone().header("Authorization", &own).header("Cookie", "a=b");
    assert_eq!(client.send(&cookie).status, 403, "a browser's cookie");
    let answer = client.send(&opening.header("Authorization", &own));
    assert_eq!(answer.status, 200);
    let open: serde_json::Value = serde_json::from_str(&packets(&answer)[0][1..]).unwrap();
    client.sid = open["sid"].as_str().unwrap().to_owned();
    let with = |request: Request, token: &str| request.header("Authorization", token);
    assert_eq!(client.send(&with(client.post_request(b"40"), &own)).status, 200);
    let joined = client.send(&with(client.poll_request(), &own));
    assert!(packets(&joined)[0].starts_with("40{"), "{joined:?}");
    for request in all_three(&client) {
        assert_eq!(client.send(&request).status, 403, "no token");
        let evil = with(request.clone(), &own).header("Origin", "https://evil.com");
        assert_eq!(client.send(&evil).status, 403, "a page that is not listed");
        let cookie = with(request.clone(), &own).header("Cookie", "a=b");
        assert_eq!(client.send(&cookie).status, 403, "a browser's cookie");
        let other = with(request, &bearer(&hs256("bob")));
        assert_unknown(&client.send(&other), "another user's token");
    }
    assert_eq!(client.send(&with(client.post_request(b"421[\"room:list\",{}]"), &own)).status, 200);
    let listed = client.send(&with(client.poll_request(), &own));
    assert!(packets(&listed)[0].starts_with("431["), "{listed:?}");
}

#[test]
fn t_083_t_084_polling_sessions_count_and_are_given_back() {
    let config = Config::plaintext();
    let lines = ["ping_interval_ms = 500", "ping_timeout_ms = 500"].map(String::from).to_vec();
    let server = start(&Config { transport: lines, ..config });
    let payload = json!({ "token": hs256("ann") }).to_string();
    let five: Vec<PollingClient<'_>> =
        (0..5).map(|_| PollingClient::connect(&server, &hs256("ann"))).collect();
    let mut sixth = PollingClient::open(&server);
    let refused = sixth.join(&payload).expect_err("five are all there may be");
    assert_eq!(refused["data"]["code"], "connection_limit", "{refused}");
    // No client polls them: their pings get no pong, and their slots become free.
    drop(five);
    portcullis_test::until("a place", || {
        let mut client = PollingClient::open(&server);
        let joined = client.join(&payload).is_ok();
        let _goodbye = client.post("1");
        joined.then_some(())
    });
    NOTHING.wait_for(&server);
}
