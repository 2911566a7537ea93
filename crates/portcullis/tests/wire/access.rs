//! Authorization, and the answers to users without it.
//! Never: an answer that distinguishes a missing room from a forbidden one.

use portcullis_test::{Config, SioClient, TestServer, hs256, set_up, sign_up};
use serde_json::{Value, json};

use crate::clients::{alive, start};

fn code(answer: &Value) -> String {
    answer["error"]["code"].as_str().unwrap_or("none").to_owned()
}

fn room(client: &mut SioClient, visibility: &str) -> String {
    let payload = json!({ "name": "Room", "visibility": visibility });
    let answer = client.ask("room:create", &payload);
    answer["room"]["id"].as_str().expect("a room").to_owned()
}

fn open_server() -> TestServer {
    let mut config = Config::plaintext();
    config.rate.push("event_per_user = { \"chat:send\" = \"10000/60s\" }".into());
    config.rate.push("message_per_user = \"10000/60s\"".into());
    config.rate.push("message_per_connection = \"10000/60s\"".into());
    start(&config)
}

#[test]
fn t063_announcement_of_a_user_without_the_role_is_rejected() {
    let server = start(&Config::default());
    let admin = set_up(&server, "the_admin");
    let user = sign_up(&server, "a_user");
    let mut listener = SioClient::connect(&server, &user.token);
    let answer = listener.ask("admin:broadcast", &json!({ "message": "hello" }));
    assert_eq!(code(&answer), "forbidden");
    let reference = answer["error"]["ref"].as_str().expect("a reference");
    let record = server.records.wait_for_reference(reference);
    assert_eq!(record["event"]["code"], "authz_fail", "{record}");
    assert!(
        listener.join_namespace("/admin", &json!({ "token": user.token }).to_string()).is_err()
    );

    let mut speaker = SioClient::connect(&server, &admin.token);
    let answer = speaker.ask("admin:broadcast", &json!({ "message": "hello" }));
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(listener.event("announcement")["message"], "hello");
    let joined = speaker.join_namespace("/admin", &json!({ "token": admin.token }).to_string());
    assert!(joined.is_ok(), "{joined:?}");
}

#[test]
fn t064_t069_foreign_private_room_looks_like_a_missing_room() {
    let server = open_server();
    let mut owner = SioClient::connect(&server, &hs256("owner"));
    let hidden = room(&mut owner, "private");
    for event in ["room:join", "room:leave", "room:delete", "room:members", "chat:history"] {
        let mut other = SioClient::connect(&server, &hs256("other"));
        let mut answers = [hidden.as_str(), "no_such_room"].map(|id| {
            let answer = other.ask(event, &json!({ "roomId": id }));
            assert_eq!(code(&answer), "forbidden", "{event} {answer}");
            answer["error"].clone()
        });
        for answer in &mut answers {
            answer.as_object_mut().expect("an object").remove("ref");
        }
        assert_eq!(answers[0], answers[1], "{event}");
    }
    alive(&server);
}

#[test]
fn t065_room_id_other_than_a_short_plain_string_is_rejected() {
    let server = open_server();
    let cases = [
        json!({}),
        json!([]),
        json!(1),
        json!(null),
        json!(true),
        json!("__proto__ "),
        json!("../x"),
        json!("' OR 1=1 --"),
        json!("a".repeat(65)),
        json!(""),
        json!("caf\u{e9}"),
    ];
    for case in cases {
        let mut client = SioClient::connect(&server, &hs256("prober"));
        for event in ["room:join", "room:delete", "chat:history"] {
            let answer = client.ask(event, &json!({ "roomId": case }));
            assert_eq!(code(&answer), "INVALID_MESSAGE", "{event} {case}");
            assert_eq!(answer["error"]["field"], "roomId", "{event} {case} {answer}");
        }
    }
    alive(&server);
}

#[test]
fn acknowledged_message_survives_a_kill_and_is_stored_once() {
    let server = open_server();
    let mut writer = SioClient::connect(&server, &hs256("writer"));
    let id = room(&mut writer, "public");
    let mut sent = Vec::new();
    for number in 1..=50 {
        let text = format!("message {number}");
        let mid = json!({ "mid": format!("m-{number}") });
        let answer =
            writer.ask_arguments(&json!(["chat:send", { "roomId": id, "message": text }, mid]));
        assert_eq!(answer["seq"], number, "{answer}");
        sent.push((number, text));
    }
    let server = server.crash_and_restart();
    let mut reader = SioClient::connect(&server, &hs256("writer"));
    let again = reader.ask_arguments(&json!([
        "chat:send",
        { "roomId": id, "message": "message 50" },
        { "mid": "m-50" }
    ]));
    assert_eq!(again["seq"], 50, "a retry has no second effect: {again}");
    let history = reader.ask("chat:history", &json!({ "roomId": id, "limit": 100 }));
    let messages = history["messages"].as_array().expect("messages");
    let found: Vec<(u64, String)> = messages
        .iter()
        .filter_map(|message| {
            Some((message["seq"].as_u64()?, message["message"].as_str()?.to_owned()))
        })
        .collect();
    assert_eq!(found, sent);
}
