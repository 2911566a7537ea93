//! Records of logins and sessions: the factors, the session, the target.
//! Never: a session id, or text that was typed where a name belongs.

use portcullis_test::{Config, Request, SioClient, TestServer, authenticator_code, sign_up};
use serde_json::{Value, json};

use crate::requests::{log_in, post};
use crate::start;

/// Waits for a record of this code and reason about a user.
fn recorded(server: &TestServer, code: &str, reason: &str, user: &str) -> Value {
    server.records.wait_for(|record| {
        let event = &record["event"];
        event["code"] == code && event["reason"] == reason && record["user"]["id"] == user
    })
}

#[test]
fn log_ins_are_recorded_with_the_factors_that_were_proved() {
    let server = start(&Config::default());
    let ann = sign_up(&server, "ann");
    recorded(&server, "authn_login_success", "password", &ann.id);
    let started = post(&server, "/auth/totp/begin", &ann.token, &json!({})).json();
    let secret = started["secret"].as_str().unwrap().to_owned();
    let wrong = post(&server, "/auth/totp/confirm", &ann.token, &json!({ "code": "000000" }));
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "INVALID_MESSAGE"));
    let record = recorded(&server, "authn_login_fail", "totp", &ann.id);
    assert_eq!(record["event"]["outcome"], "failure");
    let code = json!({ "code": authenticator_code(&secret, 0) });
    let confirmed = post(&server, "/auth/totp/confirm", &ann.token, &code);
    assert_eq!(confirmed.status, 200);
    let recovery = confirmed.json()["recovery_codes"][0].as_str().unwrap().to_owned();

    assert_eq!(log_in(&server, "ann", Some(&authenticator_code(&secret, 1))).status, 200);
    recorded(&server, "authn_login_success", "password+totp", &ann.id);
    assert_eq!(log_in(&server, "ann", Some(&recovery)).status, 200);
    recorded(&server, "authn_login_success", "password+recovery_code", &ann.id);
}

#[test]
fn records_of_one_session_share_a_hash_and_hold_no_id() {
    let server = start(&Config::default());
    let ann = sign_up(&server, "ann");
    let opened = server.records.wait_for(|record| record["event"]["code"] == "session_created");
    let hash = opened["labels"]["session_hash"].clone();
    assert_eq!(hash.as_str().map(str::len), Some(20), "{opened}");
    let _client = SioClient::connect(&server, &ann.token);
    let connected = recorded(&server, "ws_connected", "token", &ann.id);
    assert_eq!(connected["labels"]["session_hash"], hash);
    let answer = log_in(&server, "ann", None);
    assert_eq!(answer.status, 200);
    let other = server.records.wait_for(|record| {
        record["event"]["code"] == "session_created" && record["labels"]["session_hash"] != hash
    });
    assert_eq!(other["user"]["id"], json!(ann.id));
    let sessions = Request::get(&server, "/auth/sessions");
    let sessions = sessions.header("Authorization", &format!("Bearer {}", ann.token));
    let sessions = sessions.ask(&server).json();
    let ids: Vec<_> =
        sessions["sessions"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids.len(), 2, "{sessions}");
    let text = server.records.text();
    assert!(ids.iter().all(|id| !text.contains(id.as_str().unwrap())));
}

#[test]
fn record_of_a_room_names_the_invited_or_removed_user() {
    let server = start(&Config::default());
    let (ann, bob) = (sign_up(&server, "ann"), sign_up(&server, "bob"));
    let mut client = SioClient::connect(&server, &ann.token);
    let _bob = SioClient::connect(&server, &bob.token);
    let made = client.ask("room:create", &json!({ "name": "tea", "visibility": "private" }));
    let room = made["room"]["id"].clone();
    for event in ["room:invite", "room:kick"] {
        let answer = client.ask(event, &json!({ "roomId": room, "userId": bob.id }));
        assert_eq!(answer["ok"], true, "{event}: {answer}");
        let record = server.records.wait_for(|record| record["event"]["action"] == event);
        assert_eq!(record["user"]["target"]["id"], json!(bob.id), "{record}");
        assert_eq!((&record["user"]["id"], &record["labels"]["room"]), (&json!(ann.id), &room));
    }
}

#[test]
fn text_that_can_be_no_name_is_not_recorded() {
    let mut config = Config::default();
    config.rate.push(String::from("login_failed_per_user = \"3/24h\""));
    let server = start(&config);
    let typed = "Hunter2 is my password!";
    for _ in 0..6 {
        assert_ne!(log_in(&server, typed, None).status, 200);
    }
    let record = server.records.wait_for(|record| record["event"]["code"] == "authn_login_lock");
    assert_eq!(record["user"], Value::Null, "{record}");
    assert!(!server.records.text().contains("Hunter2"));
}
