//! Invitations that administrators make, list and revoke.
//! Never: a secret in a list, a record or a second answer.

use portcullis_test::{Config, Request, SioClient, TestServer, set_up};
use serde_json::{Value, json};

use crate::start;

const PASSWORD: &str = "a plain long sentence of my own";

fn config(registration: &str) -> Config {
    Config { more: format!("[accounts]\nregistration = {registration:?}\n"), ..Config::default() }
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or("ok")
}

/// Registers with an invitation; returns the status.
fn register(server: &TestServer, name: &str, invitation: &Value) -> u16 {
    let body = json!({
        "username": name,
        "password": PASSWORD,
        "invitation": invitation,
    });
    Request::post(server, "/auth/register", &body.to_string()).ask(server).status
}

fn list(client: &mut SioClient) -> Vec<Value> {
    let answer = client.ask_in("/admin", "admin:invitations", &json!({}));
    answer["invitations"].as_array().unwrap().clone()
}

#[test]
fn invitation_admits_one_user_until_it_is_revoked() {
    let server = start(&config("invitation"));
    let admin = set_up(&server, "the_admin");
    let mut client = SioClient::connect(&server, &admin.token);
    client.join_namespace("/admin", &json!({ "token": admin.token }).to_string()).unwrap();
    let create = |client: &mut SioClient, more: Value| {
        let mut payload = json!({ "reason": "a new colleague" });
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.ask_in("/admin", "invitation:create", &payload)
    };
    let preview = create(&mut client, json!({ "dry_run": true }));
    assert_eq!(preview["effect"]["connections"], 0, "{preview}");
    assert_eq!(list(&mut client), Vec::<Value>::new());

    let (used, revoked) = (create(&mut client, json!({})), create(&mut client, json!({})));
    let link = used["link"].as_str().unwrap();
    let secret = used["secret"].as_str().unwrap();
    assert_eq!(link, format!("https://{}/#invitation={secret}", server.public), "{used}");
    assert_eq!(register(&server, "ann", &used["secret"]), 201);
    assert_eq!(register(&server, "bob", &used["secret"]), 403);
    let listed = list(&mut client);
    let of = |answer: &Value| {
        let id = &answer["invitation"]["id"];
        listed.iter().find(|row| row["id"] == *id).cloned().unwrap()
    };
    assert_eq!((&of(&used)["used_by"], &of(&used)["by"]), (&json!("ann"), &json!("the_admin")));
    assert_eq!(of(&revoked)["used_by"], Value::Null);

    for (answer, expect) in
        [(&revoked, "ok"), (&revoked, "invitation_unknown"), (&used, "invitation_unknown")]
    {
        let payload =
            json!({ "id": answer["invitation"]["id"], "reason": "sent to the wrong person" });
        let answer = client.ask_in("/admin", "invitation:revoke", &payload);
        assert_eq!(code(&answer), expect, "{answer}");
    }
    assert_eq!(register(&server, "bob", &revoked["secret"]), 403);
    assert_eq!(list(&mut client).len(), 1);
    let record = server.records.wait_for(|it| it["event"]["action"] == "invitation:revoke");
    assert_eq!(record["labels"]["stated_reason"], "sent to the wrong person", "{record}");
    assert_eq!(record["event"]["code"], "authz_admin", "{record}");
    let log = server.records.text();
    for answer in [&used, &revoked] {
        assert!(!log.contains(answer["secret"].as_str().unwrap()), "a secret is in the log");
    }
    for (payload, expect) in [
        (json!({ "duration_s": 0 }), "duration_invalid"),
        (json!({ "duration_s": 604_801 }), "duration_invalid"),
        (json!({ "reason": "x" }), "reason_invalid"),
    ] {
        let answer = create(&mut client, payload);
        assert_eq!(code(&answer), expect, "{answer}");
    }
}

#[test]
fn invitation_that_would_admit_no_one_is_rejected_with_the_key() {
    let server = start(&config("closed"));
    let post = |path: &str, body: Value| {
        let request = Request::post(&server, path, &body.to_string());
        request.header("X-Portcullis-Operator", &server.operator_key()).ask_private(&server)
    };
    let answer = post("/admin/v1/invitation/create", json!({ "reason": "a new colleague" }));
    assert_eq!((answer.status, code(&answer.json())), (400, "invitations_off"));
    let listed = post("/admin/v1/invitations", json!({})).json();
    assert_eq!(listed["registration"], "closed", "{listed}");
    // A person with an old page or link learns the cause, and is not counted as an attacker.
    let body = json!({ "username": "ann", "password": PASSWORD, "invitation": "inv_old" });
    let setup = json!({ "token": "old", "username": "ann", "password": PASSWORD });
    for (path, body, expect) in [
        ("/auth/register", &body, "Registration is closed on this server"),
        ("/auth/setup", &setup, "This set-up link is not valid"),
    ] {
        let answer = Request::post(&server, path, &body.to_string()).ask(&server);
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("forbidden")));
        let message = answer.json()["message"].clone();
        assert!(message.as_str().unwrap().starts_with(expect), "{message}");
    }
    let limits = post("/admin/v1/limits", json!({ "address": "127.0.0.1" })).json();
    let limits = limits.pointer("/prefixes/0/limits").and_then(Value::as_array).unwrap();
    let penalty = limits.iter().find(|limit| limit["limit"] == "penalty_per_prefix").unwrap();
    assert_eq!(penalty["used"], 0, "{penalty}");
}
