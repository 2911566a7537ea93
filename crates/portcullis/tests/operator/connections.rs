//! Open connections: listed with filters, page by page, and found by id.
//! Never: a connection of the test that the test did not open.

use std::net::IpAddr;

use portcullis_test::{
    Connection, PlainClient, PollingClient, Request, SioClient, TestServer, sign_up,
};
use serde_json::{Value, json};

use crate::changes::{PROXY, administrator, code, open, start};

/// The connections of one answer.
fn list(admin: &mut SioClient, payload: &Value) -> Vec<Value> {
    let answer = admin.ask_in("/admin", "admin:connections", payload);
    assert_eq!(code(&answer), "ok", "{payload}: {answer}");
    answer["connections"].as_array().unwrap().clone()
}

/// The addresses of the connections that fit a filter, sorted.
fn addresses(admin: &mut SioClient, filter: Value) -> Vec<String> {
    let found = list(admin, &json!({ "filter": filter }));
    let address = |one: &Value| String::from(one["address"].as_str().unwrap());
    let mut found: Vec<_> = found.iter().map(address).collect();
    found.sort();
    found
}

fn plain(server: &TestServer, client: &str) -> PlainClient {
    let connection = Connection::open_from(server, IpAddr::from(PROXY));
    let request = Request::upgrade(server, "/ws").header("X-Forwarded-For", client);
    PlainClient::over(connection, &request)
}

#[test]
fn connections_are_listed_by_user_network_and_login() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let ann = sign_up(&server, "Ann");
    let mut user = open(&server, "203.0.113.7");
    user.sign_in(&ann.token);
    let mut plain_user = plain(&server, "203.0.113.8");
    let answer = plain_user.ask("connect", &json!({ "token": ann.token }));
    assert_eq!(answer["ok"], true, "{answer}");
    let _waiting = open(&server, "2001:db8::7");
    let _polling = PollingClient::open_from(&server, [127, 0, 0, 3]);
    let all = ["127.0.0.3", "198.51.100.7", "2001:db8::7", "203.0.113.7", "203.0.113.8"];
    let of_ann = &all[3..];
    for (filter, expect) in [
        (json!({}), &all[..]),
        (json!({ "user": ann.id }), of_ann),
        (json!({ "user": "aNN" }), of_ann),
        (json!({ "address": "203.0.113.0/24" }), of_ann),
        (json!({ "address": "::ffff:203.0.113.8" }), &all[4..]),
        (json!({ "address": "2001:db8::/32" }), &all[2..3]),
        (json!({ "signed_in": true }), &["198.51.100.7", "203.0.113.7", "203.0.113.8"]),
        (json!({ "signed_in": false }), &["127.0.0.3", "2001:db8::7"]),
        (json!({ "signed_in": false, "user": ann.id }), &[]),
        (json!({ "user": ann.id, "address": "203.0.113.8", "signed_in": true }), &all[4..]),
    ] {
        assert_eq!(addresses(&mut admin, filter.clone()), expect, "{filter}");
    }
    for (payload, expect) in [
        (json!({ "filter": { "user": "missing" } }), "user_unknown"),
        (json!({ "filter": { "address": "203.0.113" } }), "address_invalid"),
        (json!({ "cursor": "0" }), "cursor_invalid"),
        (json!({ "limit": 0 }), "limit_invalid"),
        (json!({ "limit": 201 }), "limit_invalid"),
        (json!({ "filter": { "name": "ann" } }), "INVALID_MESSAGE"),
    ] {
        let answer = admin.ask_in("/admin", "admin:connections", &payload);
        assert_eq!(code(&answer), expect, "{payload}: {answer}");
    }
}

#[test]
fn pages_of_connections_have_each_connection_once() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let _clients: Vec<_> =
        (1..=7).map(|host| open(&server, &format!("203.0.113.{host}"))).collect();
    let mut ids: Vec<String> = Vec::new();
    let mut payload = json!({ "limit": 3 });
    loop {
        let answer = admin.ask_in("/admin", "admin:connections", &payload);
        let page = answer["connections"].as_array().unwrap();
        assert!(page.len() <= 3, "{answer}");
        ids.extend(page.iter().map(|one| String::from(one["id"].as_str().unwrap())));
        assert_eq!(answer["more"], json!(answer["cursor"].is_string()), "{answer}");
        if answer["more"] == false {
            break;
        }
        payload["cursor"] = answer["cursor"].clone();
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((count, ids.len()), (8, 8), "{ids:?}");
}

#[test]
fn connection_shows_its_user_form_messages_and_rejections() {
    let server = start();
    let mut admin = administrator(&server, "198.51.100.7", 0);
    let ann = sign_up(&server, "ann");
    let mut user = open(&server, "203.0.113.7");
    user.sign_in(&ann.token);
    let created = user.ask("room:create", &json!({ "name": "den", "visibility": "public" }));
    assert_eq!(created["ok"], true, "{created}");
    let rejected = user.ask("admin:broadcast", &json!({ "message": "hello" }));
    assert_eq!(rejected["ok"], false, "{rejected}");
    let _plain = plain(&server, "203.0.113.8");
    let _polling = PollingClient::open_from(&server, [127, 0, 0, 3]);

    let found = list(&mut admin, &json!({ "filter": { "user": ann.id } }));
    let id = found[0]["id"].as_str().unwrap();
    let answer = admin.ask_in("/admin", "admin:connection", &json!({ "id": id }));
    let one = &answer["connection"];
    for (member, expect) in [
        ("id", json!(id)),
        ("user", json!(ann.id)),
        ("name", json!("ann")),
        ("address", json!("203.0.113.7")),
        ("form", json!("socketio")),
        ("transport", json!("websocket")),
        ("rooms", json!(1)),
        ("outbox_bytes", json!(0)),
        ("in_per_min", json!(2)),
        ("rejected", json!(1)),
    ] {
        assert_eq!(one[member], expect, "{member}: {answer}");
    }
    assert!(one["since"].as_str().unwrap().ends_with('Z'), "{answer}");
    for (address, form, transport) in
        [("203.0.113.8", "websocket", "websocket"), ("127.0.0.3", "socketio", "polling")]
    {
        let found = list(&mut admin, &json!({ "filter": { "address": address } }));
        assert_eq!((&found[0]["form"], &found[0]["transport"]), (&json!(form), &json!(transport)));
        assert_eq!((&found[0]["user"], &found[0]["name"]), (&Value::Null, &Value::Null));
    }
    for id in ["", "0", "99999-1", "200-1", "0-0", "0-999999", "0-18446744073709551616"] {
        let answer = admin.ask_in("/admin", "admin:connection", &json!({ "id": id }));
        assert_eq!(code(&answer), "connection_unknown", "{id}");
    }
}
