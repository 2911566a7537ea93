//! Load levels: the clients each admits, how one is entered and pinned, requests of operators.
//! Never: a load level in which a message is not checked.

use portcullis_test::{
    Answer, Config, Connection, Request, SioClient, TestServer, counter, hs256, register, sign_up,
    until,
};
use serde_json::{Value, json};

use crate::clients::{alive, create_room, start};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
const PASSWORD: &str = "a portcullis of plain oak";

fn upgrade(server: &TestServer, admission: Option<&str>) -> Answer {
    let request = Request::upgrade(server, PATH);
    let request = match admission {
        Some(admission) => request.header("X-Admission", admission),
        None => request,
    };
    request.ask(server)
}

fn login(server: &TestServer, name: &str) -> Answer {
    let body = json!({ "username": name, "password": PASSWORD }).to_string();
    Request::post(server, "/auth/login", &body).ask(server)
}

/// Registers and logs in; gives the token and the admission.
fn known(server: &TestServer, name: &str) -> (String, String) {
    let _registered = register(server, name, PASSWORD);
    let body = login(server, name).json();
    let text = |key: &str| String::from(body[key].as_str().unwrap());
    (text("access_token"), text("admission"))
}

fn pin(server: &TestServer, state: &str) -> String {
    let output = server.operate(&["state", "pin", state], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Header lines.
type Headers<'a> = &'a [(&'a str, &'a str)];

fn admin(server: &TestServer, line: &str, headers: Headers<'_>) -> (u16, Value) {
    let request = Request::bare(&format!("{line} HTTP/1.1"));
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = request.ask_private(server);
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

#[test]
fn shedding_rejects_unauthenticated_and_admits_returning_clients() {
    let mut config = Config::default();
    config.overload.push(String::from("waiting_logins = 0"));
    // Registering takes one of them, logging in another, and none comes back during the test.
    config.rate.retain(|line| !line.starts_with("login_total"));
    config.rate.push(String::from("login_total = \"4/10h\""));
    let server = start(&config);
    let (token, admission) = known(&server, "ann");
    let mut inside = SioClient::connect(&server, &hs256("bob"));
    assert!(pin(&server, "shedding").contains("state: shedding"));
    for path in [PATH, "/socket.io/?EIO=4&transport=polling", "/ws"] {
        let refused = Request::upgrade(&server, path).ask(&server);
        assert_eq!(refused.status, 503, "{path}");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((30..=60).contains(&wait), "{wait}");
    }
    let record = server.records.wait_for_rule("shedding");
    assert_eq!(record["event"]["reason"], "unauthenticated");
    let request = Request::upgrade(&server, PATH).header("X-Admission", &admission);
    let mut ann = SioClient::over(Connection::open(&server), &request);
    ann.sign_in(&token);
    for client in [&mut ann, &mut inside] {
        assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
    }
    // A forged admission is none, and checks are made as ever.
    assert_eq!(upgrade(&server, Some(&format!("{admission}A"))).status, 503);
    let evil = Request::upgrade(&server, PATH)
        .header("X-Admission", &admission)
        .with("Origin", "https://evil.example");
    assert_eq!(evil.ask(&server).status, 403);
    assert_eq!(ann.ask("chat:send", &json!({ "roomId": "none", "message": "x" }))["ok"], false);
    // Log-ins from anywhere: those that are left, then none for now.
    let labels = "{rule=\"shedding\",code=\"server_busy\",key=\"\"}";
    let shed = || counter(&server, &format!("portcullis_refusals_total{labels}"));
    let before = shed();
    let statuses: Vec<_> = (0..4).map(|_| login(&server, "missing").status).collect();
    assert_eq!(statuses, [401, 401, 503, 503]);
    assert_eq!(shed(), before + 2);
    assert!(pin(&server, "auto").contains("pinned: -"));
    alive(&server);
    let endless = server.operate(&["state", "pin", "auto", "--for", "1s"], "");
    assert!(String::from_utf8(endless.stderr).unwrap().contains("auto has no end"));
    // A pin for a time ends by itself, which is recorded.
    let output = server.operate(&["state", "pin", "shedding", "--for", "1s"], "");
    assert!(String::from_utf8(output.stdout).unwrap().contains("pinned_for_ms: "));
    let _record = server.records.wait_for(|record| {
        record["message"].as_str().is_some_and(|text| text.contains("pin to shedding has ended"))
    });
    alive(&server);
}

#[test]
fn critical_disconnects_unauthenticated_clients_and_defers_work() {
    let mut config = Config::default();
    config.transport.push(String::from("connect_timeout_ms = 60000"));
    let server = start(&config);
    let (_token, admission) = known(&server, "ann");
    let mut bob = SioClient::connect(&server, &hs256("bob"));
    let room = create_room(&mut bob, "Gate");
    let mut outsider = SioClient::open(&server);
    let _critical = pin(&server, "critical");
    assert_eq!(outsider.close_code(), Some(1013));
    let sent = bob.ask("chat:send", &json!({ "roomId": room, "message": "Are you there?" }));
    assert_eq!(sent["ok"], true, "{sent}");
    for (event, payload) in [
        ("room:list", json!({})),
        ("room:create", json!({ "name": "More", "visibility": "public" })),
        ("chat:history", json!({ "roomId": room })),
    ] {
        let refused = bob.ask(event, &payload);
        assert_eq!(refused["error"]["code"], "server_busy", "{event}: {refused}");
        assert!(refused["error"]["retry_after_s"].is_u64(), "{refused}");
    }
    // Refused for being malformed as ever, not for the load.
    let malformed = bob.ask("chat:send", &json!({ "roomId": 7 }));
    assert_eq!(malformed["error"]["code"], "INVALID_MESSAGE");
    assert_eq!(Request::get(&server, "/").ask(&server).status, 503);
    assert_eq!(login(&server, "ann").status, 503);
    let page = Request::get(&server, "/nothing").header("X-Admission", &admission).ask(&server);
    assert_eq!(page.status, 404);
    let _normal = pin(&server, "normal");
    assert_eq!(bob.ask("room:list", &json!({}))["ok"], true);
    alive(&server);
}

#[test]
fn measured_overload_changes_the_load_level_and_is_recorded() {
    let overload = vec![String::from("memory_limit_mib = 1")];
    let server = start(&Config { overload, ..Config::default() });
    let record =
        server.records.wait_for(|record| record["event"]["code"] == "degradation_state_changed");
    assert_eq!(record["event"]["reason"], "critical");
    assert_eq!(record["log"]["level"], "critical");
    assert!(record["message"].as_str().unwrap().contains("memory is "), "{record}");
    assert_eq!(upgrade(&server, None).status, 503);
    let shown = server.operate(&["state", "show"], "");
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("state: critical") && shown.contains("measured: critical"), "{shown}");
    // Said to be normal, it is taken for normal; what is measured is still told.
    let pinned = pin(&server, "normal");
    assert!(pinned.contains("state: normal") && pinned.contains("measured: critical"), "{pinned}");
    assert_eq!(upgrade(&server, None).status, 101);
    until("the state in the metrics", || {
        let answer = Request::bare("GET /metrics HTTP/1.1")
            .header("Host", &server.private.to_string())
            .ask_private(&server);
        let text = String::from_utf8(answer.body).unwrap();
        for queue in ["passwords", "store", "log"] {
            assert!(text.contains(&format!("portcullis_queue{{queue=\"{queue}\"}} ")), "{text}");
        }
        let memory = text.lines().find_map(|line| {
            line.strip_prefix("portcullis_load_signals{signal=\"memory\"} ")?.parse::<f64>().ok()
        });
        (text.contains("portcullis_load_state 0") && memory.is_some_and(|part| part > 100.0))
            .then_some(())
    });
}

#[test]
fn operator_sees_limited_clients_and_lifts_limits() {
    let mut config = Config::strict_rates();
    config.rate = vec![String::from("connect_per_prefix = \"3/60s\"")];
    let server = start(&config);
    let statuses: Vec<_> = (0..5).map(|_| upgrade(&server, None).status).collect();
    assert_eq!(statuses, [101, 101, 101, 429, 429]);
    let run = |words: &[&str]| {
        let output = server.operate(words, "");
        let reply = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &reply)
    };
    let (code, reply) = run(&["limits", "explain", "127.0.0.1"]);
    assert_eq!(code, Some(0), "{reply}");
    let line = reply.lines().find(|line| line.contains("connect_per_prefix:")).unwrap();
    assert!(line.contains("of 3 in 60 s, blocked until "), "{line}");
    assert!(line.contains(" UTC (in "), "{line}");
    let (code, _) = run(&["limits", "unlock", "::ffff:127.0.0.1"]);
    assert_eq!(code, Some(0));
    assert_eq!(upgrade(&server, None).status, 101);
    let record = server.records.wait_for(|record| record["event"]["action"] == "limits:unlock");
    assert_eq!(record["event"]["code"], "authz_admin");
    assert_eq!(record["event"]["reason"], "operator");
    assert_eq!(record["labels"]["address"], "127.0.0.1");
    let (code, reply) = run(&["limits", "explain", "no-such-limit"]);
    assert_eq!(code, Some(1));
    assert!(reply.contains("there is no user \"no-such-limit\": see"), "{reply}");
    assert!(reply.contains("no user has this id"), "{reply}");
    let (code, reply) = run(&["limits", "explain", "not an id"]);
    assert_eq!(code, Some(1));
    assert!(reply.contains("neither an address nor"), "{reply}");
    // A user, by the id that records show.
    let ann = SioClient::connect(&server, &hs256("ann"));
    let record = server.records.wait_for(|record| record["event"]["code"] == "ws_connected");
    let id = record["user"]["id"].as_str().unwrap();
    let (code, reply) = run(&["limits", "explain", id]);
    assert_eq!(code, Some(0), "{reply}");
    assert!(reply.contains("connections: 1") && reply.contains("message_per_user: "), "{reply}");
    drop(ann);
    // A user of this server, by name and by id.
    let bob = sign_up(&server, "bob");
    let by_id = run(&["limits", "explain", &bob.id]);
    assert_eq!(by_id.0, Some(0), "{}", by_id.1);
    for name in ["bob", "Bob"] {
        assert_eq!(run(&["limits", "explain", name]), by_id, "{name}");
    }
    let (code, reply) = run(&["limits", "unlock", "bob"]);
    assert!(code == Some(0) && reply.contains("login_per_user: 0 of 10"), "{reply}");
}

#[test]
fn admin_request_without_key_or_from_a_page_is_rejected() {
    let server = start(&Config::default());
    let host = server.private.to_string();
    let key = server.operator_key();
    let good = [("Host", host.as_str()), ("X-Portcullis-Operator", key.as_str())];
    let (state, pin) = ("POST /admin/v1/state", "POST /admin/v1/state/pin");
    assert_eq!(admin(&server, state, &good).0, 200);
    let longer = format!("{key}A");
    let cases: [(&str, Headers<'_>, u16); 15] = [
        (pin, &good[..1], 403),
        (pin, &[good[0], (good[1].0, "1")], 403),
        (pin, &[good[0], (good[1].0, &longer)], 403),
        (pin, &[good[0], (good[1].0, &key[1..])], 403),
        (pin, &[good[0], good[1], good[1]], 403),
        (pin, &[good[0], good[1], ("Origin", "null")], 403),
        (pin, &[("Host", "evil.example:1"), good[1]], 421),
        (pin, &[good[1]], 400),
        ("POST /admin/v1/state/pin?state=critical", &good, 400),
        ("GET /admin/v1/limits/unlock?address=127.0.0.1", &good, 405),
        ("POST /admin/v1/nothing", &good, 404),
        // The paths of earlier versions.
        ("GET /admin/state", &good, 404),
        ("POST /admin/state?pin=critical", &good, 404),
        ("GET /admin/limits?address=127.0.0.1", &good, 404),
        ("POST /admin/limits/unlock?address=127.0.0.1", &good, 404),
    ];
    for (line, headers, expect) in cases {
        assert_eq!(admin(&server, line, headers).0, expect, "{line} {headers:?}");
    }
    assert_eq!(admin(&server, state, &good).1["state"], "normal");
    // Nothing of it is on the public listener.
    let public = Request::post(&server, "/admin/v1/state", "{}");
    assert_eq!(public.header("X-Portcullis-Operator", &key).ask(&server).status, 404);
}
