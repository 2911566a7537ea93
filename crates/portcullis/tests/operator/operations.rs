//! Operations of administrators, in the namespace `/admin` and on the private listener.
//! Never: an operation that one of the two offers alone.

use portcullis_test::{
    Config, Person, Request, SioClient, TestServer, set_up, sign_in, sign_up, until,
};
use serde_json::{Value, json};

use crate::alert::alerts::guess;
use crate::{done, refused, start};

/// All operations that change something, each with a valid payload.
fn changes() -> [(&'static str, Value); 18] {
    let user = json!({ "user": "x", "reason": "a test" });
    let address = json!({ "prefix": "203.0.113.7", "reason": "a test" });
    [
        ("alert:acknowledge", json!({ "id": "al_x", "reason": "a test" })),
        ("alert:silence", json!({ "rule": "A2", "reason": "a test" })),
        ("alert:unsilence", json!({ "id": "1", "reason": "a test" })),
        ("address:block", address.clone()),
        ("address:unblock", address),
        ("connection:close", json!({ "id": "0-1", "reason": "a test" })),
        ("limits:unlock", json!({ "address": "203.0.113.7", "reason": "a test" })),
        ("state:pin", json!({ "state": "normal", "reason": "a test" })),
        ("state:unpin", json!({ "reason": "a test" })),
        ("invitation:create", json!({ "reason": "a test" })),
        ("invitation:revoke", json!({ "id": "0011223344556677", "reason": "a test" })),
        ("session:end", json!({ "user": "x", "session": "s", "reason": "a test" })),
        ("user:mute", user.clone()),
        ("user:ban", user.clone()),
        ("user:kick", user.clone()),
        ("user:logout", user),
        ("user:disable", json!({ "user": "x", "disabled": true, "reason": "a test" })),
        ("user:role", json!({ "user": "x", "roles": ["user"], "reason": "a test" })),
    ]
}

/// All operations that read, each with a valid payload.
fn reads() -> [(&'static str, Value); 15] {
    [
        ("admin:overview", json!({})),
        ("admin:state", json!({})),
        ("admin:timeline", json!({})),
        ("admin:blocks", json!({})),
        ("admin:doctor", json!({})),
        ("admin:alerts", json!({})),
        ("admin:events", json!({ "filter": { "severity": ["warning"] }, "limit": 5 })),
        ("admin:invitations", json!({ "limit": 5 })),
        ("admin:users", json!({ "query": "watch" })),
        ("admin:connections", json!({ "filter": { "signed_in": true }, "limit": 5 })),
        ("admin:offenders", json!({})),
        ("admin:affected", json!({})),
        ("admin:watch", json!({ "streams": ["overview", "alert"] })),
        ("admin:unwatch", json!({})),
        ("admin:limits", json!({ "address": "203.0.113.7" })),
    ]
}

fn config() -> Config {
    let rates = ["login_per_user = \"1000/60s\"", "login_per_prefix = \"1000/60s\""];
    let mut config = Config::default();
    config.rate.extend(rates.map(String::from));
    config
}

fn connect(server: &TestServer, token: &str) -> SioClient {
    let mut client = SioClient::connect(server, token);
    client.join_namespace("/admin", &json!({ "token": token }).to_string()).unwrap();
    client
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or("ok")
}

/// Sends an operation to the private listener, as `portcullis` does.
fn post(server: &TestServer, path: &str, body: &Value) -> (u16, Value) {
    let answer = Request::post(server, path, &body.to_string())
        .header("X-Portcullis-Operator", &server.operator_key())
        .ask_private(server);
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

/// A new user, who gets the role `auditor` while connected.
fn auditor(server: &TestServer, name: &str) -> (Person, SioClient) {
    let auditor = sign_up(server, name);
    let token = json!({ "token": auditor.token }).to_string();
    let mut client = SioClient::connect(server, &auditor.token);
    assert!(client.join_namespace("/admin", &token).is_err(), "an ordinary user");
    let output = server.operate(&["user", "grant", name, "auditor"], "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let in_force = |record: &Value| {
        record["message"].as_str().is_some_and(|text| text.starts_with("roles set to auditor"))
            && record["user"]["target"]["id"] == json!(auditor.id)
    };
    let _record = server.records.wait_for(in_force);
    client.join_namespace("/admin", &token).unwrap();
    (auditor, client)
}

#[test]
fn t404_auditor_reads_everything_and_each_change_is_forbidden_and_recorded() {
    let server = start(&config());
    let _admin = set_up(&server, "the_admin");
    // The log keeps the first five rejections of a user in a minute, and counts the others.
    for (number, changes) in changes().chunks(4).enumerate() {
        let (auditor, mut client) = auditor(&server, &format!("watcher_{number}"));
        for (event, payload) in reads() {
            let answer = client.ask_in("/admin", event, &payload);
            assert_eq!(code(&answer), "ok", "{event}: {answer}");
        }
        for (event, payload) in changes {
            let answer = client.ask_in("/admin", event, payload);
            assert_eq!(code(&answer), "forbidden", "{event}: {answer}");
            let reference = answer["error"]["ref"].as_str().unwrap();
            let record = server.records.wait_for_reference(reference);
            assert_eq!(record["event"]["code"], "authz_fail", "{record}");
            assert_eq!(record["event"]["action"], *event, "{record}");
            assert_eq!(record["user"]["id"], auditor.id, "{record}");
        }
    }
}

#[test]
fn both_ways_give_the_same_overview() {
    let server = start(&config());
    let admin = set_up(&server, "the_admin");
    let mut client = connect(&server, &admin.token);
    let (status, answer) = post(&server, "/admin/v1/overview", &json!({}));
    assert_eq!(status, 200, "{answer}");
    let of_event = client.ask_in("/admin", "admin:overview", &json!({}));
    let members = |answer: &Value| -> Vec<String> {
        answer["overview"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(members(&answer), members(&of_event));
    let overview = &answer["overview"];
    assert_eq!(overview["state"], "normal", "{overview}");
    assert_eq!(overview["connections"]["signed_in"], 1, "{overview}");
    assert_eq!(overview["log"]["state"], "ok", "{overview}");
}

#[test]
fn block_and_its_removal_are_in_the_overview_and_the_time_line() {
    let server = start(&config());
    let admin = set_up(&server, "the_admin");
    let mut client = connect(&server, &admin.token);
    let watch = client.ask_in("/admin", "admin:watch", &json!({ "streams": ["overview"] }));
    assert_eq!(code(&watch), "ok", "{watch}");
    for (operation, change) in [("block", "blocked"), ("unblock", "removed")] {
        let payload = json!({ "prefix": "203.0.113.0/24", "reason": "a flood" });
        let path = format!("/admin/v1/address/{operation}");
        assert_eq!(post(&server, &path, &payload).0, 200);
        let found = until("the change", || {
            let packet = client.wait_packet(|packet| packet.starts_with("42/admin,[\"overview\""));
            let packet: Value = serde_json::from_str(&packet["42/admin,".len()..]).unwrap();
            let newest = packet[1]["block_changes"].as_array()?.last()?.clone();
            Some(newest).filter(|one| one["change"] == change)
        });
        assert_eq!(found["prefix"], "203.0.113.0/24", "{found}");
        assert_eq!(found["scope"], "unauthenticated", "{found}");
    }
    let answer = client.ask_in("/admin", "admin:timeline", &json!({}));
    let changes = answer["block_changes"].as_array().unwrap();
    let changes: Vec<_> = changes.iter().map(|one| one["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["blocked", "removed"], "{answer}");
}

#[test]
fn rejections_are_in_the_rates_and_the_time_line() {
    let server = start(&config());
    let admin = set_up(&server, "the_admin");
    let mut client = connect(&server, &admin.token);
    let watch = client.ask_in("/admin", "admin:watch", &json!({ "streams": ["overview"] }));
    assert_eq!(code(&watch), "ok", "{watch}");
    let rate = until("a rate", || {
        let evil = Request::upgrade(&server, "/ws").with("Origin", "https://evil.example");
        assert_eq!(evil.ask(&server).status, 403);
        // One a second, so that the requests stay below the rate of messages.
        let packet = client.wait_packet(|packet| packet.starts_with("42/admin,[\"overview\""));
        let packet: Value = serde_json::from_str(&packet["42/admin,".len()..]).unwrap();
        packet[1]["rejected_per_s"]["origin_rejected"].as_f64()
    });
    assert!(rate >= 1.0, "{rate}");
    let answer = client.ask_in("/admin", "admin:timeline", &json!({}));
    let series = &answer["seconds"]["series"];
    let values = series["rejected.origin_rejected"].as_array();
    let values = values.unwrap_or_else(|| panic!("{answer}"));
    assert!(values.iter().any(|value| value.as_f64().unwrap() > 0.0), "{series}");
    assert_eq!(values.len(), series["connections"].as_array().unwrap().len(), "{series}");
}

#[test]
fn request_without_key_or_with_a_wrong_body_changes_nothing() {
    let server = start(&Config::default());
    let bare = Request::post(&server, "/admin/v1/overview", "{}").ask_private(&server);
    assert_eq!(bare.status, 403);
    let key = server.operator_key();
    let with_key = |path: &str, body: &str| {
        let request = Request::post(&server, path, body).header("X-Portcullis-Operator", &key);
        request.ask_private(&server).status
    };
    let long = format!("{{\"reason\":{:?}}}", "x".repeat(17_000));
    for (path, body, expect) in [
        ("/admin/v1/overview", "", 200),
        ("/admin/v1/overview", "{\"more\":1}", 400),
        ("/admin/v1/overview", "[", 400),
        ("/admin/v1/nothing", "{}", 404),
        ("/admin/v1/alert/silence", long.as_str(), 413),
        ("/admin/v1/alert/silence", "{\"rule\":\"A2\",\"reason\":\"no\"}", 400),
        ("/admin/v1/alert/silence", "{\"rule\":\"A13\",\"reason\":\"a test\"}", 400),
    ] {
        assert_eq!(with_key(path, body), expect, "{path} {body}");
    }
    let get = Request::get(&server, "/admin/v1/overview").header("X-Portcullis-Operator", &key);
    assert_eq!(get.ask_private(&server).status, 405);
    let page = Request::post(&server, "/admin/v1/overview", "{}")
        .header("X-Portcullis-Operator", &key)
        .with("Origin", "https://evil.example");
    assert_eq!(page.ask_private(&server).status, 403);
}

#[test]
fn alert_is_acknowledged_and_silenced_with_a_reason() {
    let server = start(&config());
    let _admin = set_up(&server, "the_admin");
    let admin = sign_in(&server, "the_admin");
    let mut client = connect(&server, &admin.token);
    guess(&server, "ann", 12);
    let alert = until("the alert", || {
        let answer = client.ask_in("/admin", "admin:alerts", &json!({}));
        answer["alerts"].as_array()?.iter().find(|alert| alert["rule"] == "A2").cloned()
    });
    let id = &alert["id"];
    let short = client.ask_in("/admin", "alert:acknowledge", &json!({ "id": id, "reason": "ok" }));
    assert_eq!(code(&short), "reason_invalid");
    let payload = json!({ "id": id, "reason": "on my way" });
    let answer = client.ask_in("/admin", "alert:acknowledge", &payload);
    assert_eq!(code(&answer), "ok", "{answer}");
    let record = server.records.wait_for(|it| it["event"]["code"] == "alert_acknowledged");
    assert_eq!(record["labels"]["stated_reason"], "on my way", "{record}");
    let listed = client.ask_in("/admin", "admin:alerts", &json!({}));
    let found = listed["alerts"].as_array().unwrap().iter().find(|alert| alert["id"] == *id);
    assert_eq!(found.unwrap()["acknowledged"]["by"], "the_admin", "{listed}");

    // By its id: the page may show another key than the alert has.
    for (payload, expect) in [
        (json!({ "alert": "al_none", "reason": "a test" }), "alert_unknown"),
        (json!({ "alert": id, "rule": "A2", "reason": "a test" }), "subject_invalid"),
        (json!({ "alert": id, "reason": "a test" }), "ok"),
    ] {
        let answer = client.ask_in("/admin", "alert:silence", &payload);
        assert_eq!(code(&answer), expect, "{answer}");
        if expect == "ok" {
            let silence = &answer["silence"];
            assert_eq!((&silence["rule"], &silence["key"]), (&json!("A2"), &alert["key"]));
            let payload = json!({ "id": silence["id"], "reason": "a test" });
            assert_eq!(code(&client.ask_in("/admin", "alert:unsilence", &payload)), "ok");
        }
    }
    let payload = json!({ "rule": "A2", "duration_s": 600, "reason": "known scanner" });
    let (status, answer) = post(&server, "/admin/v1/alert/silence", &payload);
    assert_eq!((status, &answer["silence"]["by"]), (200, &json!("operator")), "{answer}");
    let listed = client.ask_in("/admin", "admin:alerts", &json!({}));
    assert_eq!(listed["silences"], json!([answer["silence"]]));
    let payload = json!({ "id": answer["silence"]["id"], "reason": "scanner is gone" });
    assert_eq!(code(&client.ask_in("/admin", "alert:unsilence", &payload)), "ok");
    assert_eq!(code(&client.ask_in("/admin", "alert:unsilence", &payload)), "silence_unknown");
    let listed = client.ask_in("/admin", "admin:alerts", &json!({}));
    assert_eq!(listed["silences"], json!([]));
}

#[test]
fn watcher_gets_the_overview_with_a_sentence_about_a_flood_each_second() {
    let server = start(&config());
    let admin = set_up(&server, "the_admin");
    let mut client = connect(&server, &admin.token);
    let watch = client.ask_in("/admin", "admin:watch", &json!({ "streams": ["overview"] }));
    assert_eq!(code(&watch), "ok", "{watch}");
    let sentence = until("the sentence", || {
        for _ in 0..10 {
            let evil = Request::upgrade(&server, "/ws").with("Origin", "https://evil.example");
            assert_eq!(evil.ask(&server).status, 403);
        }
        let packet = client.wait_packet(|packet| packet.starts_with("42/admin,[\"overview\""));
        let packet: Value = serde_json::from_str(&packet["42/admin,".len()..]).unwrap();
        packet[1]["happening"]["text"].as_str().map(String::from)
    });
    assert!(sentence.contains("an origin that is not allowed (origin_rejected)"), "{sentence}");
    for kind in ["rule", "origin"] {
        // A sample can be taken between two of the requests: the next one has all of them.
        let found = until("ten rejections", || {
            let answer = client.ask_in("/admin", "admin:offenders", &json!({}));
            let offenders = answer["offenders"].as_array().unwrap();
            let found = offenders.iter().find(|offender| offender["kind"] == kind).cloned();
            found.filter(|found| found["rejected_5min"].as_u64().unwrap() >= 10)
        });
        assert_eq!(found["rule"], "origin_rejected", "{found}");
    }
    assert_eq!(code(&client.ask_in("/admin", "admin:unwatch", &json!({}))), "ok");
}

#[test]
fn user_that_exceeds_a_limit_is_an_affected_user() {
    let mut config = config();
    config.rate.push(String::from("message_per_user = \"5/60s\""));
    let server = start(&config);
    let _admin = set_up(&server, "the_admin");
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    for _ in 0..8 {
        let _answer = client.ask("room:list", &json!({}));
    }
    let (_, answer) = post(&server, "/admin/v1/affected", &json!({}));
    let user = &answer["users"][0];
    assert_eq!((&user["user"], &user["name"]), (&json!(ann.id), &json!("ann")), "{answer}");
    assert!(user["rejected_5min"].as_u64().unwrap() >= 3, "{answer}");
    assert!(user["wait_ms"].as_u64().unwrap() > 0, "{answer}");
}

#[test]
fn records_are_found_by_reference_and_users_by_name() {
    let server = start(&config());
    let admin = set_up(&server, "the_admin");
    let ann = sign_up(&server, "ann");
    let mut client = connect(&server, &admin.token);
    let mut user = SioClient::connect(&server, &ann.token);
    let answer = user.ask("admin:broadcast", &json!({ "message": "hello" }));
    let reference = answer["error"]["ref"].as_str().unwrap();
    let _record = server.records.wait_for_reference(reference);
    let payload = json!({ "filter": { "ref": reference, "user": ann.id } });
    let events = until("the record", || {
        let answer = client.ask_in("/admin", "admin:events", &payload);
        answer["events"].as_array().filter(|events| !events.is_empty()).cloned()
    });
    assert_eq!((events.len(), &events[0]["event"]["code"]), (1, &json!("authz_fail")));
    let first = client.ask_in("/admin", "admin:events", &json!({ "limit": 2 }));
    assert_eq!((&first["more"], first["events"].as_array().unwrap().len()), (&json!(true), 2));
    let payload = json!({ "limit": 2, "cursor": first["cursor"] });
    let second = client.ask_in("/admin", "admin:events", &payload);
    let sequence = |page: &Value| page["events"][0]["event"]["sequence"].as_u64().unwrap();
    assert_eq!(sequence(&second), sequence(&first) - 2, "{second}");

    let users = client.ask_in("/admin", "admin:users", &json!({ "query": "AN" }));
    assert_eq!(users["users"].as_array().unwrap().len(), 1, "{users}");
    assert_eq!((&users["users"][0]["id"], &users["more"]), (&json!(ann.id), &json!(false)));
    let page = client.ask_in("/admin", "admin:users", &json!({ "limit": 1 }));
    let payload = json!({ "limit": 1, "cursor": page["cursor"] });
    let other = client.ask_in("/admin", "admin:users", &payload);
    assert_ne!(page["users"][0]["id"], other["users"][0]["id"]);
    let found = client.ask_in("/admin", "admin:user", &json!({ "user": ann.id }));
    assert_eq!((&found["user"]["name"], &found["user"]["connections"]), (&json!("ann"), &json!(1)));
    assert_eq!(
        code(&client.ask_in("/admin", "admin:user", &json!({ "user": "x" }))),
        "user_unknown"
    );
}

#[test]
fn watcher_gets_new_records_that_fit_its_filter() {
    let server = start(&config());
    let admin = set_up(&server, "the_admin");
    let mut client = connect(&server, &admin.token);
    let streams = ["overview", "event", "alert"];
    let payload = json!({ "streams": streams, "filter": { "rule": "origin_rejected" } });
    assert_eq!(code(&client.ask_in("/admin", "admin:watch", &payload)), "ok");
    let evil = Request::upgrade(&server, "/ws").with("Origin", "https://evil.example");
    assert_eq!(evil.ask(&server).status, 403);
    let packet = client.wait_packet(|packet| packet.starts_with("42/admin,[\"event\""));
    let packet: Value = serde_json::from_str(&packet["42/admin,".len()..]).unwrap();
    assert_eq!(packet[1]["record"]["rule"]["name"], "origin_rejected", "{packet}");
    assert_eq!(packet[1]["dropped"], 0, "{packet}");
}

#[test]
fn alerts_are_listed_acknowledged_and_silenced_at_the_command_line() {
    let server = start(&config());
    let _admin = set_up(&server, "the_admin");
    guess(&server, "ann", 12);
    let line = until("the alert", || {
        let list = done(&server, &["alert", "list"], "");
        list.lines().find(|line| line.contains("  A2  firing  ")).map(String::from)
    });
    assert!(line.ends_with("  name ann"), "{line}");
    let id = line.split(' ').next().unwrap();
    let reason = ["--reason", "on my way"];
    let answer = done(&server, &[&["alert", "ack", id], &reason[..]].concat(), "");
    assert_eq!(answer, format!("{id}: acknowledged\n"));
    let record = server.records.wait_for(|it| it["event"]["code"] == "alert_acknowledged");
    assert_eq!(record["labels"]["stated_reason"], "on my way", "{record}");
    let list = done(&server, &["alert", "list"], "");
    assert!(list.contains("acknowledged by operator: on my way"), "{list}");

    let key = ["--rule", "A2", "--key", "name", "ann", "--severity", "high", "--for", "2h"];
    let silenced = done(&server, &[&["alert", "silence"], &key[..], &reason[..]].concat(), "");
    assert!(silenced.contains("  A2  name ann  up to high  until "), "{silenced}");
    assert!(silenced.ends_with("  by operator: on my way\n"), "{silenced}");
    let list = done(&server, &["alert", "list"], "");
    assert!(list.contains(&format!("silence {silenced}")), "{list}");
    let json: Value =
        serde_json::from_str(&done(&server, &["alert", "list", "--json"], "")).unwrap();
    assert_eq!(json["silences"][0]["key"], json!({ "kind": "name", "value": "ann" }), "{json}");
    let id = silenced.split(' ').next().unwrap();
    let ended = done(&server, &[&["alert", "unsilence", id], &reason[..]].concat(), "");
    assert_eq!(ended, format!("{id}: silence ended\n"));
    let list = done(&server, &["alert", "list"], "");
    assert!(!list.contains("silence "), "{list}");
}

#[test]
fn commands_about_alerts_say_why_they_fail() {
    let mut server = start(&config());
    let reason = ["--reason", "a test of errors"];
    for (arguments, expect) in [
        (&["ack", "01x"][..], "no open alert has this id"),
        (&["unsilence", "7"], "no silence has this id"),
        (&["silence", "--rule", "A13"], "A13"),
        (&["silence", "--rule", "A99"], "rule"),
        (&["silence", "--for", "8d"], "duration_s must be from 1 to 604800"),
    ] {
        let why = refused(&server, &[&["alert"], arguments, &reason[..]].concat(), "");
        assert!(why.starts_with("error: ") && why.contains(expect), "{arguments:?}: {why}");
    }
    for arguments in [
        &["ack", "01x"][..],
        &["ack", "01x", "--reason", "no"],
        &["silence", "--key", "name", "--reason", "a test"],
        &["silence", "--for", "2", "--reason", "a test"],
    ] {
        let output = server.operate(&[&["alert"], arguments].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    server.terminate();
    let why = refused(&server, &["alert", "list"], "");
    assert!(why.contains("the server does not respond on 127.0.0.1:"), "{why}");
}
