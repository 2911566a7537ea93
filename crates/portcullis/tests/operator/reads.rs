//! What administrators read about users, references and networks, and the record of it.
//! Never: a change.

use std::net::IpAddr;

use portcullis_test::{Connection, Request, SioClient, TestServer, hs256, sign_in, sign_up, until};
use serde_json::{Value, json};

use crate::changes::{PROXY, administrator, code, open, start};
use crate::done;

const REASON: &str = "a lost phone";

fn account(admin: &mut SioClient, user: &str) -> Value {
    let answer = admin.ask_in("/admin", "admin:user", &json!({ "user": user }));
    assert_eq!(code(&answer), "ok", "{answer}");
    answer
}

#[test]
fn user_has_factor_creation_logins_and_sessions_that_end_one_by_one() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let first = sign_up(&server, "ann");
    let second = sign_in(&server, "ann");
    let mut clients = [&first, &second].map(|person| {
        let mut client = open(&server, "203.0.113.7");
        client.sign_in(&person.token);
        client
    });
    let shown = account(&mut admin, &first.id);
    assert_eq!(shown["user"]["second_factor"], false, "{shown}");
    let time = |value: &Value| String::from(value.as_str().unwrap_or_else(|| panic!("{shown}")));
    assert!(time(&shown["user"]["created"]) <= time(&shown["user"]["last_login"]));
    let sessions = shown["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{shown}");
    for session in sessions {
        assert_eq!(
            (&session["address"], &session["second_factor"]),
            (&json!("127.0.0.1"), &json!(false))
        );
        assert!(time(&session["since"]) <= time(&session["last_used"]), "{session}");
        assert!(time(&session["ends"]) > time(&session["authenticated"]), "{session}");
        assert!(session["device"].is_string(), "{session}");
    }
    // The session that was used last comes first.
    let newest = &sessions[0]["id"];
    let mut payload = json!({
        "user": first.id, "session": newest, "reason": REASON, "dry_run": true,
    });
    let preview = admin.ask_in("/admin", "session:end", &payload);
    assert_eq!(preview["effect"]["connections"], 1, "of one session: {preview}");
    payload["dry_run"] = json!(false);
    assert_eq!(code(&admin.ask_in("/admin", "session:end", &payload)), "ok");
    assert_eq!(clients[1].close_code(), Some(4401));
    assert_eq!(clients[0].ask("room:list", &json!({}))["ok"], true, "another session");
    let left = account(&mut admin, &first.id);
    assert_eq!(left["sessions"].as_array().unwrap().len(), 1, "{left}");
    assert_ne!(left["sessions"][0]["id"], *newest, "{left}");
    // The last login is known also when its session has ended.
    assert_eq!(left["user"]["last_login"], shown["user"]["last_login"]);
    payload["session"] = left["sessions"][0]["id"].clone();
    assert_eq!(code(&admin.ask_in("/admin", "session:end", &payload)), "ok");
    let none = account(&mut admin, &first.id);
    assert_eq!(none["sessions"], json!([]), "{none}");
    assert_eq!(none["user"]["last_login"], shown["user"]["last_login"]);
    let printed = done(&server, &["user", "show", "ann"], "");
    assert!(printed.contains("\nlast login 20"), "{printed}");
}

#[test]
fn user_of_another_issuer_has_no_session_and_no_login() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let mut client = open(&server, "203.0.113.7");
    client.sign_in(&hs256("bob"));
    let found = admin.ask_in("/admin", "admin:users", &json!({ "query": "bob" }));
    let shown = account(&mut admin, found["users"][0]["id"].as_str().unwrap());
    assert_eq!(shown["sessions"], json!([]), "{shown}");
    assert_eq!(
        (&shown["user"]["external"], &shown["user"]["last_login"]),
        (&json!(true), &Value::Null)
    );
}

/// The reference of a rejected request of a client.
fn rejected(server: &TestServer, client: &str) -> String {
    let request = Request::get(server, "/nothing/here")
        .header("Origin", &server.origin)
        .header("X-Forwarded-For", client);
    let answer = request.ask_on(&mut Connection::open_from(server, IpAddr::from(PROXY)));
    assert_eq!(answer.status, 404);
    String::from(answer.json()["ref"].as_str().unwrap())
}

#[test]
fn t377_reference_of_a_sampled_rejection_has_rule_and_time() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let mut events = |reference: &str| {
        let payload = json!({ "filter": { "ref": reference } });
        let answer = admin.ask_in("/admin", "admin:events", &payload);
        assert_eq!(code(&answer), "ok", "{answer}");
        answer
    };
    let references: Vec<_> = (0..40).map(|_| rejected(&server, "203.0.113.7")).collect();
    let _first = server.records.wait_for_reference(&references[0]);
    let last = references.last().unwrap();
    let answer = events(last);
    assert_eq!(answer["events"], json!([]), "a flood is sampled: {answer}");
    let explained = &answer["explained"];
    assert_eq!(explained["event_code"], "malicious_excess_404", "{answer}");
    assert_eq!((&explained["status"], &explained["within_s"]), (&json!(404), &json!(4)));
    assert!(explained["at"].as_str().unwrap().ends_with('Z'), "{answer}");
    let spoken = references[0].to_uppercase().replace('0', "O");
    let answer = events(&spoken);
    assert_eq!(answer["events"][0]["trace"]["id"], json!(references[0]), "{answer}");
    assert_eq!(answer["events"][0]["rule"]["name"], answer["explained"]["rule"], "{answer}");
    for foreign in ["0123456789ab", "k3v9", ""] {
        let answer = events(foreign);
        assert_eq!(
            (&answer["explained"], &answer["events"]),
            (&Value::Null, &json!([])),
            "{foreign}"
        );
    }
}

#[test]
fn rejected_network_shows_its_connections_and_users() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let ann = sign_up(&server, "ann");
    let _clients = ["203.0.113.7", "203.0.113.8", "2001:db8:1:2::7"].map(|client| {
        let mut client = open(&server, client);
        client.sign_in(&ann.token);
        client
    });
    let _waiting = open(&server, "203.0.113.9");
    for client in ["203.0.113.200", "2001:db8:1:9::1", "192.0.2.1"] {
        let _reference = rejected(&server, client);
    }
    // The first answer does not wait for the count.
    let answer = until("the counts of the networks", || {
        let answer = admin.ask_in("/admin", "admin:offenders", &json!({}));
        let is_counted = answer["offenders"].as_array()?.iter().any(|one| one["users_behind"] == 1);
        is_counted.then_some(answer)
    });
    for (network, connections, users) in
        [("203.0.113.0/24", 3, 1), ("2001:db8:1::/48", 1, 1), ("192.0.2.0/24", 0, 0)]
    {
        let offenders = answer["offenders"].as_array().unwrap();
        let found = offenders.iter().find(|offender| offender["value"] == network);
        let found = found.unwrap_or_else(|| panic!("{network}: {answer}"));
        assert_eq!(
            (&found["connections"], &found["users_behind"]),
            (&json!(connections), &json!(users))
        );
    }
    let rule = answer["offenders"].as_array().unwrap().iter().find(|one| one["kind"] == "rule");
    assert!(rule.is_none_or(|rule| rule.get("users_behind").is_none()), "{answer}");
}

#[test]
fn reads_about_persons_are_recorded_once_a_minute_with_what_was_selected() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let ann = sign_up(&server, "ann");
    let mut user = open(&server, "203.0.113.7");
    user.sign_in(&ann.token);
    let listed =
        admin.ask_in("/admin", "admin:connections", &json!({ "filter": { "user": "ann" } }));
    let connection = &listed["connections"][0]["id"];
    let (id, address) = (json!(ann.id), json!("203.0.113.7"));
    for (event, payload, target, label) in [
        ("admin:users", json!({ "query": "a" }), Value::Null, Value::Null),
        ("admin:user", json!({ "user": ann.id }), id.clone(), Value::Null),
        ("admin:connection", json!({ "id": connection }), id.clone(), address.clone()),
        ("admin:connections", json!({ "filter": { "user": ann.id } }), id.clone(), Value::Null),
        ("admin:limits", json!({ "address": "203.0.113.7" }), Value::Null, address.clone()),
        (
            "admin:events",
            json!({ "filter": { "address": "203.0.113.0/24", "user": "ann" } }),
            id.clone(),
            json!("203.0.113.0/24"),
        ),
        (
            "admin:watch",
            json!({ "streams": ["event"], "filter": { "user": "ann" } }),
            id.clone(),
            Value::Null,
        ),
    ] {
        for _ in 0..3 {
            let answer = admin.ask_in("/admin", event, &payload);
            assert_eq!(code(&answer), "ok", "{event}: {answer}");
        }
        let record = server.records.wait_for(|record| {
            record["event"]["code"] == "personal_data_read" && record["event"]["action"] == event
        });
        assert_eq!(record["user"]["name"], "rita", "{record}");
        assert_eq!(
            (&record["user"]["target"]["id"], &record["labels"]["address"]),
            (&target, &label),
            "{event}: {record}"
        );
    }
    // Another person has another record.
    let bob = sign_up(&server, "bob");
    let _shown = account(&mut admin, &bob.id);
    let _second = server.records.wait_for(|record| {
        record["event"]["action"] == "admin:user" && record["user"]["target"]["id"] == bob.id
    });
    // A change is recorded after all reads.
    let payload = json!({ "state": "normal", "reason": "the last record" });
    assert_eq!(code(&admin.ask_in("/admin", "state:pin", &payload)), "ok");
    let _last = server.records.wait_for(|record| record["event"]["action"] == "state:pin");
    let reads = |records: &[Value]| {
        records.iter().filter(|record| record["event"]["code"] == "personal_data_read").count()
    };
    assert_eq!(reads(&server.records.all()), 8, "one for each operation and selection");
    // Reads that select no person have no record.
    for event in
        ["admin:overview", "admin:timeline", "admin:blocks", "admin:alerts", "admin:affected"]
    {
        assert_eq!(code(&admin.ask_in("/admin", event, &json!({}))), "ok");
    }
    let unpin = json!({ "reason": "the last record" });
    assert_eq!(code(&admin.ask_in("/admin", "state:unpin", &unpin)), "ok");
    let all = until("the record of the change", || {
        let all = server.records.all();
        all.iter().any(|record| record["event"]["action"] == "state:unpin").then_some(all)
    });
    assert_eq!(reads(&all), 8);
}
