//! Users changed at the command line while they are connected.
//! Never: a change of who may act without its record.

use std::time::Duration;

use portcullis_test::{
    Config, Request, SioClient, TestServer, login, register, set_up, sign_up, timed,
};
use serde_json::{Value, json};

use crate::{done, refused, start};

/// The record an operator's act leaves.
fn recorded(server: &TestServer, words: &str) -> Value {
    server.records.wait_for(|record| {
        record["event"]["reason"] == "operator"
            && record["message"].as_str().is_some_and(|message| message.contains(words))
    })
}

#[test]
fn t066_role_change_applies_while_connected_and_is_recorded() {
    let server = start(&Config::default());
    let root = set_up(&server, "root");
    let ann = sign_up(&server, "ann");
    let mut client = SioClient::connect(&server, &ann.token);
    let broadcast = json!({ "message": "listen" });
    assert_eq!(client.ask("admin:broadcast", &broadcast)["error"]["code"], "forbidden");

    let line = done(&server, &["user", "grant", "ann", "admin"], "");
    assert!(line.contains(&ann.id) && line.contains("admin,user"), "{line}");
    let record = recorded(&server, "roles set to admin user");
    assert_eq!(record["event"]["code"], "privilege_permissions_changed");
    assert_eq!(record["user"]["target"]["id"], json!(ann.id));
    assert_eq!(client.ask("admin:broadcast", &broadcast)["ok"], true);

    done(&server, &["user", "take", "ann", "admin"], "");
    let _record = recorded(&server, "roles set to user");
    assert_eq!(client.ask("admin:broadcast", &broadcast)["error"]["code"], "forbidden");
    let error = refused(&server, &["user", "take", "root", "admin"], "");
    assert!(error.contains("the last administrator"), "{error}");
    assert!(done(&server, &["user", "list"], "").contains(&root.id));
}

#[test]
fn t058_t059_user_banned_at_the_command_line_is_disconnected_in_a_second() {
    let server = start(&Config::default());
    let _root = set_up(&server, "root");
    let cases: [(&str, &[&str], &str); 4] = [
        ("locked", &["user", "lock"], "locked out"),
        ("banned", &["user", "ban", "--for", "1h"], "banned for 3600 s"),
        ("logout", &["user", "logout"], "all sessions and tokens ended"),
        ("password", &["user", "password"], "password replaced"),
    ];
    for (name, arguments, words) in cases {
        let person = sign_up(&server, name);
        let mut client = SioClient::connect(&server, &person.token);
        let arguments = [arguments, &[name]].concat();
        done(&server, &arguments, "quite another long sentence\n");
        let (code, took) = timed(|| client.close_code());
        assert_eq!(code, Some(4401), "{name}");
        assert!(took < Duration::from_secs(2), "{name}: {took:?}");
        let _record = recorded(&server, words);
        let mut again = SioClient::open(&server);
        again.send(&format!("40{}", json!({ "token": person.token })));
        assert!(again.wait_packet(|packet| packet.starts_with("44")).contains("unauthorized"));
    }
    assert_eq!(login(&server, "password", "quite another long sentence").status, 200);
    done(&server, &["user", "unban", "banned"], "");
    done(&server, &["user", "unlock", "locked"], "");
    for name in ["banned", "locked", "logout"] {
        let answer = login(&server, name, "a plain long sentence of my own");
        assert_eq!(answer.status, 200, "{name}");
    }
}

#[test]
fn t059_logout_of_all_ends_every_session_and_token_after_a_confirmation() {
    let server = start(&Config::default());
    let (ann, bob) = (sign_up(&server, "ann"), sign_up(&server, "bob"));
    let mut clients = [&ann, &bob].map(|person| SioClient::connect(&server, &person.token));
    let error = refused(&server, &["user", "logout", "--all"], "no\n");
    assert!(error.contains("nothing was changed"), "{error}");
    for arguments in [&["ann", "--all"][..], &[]] {
        let output = server.operate(&[&["user", "logout"], arguments].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: wrong usage");
    }
    for client in &mut clients {
        assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
    }
    let line = done(&server, &["user", "logout", "--all"], "yes\n");
    assert!(line.contains("2 users signed out; "), "{line}");
    for client in &mut clients {
        assert_eq!(client.close_code(), Some(4401));
    }
    let _record = recorded(&server, "all users logged out");
    let mut again = SioClient::open(&server);
    again.send(&format!("40{}", json!({ "token": ann.token })));
    assert!(again.wait_packet(|packet| packet.starts_with("44")).contains("unauthorized"));
    assert_eq!(login(&server, "bob", "a plain long sentence of my own").status, 200);
    let line = done(&server, &["user", "logout", "--all", "--yes"], "");
    assert!(line.contains("1 session ended"), "{line}");
}

#[test]
fn invitations_and_refusals() {
    let invited = "[accounts]\nregistration = \"invitation\"\n";
    let server = start(&Config { more: invited.to_owned(), ..Config::default() });
    let _root = set_up(&server, "root");
    let password = "a plain long sentence of my own";
    assert_eq!(register(&server, "ann", password).status, 403);
    let invitation = done(&server, &["user", "invite"], "");
    let body = json!({ "username": "ann", "password": password,
        "invitation": invitation.trim_end() });
    let ask = || portcullis_test::Request::post(&server, "/auth/register", &body.to_string());
    assert_eq!(ask().ask(&server).status, 201);
    assert_eq!(ask().ask(&server).status, 403, "it is for one person");

    let cases: [(&[&str], &str, &str); 6] = [
        (&["user", "ban", "missing"], "", "there is no user \"missing\""),
        (&["user", "grant", "ann", "Admin"], "", "there is no role \"Admin\""),
        (&["user", "password", "ann"], "password1\n", "well known or easy to guess"),
        (&["user", "password", "ann"], "", "standard input is empty"),
        (&["user", "password", "missing"], "", "there is no user"),
        (&["user", "lock", "root"], "", "the last administrator"),
    ];
    for (arguments, input, words) in cases {
        let error = refused(&server, arguments, input);
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    // An act that did not happen leaves no record; the next one's comes after where it would be.
    done(&server, &["user", "mute", "ann", "--for", "10m"], "");
    let _record = recorded(&server, "muted for 600 s");
    assert!(!server.records.text().contains("locked out"));
}

#[test]
fn t407_operator_link_admits_a_new_device_to_a_closed_account_once() {
    let lines = ["login_per_user = \"3/60s\"", "login_failed_per_user = \"3/24h\""];
    let mut config = Config::default();
    config.rate.extend(lines.map(String::from));
    let server = start(&config);
    let _root = set_up(&server, "root");
    let (password, wrong) = ("a sentence that ann has chosen", "a sentence that no user chose");
    assert_eq!(register(&server, "ann", password).status, 201);
    for _ in 0..5 {
        let _rejected = login(&server, "ann", wrong);
    }
    let closed = login(&server, "ann", password);
    assert_eq!((closed.status, closed.code().as_str()), (429, "rate_limited"));

    let link = done(&server, &["user", "door", "ann"], "");
    let (page, door) = link.trim().split_once("#door=").unwrap();
    let record = recorded(&server, "login link made");
    assert_eq!(record["event"]["code"], "authn_token_created");
    let log_in = |password: &str, door: &str| {
        let body = json!({"username": "ann", "password": password, "door": door});
        Request::post(&server, "/auth/login", &body.to_string()).ask(&server)
    };
    assert_eq!(log_in(wrong, door).status, 401, "the password is still needed");
    assert_eq!(log_in(password, door).status, 200);
    let again = log_in(password, door);
    assert_eq!((again.status, again.code().as_str()), (400, "INVALID_MESSAGE"));
    assert!(refused(&server, &["user", "door", "missing"], "").contains("no user"));
    assert!(!server.records.text().contains(door), "no link stands in the log");

    // An overloaded server answers requests for the page of the new device, and its log-in.
    done(&server, &["state", "pin", "critical"], "");
    let get = |path: &str| Request::get(&server, path).ask(&server).status;
    let query = page.split_once("/?").unwrap().1;
    assert_eq!(get("/"), 503, "an unknown device");
    assert_ne!(get(&format!("/?{query}")), 503);
    assert_eq!(get(&format!("/?{}", query.replace("admission=", "admission=A"))), 503, "forged");
    let link = done(&server, &["user", "door", "ann"], "");
    let door = link.trim().split_once("#door=").unwrap().1;
    let body = json!({"username": "ann", "password": password, "door": door}).to_string();
    let admission = query.strip_prefix("admission=").unwrap();
    let admitted = Request::post(&server, "/auth/login", &body).header("X-Admission", admission);
    assert_eq!(admitted.ask(&server).status, 200, "while unknown devices are rejected");
}
