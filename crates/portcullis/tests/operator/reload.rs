//! Reloads of the configuration of a running server, by command and by signal.
//! Never: a restart.

use std::path::PathBuf;
use std::process::Command;

use portcullis_test::{
    Config, PlainClient, Request, SECRET, SioClient, TestServer, claims, counter, forge_hs256,
    sign_up, until,
};
use serde_json::{Value, json};

use crate::{done, start};

/// Connections that a reload must not end.
const CONNECTIONS: usize = 100;
const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

fn file(server: &TestServer) -> PathBuf {
    server.data().parent().unwrap().join("portcullis.toml")
}

/// Replaces a part of the configuration file, which occurs once.
fn edit(server: &TestServer, old: &str, new: &str) {
    let text = std::fs::read_to_string(file(server)).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{old} in {text}");
    std::fs::write(file(server), text.replace(old, new)).unwrap();
}

/// The status of an upgrade by a page of this origin.
fn status_of_page(server: &TestServer, origin: &str) -> u16 {
    Request::upgrade(server, SOCKET).with("Origin", origin).ask(server).status
}

fn reload_record(server: &TestServer, mark: usize, outcome: &str) -> Value {
    server.records.wait_after(mark, |record| {
        record["event"]["code"] == "sys_reload"
            && record["event"]["outcome"] == outcome
            && record["rule"]["name"] != "weakened"
    })
}

fn message(record: &Value) -> &str {
    record["message"].as_str().unwrap()
}

#[test]
fn t274_reload_applies_what_it_can_names_the_rest_and_ends_no_connection() {
    let server = start(&Config::default().production());
    let people: Vec<_> =
        (0..CONNECTIONS / 2).map(|n| sign_up(&server, &format!("person{n}"))).collect();
    let mut sockets: Vec<_> =
        people.iter().map(|person| SioClient::connect(&server, &person.token)).collect();
    let mut plain: Vec<_> =
        people.iter().map(|person| PlainClient::connect(&server, &person.token)).collect();
    let shop = "https://shop.example";
    assert_eq!(status_of_page(&server, shop), 403);
    edit(&server, "allowed = [", &format!("allowed = [{shop:?}, "));
    edit(&server, "[rate]\n", "[rate]\nlogin_per_user = \"7/60s\"\n");
    let text = std::fs::read_to_string(file(&server)).unwrap();
    std::fs::write(file(&server), text + "\n[audit]\nkeep_days = 31\n").unwrap();

    // The preview changes nothing.
    let preview = done(&server, &["reload", "--dry-run"], "");
    assert!(preview.contains("rate.login_per_user: "), "{preview}");
    assert!(preview.contains("-> 31 (needs a restart)"), "{preview}");
    assert!(preview.contains("2 changes would apply, 1 change would need a restart"), "{preview}");
    assert_eq!(status_of_page(&server, shop), 403);

    let mark = server.records.mark();
    let printed = done(&server, &["reload"], "");
    assert!(printed.contains("origin.allowed: "), "{printed}");
    assert!(printed.contains("2 changes applied, 1 change needs a restart"), "{printed}");
    let record = reload_record(&server, mark, "success");
    let expect = "applied: origin.allowed, rate.login_per_user; needs a restart: audit.keep_days";
    assert_eq!(message(&record), expect);
    assert_eq!(status_of_page(&server, shop), 101);
    assert_eq!(counter(&server, "portcullis_connections_open"), CONNECTIONS as u64);
    for socket in &mut sockets {
        assert_eq!(socket.ask("room:list", &json!({}))["ok"], true);
    }
    for socket in &mut plain {
        assert_eq!(socket.ask("room:list", &json!({}))["ok"], true);
    }
    // The same file again: only what waits for the restart is named.
    let again = done(&server, &["reload"], "");
    assert!(again.starts_with("audit.keep_days: "), "{again}");
    assert!(again.contains("0 changes applied, 1 change needs a restart"), "{again}");
}

#[test]
fn t274_configuration_with_a_fault_is_named_and_the_one_in_force_stays() {
    let server = start(&Config::default().production());
    let good = std::fs::read_to_string(file(&server)).unwrap();
    let shop = "https://shop.example";
    let cases = [
        ("[origin]\n", "[orgin]\n", "orgin"),
        ("allowed = [", "allowed = [\"http://shop.example\", ", "http://shop.example"),
        ("[rate]\n", "[rate]\nlogin_per_user = \"-1/60s\"\n", "login_per_user"),
        ("[rate]\n", "[rate]\nevent_per_user = { \"no:such\" = \"1/1s\" }\n", "no:such"),
        ("cert.pem", "none.pem", "none.pem"),
    ];
    for (old, new, named) in cases {
        let added = good.replace("allowed = [", &format!("allowed = [{shop:?}, "));
        assert_eq!(added.matches(old).count(), 1, "{old}");
        std::fs::write(file(&server), added.replace(old, new)).unwrap();
        let mark = server.records.mark();
        let output = server.operate(&["reload"], "");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{text}");
        assert!(text.contains(named), "{named} in {text}");
        if output.status.code() == Some(2) {
            // The command has read the file, to find the server, and not asked it.
            server.signal("HUP");
        }
        assert!(message(&reload_record(&server, mark, "failure")).contains(named), "{named}");
        assert_eq!(status_of_page(&server, shop), 403, "{named}: nothing is applied in part");
        assert_eq!(status_of_page(&server, Config::PAGE), 101);
    }
    std::fs::write(file(&server), good).unwrap();
    let printed = done(&server, &["reload"], "");
    assert!(printed.contains("0 changes applied, 0 changes need a restart"), "{printed}");
}

#[test]
fn t274_signal_applies_limits_to_connections_that_are_open() {
    let server = start(&Config::default());
    let ann = sign_up(&server, "ann");
    let mut socket = SioClient::connect(&server, &ann.token);
    let list = |socket: &mut SioClient| socket.ask("room:list", &json!({}));
    assert_eq!(list(&mut socket)["ok"], true);
    edit(&server, "[rate]\n", "[rate]\nmessage_per_user = \"1/20s\"\n");
    let mark = server.records.mark();
    server.signal("HUP");
    assert_eq!(message(&reload_record(&server, mark, "success")), "applied: rate.message_per_user");
    let rejected = until("a rejection", || {
        let answer = list(&mut socket);
        (answer["ok"] == false).then_some(answer)
    });
    assert_eq!(rejected["error"]["code"], "RATE_LIMIT_EXCEEDED");
    edit(&server, "message_per_user = \"1/20s\"\n", "");
    server.signal("HUP");
    until("the default again", || (list(&mut socket)["ok"] == true).then_some(()));
}

#[test]
fn t274_raised_rate_holds_at_once_for_a_user_with_the_former_used_up() {
    let mut config = Config::default();
    config.rate.push(String::from("message_per_user = \"1/1h\""));
    let server = start(&config);
    let ann = sign_up(&server, "ann");
    let mut socket = SioClient::connect(&server, &ann.token);
    let list = |socket: &mut SioClient| socket.ask("room:list", &json!({}));
    assert_eq!(list(&mut socket)["ok"], true);
    assert_eq!(list(&mut socket)["error"]["code"], "RATE_LIMIT_EXCEEDED");
    edit(&server, "message_per_user = \"1/1h\"", "message_per_user = \"100/1s\"");
    done(&server, &["reload"], "");
    until("the raised rate", || (list(&mut socket)["ok"] == true).then_some(()));
}

#[test]
fn t274_link_of_an_invitation_names_the_page_of_the_newest_reload() {
    let server = start(&Config::default().production());
    let page_of_link = || {
        let body = json!({ "reason": "a new colleague" }).to_string();
        let request = Request::post(&server, "/admin/v1/invitation/create", &body);
        let request = request.header("X-Portcullis-Operator", &server.operator_key());
        let answer = request.ask_private(&server).json();
        let (page, _) = answer["link"].as_str().unwrap().split_once("#invitation=").unwrap();
        String::from(page)
    };
    assert_eq!(page_of_link(), format!("{}/", Config::PAGE));
    edit(&server, "allowed = [", "allowed = [\"https://shop.example\", ");
    assert_eq!(page_of_link(), format!("{}/", Config::PAGE), "not reloaded yet");
    done(&server, &["reload"], "");
    assert_eq!(page_of_link(), "https://shop.example/");
}

#[test]
fn t274_new_key_of_an_issuer_is_used_and_the_old_one_no_longer() {
    let server = start(&Config::default());
    let token = |secret: &str| {
        let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
        forge_hs256(&header, &claims("rita").to_string(), secret.as_bytes())
    };
    let ann = sign_up(&server, "ann");
    let mut own = SioClient::connect(&server, &ann.token);
    let mut outside = SioClient::connect(&server, &token(SECRET));
    assert_eq!(outside.ask("room:list", &json!({}))["ok"], true);
    let newer = format!("{SECRET} and more of it, for the next year");
    std::fs::write(server.data().parent().unwrap().join("hs256.key"), &newer).unwrap();
    done(&server, &["reload"], "");
    // A removed key opens nothing, and what it has opened ends; others stay.
    assert!(outside.close_code().is_some(), "the end of the old connection");
    let refused = SioClient::open(&server)
        .join_namespace("/", &json!({ "token": token(SECRET) }).to_string());
    assert!(refused.is_err(), "{refused:?}");
    let mut outside = SioClient::connect(&server, &token(&newer));
    assert_eq!(outside.ask("room:list", &json!({}))["ok"], true);
    assert_eq!(own.ask("room:list", &json!({}))["ok"], true);
}

#[test]
fn t274_rules_of_alerts_and_rights_of_roles_are_replaced() {
    let more = "roles_claim = [\"roles\"]\n[[role]]\nname = \"helpers\"\n\
                actions = [\"user:mute\"]\n[alert.rule.A2]\nenabled = false\n";
    let mut config = Config { more: String::from(more), ..Config::default() };
    config.rate.push(String::from("login_per_user = \"1000/60s\""));
    let server = start(&config);
    let ann = sign_up(&server, "ann");
    let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    let mut claims = claims("rita");
    claims["roles"] = json!(["helpers"]);
    let token = forge_hs256(&header, &claims.to_string(), SECRET.as_bytes());
    let mut helper = SioClient::connect(&server, &token);
    let kick = json!({ "userId": ann.id, "reason": "a test of rights" });
    let kicked = |helper: &mut SioClient| {
        let answer = helper.ask("user:kick", &kick);
        String::from(answer["error"]["code"].as_str().unwrap_or("ok"))
    };
    assert_eq!(kicked(&mut helper), "forbidden");
    edit(&server, "[\"user:mute\"]", "[\"user:mute\", \"user:kick\"]");
    edit(&server, "[alert.rule.A2]\nenabled = false\n", "[alert.rule.A2]\n");
    let printed = done(&server, &["reload"], "");
    assert!(printed.contains("role.helpers.actions: "), "{printed}");
    assert!(printed.contains("alert.rule.A2."), "{printed}");
    assert_eq!(kicked(&mut helper), "ok");
    crate::alert::alerts::guess(&server, "ann", 12);
    let _fired = server.records.wait_for(|record| {
        record["rule"]["name"] == "alert"
            && record["message"].as_str().is_some_and(|text| text.starts_with("A2 "))
    });
}

#[test]
fn t274_role_that_would_become_privileged_needs_a_restart() {
    let more = "[[role]]\nname = \"helpers\"\nactions = []\n";
    let server = start(&Config { more: String::from(more), ..Config::default() });
    edit(&server, "actions = []", "actions = [\"user:kick\"]");
    let printed = done(&server, &["reload"], "");
    assert!(printed.contains("role.helpers.actions: "), "{printed}");
    assert!(printed.contains("0 changes applied"), "{printed}");
}

#[test]
fn t274_configuration_that_vanishes_is_not_replaced_by_defaults() {
    let server = start(&Config::default().production());
    let mark = server.records.mark();
    std::fs::remove_file(file(&server)).unwrap();
    server.signal("HUP");
    let record = reload_record(&server, mark, "failure");
    assert!(message(&record).contains("portcullis.toml"), "{record}");
    assert_eq!(status_of_page(&server, Config::PAGE), 101);
}

#[test]
fn reload_waits_for_no_writer_of_a_named_pipe() {
    let server = start(&Config::default());
    let text = std::fs::read_to_string(file(&server)).unwrap();
    std::fs::remove_file(file(&server)).unwrap();
    assert!(Command::new("mkfifo").arg(file(&server)).status().unwrap().success());
    let mark = server.records.mark();
    server.signal("HUP");
    let record = reload_record(&server, mark, "failure");
    assert!(message(&record).contains("portcullis.toml is a named pipe"), "{record}");
    // A reload that waited would keep the next one waiting.
    std::fs::remove_file(file(&server)).unwrap();
    std::fs::write(file(&server), text).unwrap();
    let printed = done(&server, &["reload"], "");
    assert!(printed.contains("0 changes applied"), "{printed}");
}

#[test]
fn commands_use_the_configuration_in_force_while_the_file_is_invalid() {
    let server = start(&Config::default());
    let file = server.data().parent().unwrap().join("portcullis.toml");
    let valid = std::fs::read_to_string(&file).unwrap();
    for invalid in ["[listen", "[listen]\nno_such_key = 1\n"] {
        std::fs::write(&file, invalid).unwrap();
        for arguments in [
            &["health", "--ready"][..],
            &["block", "add", "192.0.2.0/24", "--for", "1h", "--reason", "a flood"],
            &["block", "list"],
            &["state", "show"],
            &["audit", "tail"],
        ] {
            let output = server.operate(arguments, "");
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
            assert!(errors.starts_with("warning: portcullis.toml:"), "{errors}");
            assert!(errors.contains("configuration-in-force.toml"), "{errors}");
        }
        // Those that judge the file, or let the server read it, report it.
        for (arguments, code) in [(&["reload"][..], 1), (&["check"], 2), (&["doctor"], 3)] {
            let output = server.operate(arguments, "");
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8(text).unwrap();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
            assert!(text.contains("portcullis.toml:"), "{text}");
        }
    }
    std::fs::write(&file, valid).unwrap();
    let output = server.operate(&["block", "list"], "");
    assert!(output.stderr.is_empty(), "{:?}", String::from_utf8(output.stderr));
}

#[test]
fn configuration_that_waits_for_a_restart_is_not_the_one_in_force() {
    let server = start(&Config::default().production());
    let copy = server.data().join("configuration-in-force.toml");
    let in_force = || std::fs::read_to_string(&copy).unwrap();
    edit(&server, "[rate]\n", "[rate]\nlogin_per_user = \"7/60s\"\n");
    done(&server, &["reload"], "");
    assert!(in_force().contains("7/60s"));
    let text = std::fs::read_to_string(file(&server)).unwrap();
    std::fs::write(file(&server), text + "\n[audit]\nkeep_days = 31\n").unwrap();
    done(&server, &["reload"], "");
    assert!(!in_force().contains("keep_days"));
    let _server = server.restart();
    assert!(in_force().contains("keep_days = 31"));
}
