//! Networks that an operator blocks, and the effect on their clients.
//! Never: a block of the machine that the test runs on; clients come through a trusted proxy.

use std::net::IpAddr;

use portcullis_test::{
    Answer, Config, Connection, RawWebSocket, Request, SioClient, TestServer, client_hello,
    counter, hs256, login, register, set_up, until,
};
use serde_json::json;

use crate::{done, refused, start};

const PROXY: [u8; 4] = [127, 0, 0, 2];
const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const PASSWORD: &str = "a plain long sentence of my own";
const REASON: [&str; 2] = ["--reason", "a flood from a rented network"];

fn behind_proxy(more: &[&str], plaintext: bool) -> TestServer {
    let mut config = Config { plaintext, ..Config::default() };
    config.listen.push(format!("trusted_proxies = [\"{}\"]", IpAddr::from(PROXY)));
    config.listen.extend(more.iter().map(|line| String::from(*line)));
    start(&config.production())
}

fn through_proxy(server: &TestServer) -> Connection {
    Connection::open_from(server, IpAddr::from(PROXY))
}

fn of(client: &str, request: Request) -> Request {
    request.header("X-Forwarded-For", client)
}

fn ask(server: &TestServer, client: &str, request: Request) -> Answer {
    of(client, request).ask_on(&mut through_proxy(server))
}

fn open(server: &TestServer, client: &str) -> RawWebSocket {
    RawWebSocket::upgrade(through_proxy(server), &of(client, Request::upgrade(server, SOCKET)))
}

fn upgrade_status(server: &TestServer, client: &str) -> u16 {
    ask(server, client, Request::upgrade(server, SOCKET)).status
}

fn block(server: &TestServer, arguments: &[&str]) -> String {
    done(server, &[&["block", "add"], arguments, &REASON].concat(), "")
}

/// The cookie of a user who logged in at another network.
fn admission_cookie(server: &TestServer) -> String {
    assert_eq!(register(server, "ann", PASSWORD).status, 201);
    let answer = login(server, "ann", PASSWORD);
    let cookies = answer.values("set-cookie");
    let found = cookies.iter().find(|cookie| cookie.starts_with("__Host-adm=")).unwrap();
    String::from(found.split(';').next().unwrap())
}

#[test]
fn t406_block_rejects_unauthenticated_clients_and_survives_a_restart() {
    let server = behind_proxy(&[], false);
    let cookie = admission_cookie(&server);
    let mut user = SioClient::over(
        through_proxy(&server),
        &of("203.0.113.7", Request::upgrade(&server, SOCKET)),
    );
    user.sign_in(&hs256("bob"));
    let mut waiting = open(&server, "203.0.113.8");
    let mut other = open(&server, "203.0.114.8");
    let polling = "/socket.io/?EIO=4&transport=polling";
    let get = |path: &str| Request::get(&server, path).header("Origin", &server.origin);
    let opened = ask(&server, "203.0.113.9", get(polling));
    assert_eq!(opened.status, 200);
    let session: serde_json::Value =
        serde_json::from_str(&portcullis_test::packets(&opened)[0][1..]).unwrap();
    let poll = format!("{polling}&sid={}", session["sid"].as_str().unwrap());
    let mut kept = through_proxy(&server);
    let page = || of("203.0.113.10", Request::get(&server, "/"));
    assert_eq!(page().ask_on(&mut kept).status, 200);
    let mut held = through_proxy(&server);
    held.send(&of("203.0.113.9", get(&poll)).bytes());

    let line = block(&server, &["203.0.113.0/24"]);
    assert!(line.starts_with("203.0.113.0/24  unauthenticated  until "), "{line}");
    let record = server.records.wait_for(|record| {
        record["rule"]["name"] == "block" && record["event"]["code"] == "authz_admin"
    });
    assert_eq!(record["labels"]["address"], "203.0.113.0/24");
    assert_eq!(record["labels"]["stated_reason"], REASON[1]);
    assert!(!record["message"].as_str().unwrap().contains("203.0.113"), "{record}");

    assert_eq!(waiting.close_code(), Some(4403), "an open connection ends");
    assert_ne!(Answer::read(&mut held).status, 0, "a waiting poll is answered");
    assert_eq!(page().ask_on(&mut kept).code(), "network_blocked", "a kept connection");
    assert_eq!(user.ask("room:list", &json!({}))["ok"], true, "a signed-in user continues");
    other.send_text("40{}");
    assert!(other.next_frame().is_some(), "another network");

    let answer = ask(&server, "203.0.113.77", Request::get(&server, "/"));
    assert_eq!((answer.status, answer.code().as_str()), (403, "network_blocked"));
    assert_eq!(answer.json()["message"], "An administrator has blocked this network");
    assert!(answer.json()["ref"].is_string() && answer.header("retry-after").is_none());
    let reference = answer.json()["ref"].as_str().unwrap().to_owned();
    assert!(done(&server, &["why", &reference], "").contains("block"));
    let body = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let sign_in = |cookie: Option<&str>| {
        let request = Request::post(&server, "/auth/login", &body).header("Origin", &server.origin);
        let request = match cookie {
            Some(cookie) => request.header("Cookie", cookie),
            None => request,
        };
        let answer = ask(&server, "203.0.113.77", request);
        (answer.status, if answer.status == 200 { String::new() } else { answer.code() })
    };
    let rejected = (403, String::from("network_blocked"));
    assert_eq!(sign_in(None), rejected);
    assert_eq!(sign_in(Some("__Host-adm=a.b.c")), rejected, "a forged admission token");
    assert_eq!(sign_in(Some(&cookie)), (200, String::new()), "a returning user can log in again");
    let move_in = |header: &str, value: &str| {
        let request = Request::upgrade(&server, SOCKET).header(header, value);
        ask(&server, "203.0.113.78", request).status
    };
    let admission = cookie.strip_prefix("__Host-adm=").unwrap();
    assert_eq!(move_in("Cookie", &cookie), 101, "a user whose phone moves into the network");
    assert_eq!(move_in("X-Admission", admission), 101, "the same, with a client without cookies");
    let bearer = format!("Bearer {}", hs256("bob"));
    assert_eq!(move_in("Authorization", &bearer), 403, "an access token does not admit");
    let spellings = ["203.0.113.0", "203.0.113.255", "::ffff:203.0.113.9", "[::ffff:cb00:7109]:80"];
    for client in spellings {
        assert_eq!(upgrade_status(&server, client), 403, "{client}");
    }
    assert_eq!(upgrade_status(&server, "203.0.112.255"), 101);
    assert_eq!(counter(&server, "portcullis_table_entries{table=\"blocks\"}"), 1);

    let server = server.restart();
    assert_eq!(upgrade_status(&server, "203.0.113.9"), 403, "it survives a restart");
    assert!(done(&server, &["block", "list"], "").contains(REASON[1]));
    assert!(done(&server, &["block", "remove", "::ffff:203.0.113.0/120"], "").contains("removed"));
    until("the block to be removed", || {
        (upgrade_status(&server, "203.0.113.9") == 101).then_some(())
    });
}

#[test]
fn t406_block_of_all_clients_ends_users_and_ends_by_itself() {
    let server = behind_proxy(&[], false);
    let cookie = admission_cookie(&server);
    let client = "2001:db8:1:2::7";
    let mut user =
        SioClient::over(through_proxy(&server), &of(client, Request::upgrade(&server, SOCKET)));
    user.sign_in(&hs256("bob"));
    block(&server, &["2001:db8:1::/48", "--scope", "all"]);
    assert_eq!(user.close_code(), Some(4403));
    let request = Request::get(&server, "/").header("Cookie", &cookie);
    let answer = ask(&server, client, request);
    assert_eq!(answer.code(), "network_blocked", "a returning client");
    block(&server, &["2001:db8:1::/48", "--scope", "all", "--for", "1s"]);
    until("the end of the block", || (upgrade_status(&server, client) == 101).then_some(()));
    until("the removal of the ended block", || {
        done(&server, &["block", "list"], "").is_empty().then_some(())
    });
    let record = server.records.wait_for(|record| record["event"]["code"] == "block_ended");
    assert_eq!(record["rule"]["name"], "block");
    assert_eq!(record["labels"]["address"], "2001:db8:1::/48");
    assert_eq!(counter(&server, "portcullis_table_entries{table=\"blocks\"}"), 0);
}

#[test]
fn t406_block_of_all_clients_acts_before_tls_behind_the_proxy_protocol() {
    for plaintext in [true, false] {
        let server = behind_proxy(&["proxy_protocol = true"], plaintext);
        let is_answered = |client: &str| {
            let source = IpAddr::from(PROXY);
            let mut connection = Connection::open_bare_from(server.public, source);
            let header = format!("PROXY TCP4 {client} 127.0.0.1 4242 443\r\n");
            let first = match plaintext {
                true => Request::upgrade(&server, SOCKET).bytes(),
                false => client_hello(&server),
            };
            connection.send(&[header.as_bytes(), &first].concat());
            connection.read()
        };
        assert!(is_answered("203.0.113.7"));
        block(&server, &["203.0.113.7", "--scope", "all"]);
        until("the block", || (!is_answered("203.0.113.7")).then_some(()));
        let record = server.records.wait_for(|record| record["event"]["code"] == "network_blocked");
        assert_eq!(record["source"]["ip"], "203.0.113.7");
        assert!(is_answered("203.0.113.8"));
    }
}

#[test]
fn t407_login_link_admits_an_administrator_of_a_blocked_network_at_critical() {
    let server = behind_proxy(&[], false);
    let _root = set_up(&server, "root");
    block(&server, &["203.0.113.0/24"]);
    done(&server, &["state", "pin", "critical"], "");
    let client = "203.0.113.7";
    let get = |path: &str| ask(&server, client, Request::get(&server, path)).status;
    until("the block", || (get("/") == 403).then_some(()));
    let link = done(&server, &["user", "door", "root"], "");
    let (page, door) = link.trim().split_once("#door=").unwrap();
    let query = page.split_once("/?").unwrap().1;
    assert_eq!(get(&format!("/?{query}")), 200, "the page of a new device");
    assert_eq!(get(&format!("/?{}", query.replace("admission=", "admission=A"))), 403, "forged");
    let admission = query.strip_prefix("admission=").unwrap();
    let log_in = |password: &str| {
        let body = json!({ "username": "root", "password": password, "door": door }).to_string();
        let request = Request::post(&server, "/auth/login", &body)
            .header("Origin", &server.origin)
            .header("X-Admission", admission);
        ask(&server, client, request).status
    };
    assert_eq!(log_in("a sentence that no user chose"), 401, "the password is still needed");
    assert_eq!(log_in(PASSWORD), 200);
    assert_eq!(log_in(PASSWORD), 400, "the link is used");
}

#[test]
fn t405_block_of_the_operators_own_machines_is_rejected_with_the_reason() {
    let server = behind_proxy(&[], true);
    let cases = [
        ("10.0.0.0/8", "too wide"),
        ("0.0.0.0/0", "too wide"),
        ("2001:db8::/31", "too wide"),
        ("::ffff:0:0/96", "too wide"),
        ("::/0", "too wide"),
        ("::/64", "loopback"),
        ("::1", "loopback"),
        ("127.0.0.2", "loopback"),
        ("::ffff:127.0.0.2", "loopback"),
        ("203.0.113.7/24", "bits set after its length"),
        ("fe80::1%lo", "not an address or a network"),
        ("example.com", "not an address or a network"),
    ];
    for (prefix, words) in cases {
        let error = refused(&server, &[&["block", "add", prefix], &REASON[..]].concat(), "");
        assert!(error.contains(words), "{prefix}: {error}");
    }
    let wrong: [&[&str]; 4] = [
        &["block", "add", "203.0.113.7"],
        &["block", "add", "203.0.113.7", "--reason", "no"],
        &["block", "add", "203.0.113.7", "--reason", "two\nlines"],
        &["block", "add", "203.0.113.7", "--reason", "a flood", "--for", "0h"],
    ];
    for arguments in wrong {
        assert_eq!(server.operate(arguments, "").status.code(), Some(2), "{arguments:?}");
    }
    let long = [&["block", "add", "203.0.113.7", "--for", "31d"], &REASON[..]].concat();
    assert!(refused(&server, &long, "").contains("30d"));
    assert!(refused(&server, &["block", "remove", "203.0.113.7"], "").contains("not blocked"));
    assert!(done(&server, &["block", "list"], "").is_empty());
}
