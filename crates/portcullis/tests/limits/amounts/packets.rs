//! T-191, T-192, T-201: CONNECT and DISCONNECT packets, and what they cost.
//! Never: an event; `rates` counts those.

use portcullis_test::{Config, PlainClient, PollingClient, SioClient, TestServer, hs256};
use serde_json::{Value, json};

use crate::clients::{alive, recorded, start};

/// CONNECT packets that a flood sends at once.
const FLOOD: usize = 400;

fn connect_packet(namespace: &str, token: &str) -> String {
    format!("40{namespace}{}", json!({ "token": token }))
}

/// Sends packets until the server closes; gives how many were answered and the close code.
fn flood(client: &mut SioClient, packets: &[String]) -> (usize, Option<u16>) {
    for packet in packets.iter().cycle().take(FLOOD) {
        client.send(packet);
    }
    let mut answered = 0;
    loop {
        let frame = client.socket.next_frame().unwrap();
        match frame.opcode {
            8 => return (answered, frame.close_code()),
            _ => answered += usize::from(frame.text().starts_with('4')),
        }
    }
}

#[test]
fn t192_rejected_connects_end_the_connection_as_violations() {
    let server = start(&Config::default());
    let token = hs256("no-admin");
    let mut client = SioClient::connect(&server, &token);
    let (answered, code) = flood(&mut client, &[connect_packet("/admin,", &token)]);
    assert_eq!(code, Some(4429));
    assert!(answered <= 12, "{answered} answers to {FLOOD} packets");
    recorded(&server, "strikes");
    alive(&server);
}

#[test]
fn t201_leaving_and_joining_again_and_again_ends_the_connection() {
    let server = start(&Config::default());
    let token = hs256("in-and-out");
    let pair = [String::from("41"), connect_packet("", &token)];
    let mut client = SioClient::connect(&server, &token);
    let (_, code) = flood(&mut client, &pair);
    assert_eq!(code, Some(1008));
    recorded(&server, "namespace_per_connection");
    // A DISCONNECT of a namespace that was never joined costs the same.
    let mut client = SioClient::connect(&server, &token);
    let (answered, code) = flood(&mut client, &[String::from("41/never,")]);
    assert_eq!((answered, code), (1, Some(1008)), "the error event alone");
    alive(&server);
}

#[test]
fn t201_polling_session_has_the_packet_rate_of_a_websocket() {
    let config =
        Config { rate: vec!["namespace_per_connection = \"5/60s\"".into()], ..Config::default() };
    let server = start(&config);
    let token = hs256("poller");
    let mut client = PollingClient::connect(&server, &token);
    let body = ["41/never,"; 9].join("\u{1e}");
    let _answer = client.post(&body);
    recorded(&server, "namespace_per_connection");
    let reply = client.rest().concat();
    assert!(reply.contains("rate_limited"), "{reply}");
    alive(&server);
}

#[test]
fn limit_of_a_user_counts_all_connections_and_no_other_user() {
    let mut config = Config::default();
    config.rate.push("namespace_per_user = \"12/10m\"".into());
    config.capacity.push("connections_per_user = 20".into());
    let server = start(&config);
    let token = hs256("many-tabs");
    let mut rejected = None;
    for _ in 0..20 {
        let mut client = SioClient::open(&server);
        let joined = client.join_namespace("/", &json!({ "token": token }).to_string());
        if let Err(answer) = joined {
            rejected = Some(answer);
            break;
        }
    }
    let answer = rejected.expect("the limit of the user");
    assert_eq!(answer["data"]["code"], "rate_limited", "{answer}");
    assert!(answer["data"]["retry_after_s"].as_u64().is_some(), "{answer}");
    recorded(&server, "namespace_per_user");
    alive(&server);
    let plain = PlainClient::connect(&server, &hs256("another"));
    drop(plain);
}

#[test]
fn several_namespaces_and_double_mounts_are_not_noticed() {
    let server: TestServer = start(&Config::strict_rates());
    let token = hs256("strict-mode");
    let mut client = SioClient::connect(&server, &token);
    let payload = json!({ "token": token }).to_string();
    for _ in 0..20 {
        client.send("41");
        let joined = client.join_namespace("/", &payload).map(|answer| answer["sid"].is_string());
        assert_eq!(joined, Ok(true));
    }
    let answer: Value = client.ask("room:list", &json!({}));
    assert_eq!(answer["ok"], true, "{answer}");
}
