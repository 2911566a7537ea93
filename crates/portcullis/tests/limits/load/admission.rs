//! T-079, T-084, T-085: which clients are blocked, which are admitted first, and which are evicted.
//! Never: a user blocked because of a neighbour behind the same address.

use std::net::IpAddr;

use portcullis_test::{
    Answer, Config, Connection, Gauges, PollingClient, Request, SioClient, TestServer, hs256,
    now_s, register, until,
};
use serde_json::json;

use crate::clients::{alive, recorded, start, try_sign_in};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
const NEIGHBOURS: [u8; 4] = [127, 3, 3, 3];
const PASSWORD: &str = "a portcullis of plain oak";

fn from(server: &TestServer, source: [u8; 4]) -> Connection {
    Connection::open_from(server, IpAddr::from(source))
}

fn upgrade(server: &TestServer, source: [u8; 4], more: Option<(&str, &str)>) -> Answer {
    let request = Request::upgrade(server, PATH);
    let request = match more {
        Some((name, value)) => request.header(name, value),
        None => request,
    };
    request.ask_on(&mut from(server, source))
}

/// Registers and logs in; gives the token and the admission.
fn known(server: &TestServer, name: &str) -> (String, String) {
    let _registered = register(server, name, PASSWORD);
    let body = json!({ "username": name, "password": PASSWORD }).to_string();
    let answer = Request::post(server, "/auth/login", &body).ask(server);
    assert_eq!(answer.status, 200);
    let cookies = answer.values("set-cookie");
    let cookie = cookies.iter().find(|cookie| cookie.starts_with("__Host-adm=")).unwrap();
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=86400"] {
        assert!(cookie.split("; ").any(|found| found == part), "{part} in {cookie}");
    }
    let body = answer.json();
    let admission = body["admission"].as_str().unwrap();
    assert_eq!(cookie.split(['=', ';']).nth(1), Some(admission));
    (body["access_token"].as_str().unwrap().to_owned(), admission.to_owned())
}

#[test]
fn page_of_this_server_gets_the_admission_as_a_cookie_only() {
    let server = start(&Config::strict_rates());
    let _registered = register(&server, "ann", PASSWORD);
    let body = json!({ "username": "ann", "password": PASSWORD }).to_string();
    // As a page of another origin, which gets no cookies, and a client that is not a browser.
    for (site, in_body) in [(Some("same-origin"), false), (Some("same-site"), true), (None, true)] {
        let asks = |request: Request| match site {
            Some(site) => request.header("Sec-Fetch-Site", site),
            None => request,
        };
        let answer =
            asks(Request::post(&server, "/auth/login", &body).header("Origin", &server.origin))
                .ask(&server);
        assert_eq!(answer.status, 200, "{site:?}");
        assert!(answer.values("set-cookie").iter().any(|cookie| cookie.starts_with("__Host-adm=")));
        assert_eq!(answer.json()["admission"].is_string(), in_body, "{site:?}");
        let bearer = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
        let ticket = Request::post(&server, "/auth/ticket", "{}")
            .header("Origin", &server.origin)
            .header("Authorization", &bearer);
        let ticket = asks(ticket).ask(&server).json();
        assert_eq!(ticket["admission"].is_string(), in_body, "{site:?} {ticket}");
    }
}

#[test]
fn address_with_many_violations_is_blocked_and_its_users_are_not() {
    let mut config = Config::strict_rates();
    let lines = ["connect_per_prefix = \"1000/60s\"", "penalty_per_prefix = \"15/10h\""];
    config.rate.extend(lines.map(String::from));
    let server = start(&config);
    let (token, admission) = known(&server, "ann");
    assert_eq!(upgrade(&server, NEIGHBOURS, None).status, 101);
    // Listed as its origin is, no page of another site has caused it.
    let evil = Request::upgrade(&server, PATH).with("Host", "evil.example");
    for _ in 0..16 {
        assert_eq!(evil.ask_on(&mut from(&server, NEIGHBOURS)).status, 400);
    }
    let blocked = upgrade(&server, NEIGHBOURS, None);
    assert_eq!(blocked.status, 429);
    assert!(blocked.header("retry-after").is_some());
    let page = Request::get(&server, "/").ask_on(&mut from(&server, NEIGHBOURS));
    assert_eq!(page.status, 429);
    let record = server.records.wait_for_rule("penalty_per_prefix");
    assert_eq!(record["labels"]["limit_key"], "prefix");
    let wait_ms: u64 = record["labels"]["retry_after_ms"].as_str().unwrap().parse().unwrap();
    assert!((30_000..=70_000).contains(&wait_ms), "{wait_ms}");
    // Other addresses and returning clients are not affected.
    assert_eq!(upgrade(&server, [127, 3, 3, 4], None).status, 101);
    let shown = format!("a=b; __Host-adm={admission}");
    assert_eq!(upgrade(&server, NEIGHBOURS, Some(("Cookie", &shown))).status, 101);
    let request = Request::upgrade(&server, PATH).header("X-Admission", &admission);
    let mut ann = SioClient::over(from(&server, NEIGHBOURS), &request);
    ann.sign_in(&token);
    assert_eq!(ann.ask("room:list", &json!({}))["ok"], true);
    // What is not an admission is none.
    for forged in ["", "AAAA", &admission[..admission.len() - 1], &format!("{admission}A")] {
        let answer = upgrade(&server, NEIGHBOURS, Some(("X-Admission", forged)));
        assert_eq!(answer.status, 429, "{forged}");
    }
    alive(&server);
}

#[test]
fn users_behind_a_blocked_address_still_poll_refresh_and_get_tickets() {
    let mut config = Config::strict_rates();
    let lines = ["connect_per_prefix = \"1000/60s\"", "penalty_per_prefix = \"15/10h\""];
    config.rate.extend(lines.map(String::from));
    let server = start(&config);
    let _registered = register(&server, "ann", PASSWORD);
    let body = json!({ "username": "ann", "password": PASSWORD }).to_string();
    let request = Request::post(&server, "/auth/login", &body);
    let answer = request.ask_on(&mut from(&server, NEIGHBOURS));
    assert_eq!(answer.status, 200);
    let cookies: Vec<&str> = answer.values("set-cookie");
    let cookies: Vec<&str> = cookies.iter().map(|one| one.split(';').next().unwrap()).collect();
    let cookies = cookies.join("; ");
    assert!(cookies.contains("__Host-adm=") && cookies.contains("__Host-rt="), "{cookies}");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let mut ann = PollingClient::open_from(&server, NEIGHBOURS);
    ann.sign_in(&token);
    // Listed as its origin is, no page of another site has caused it.
    let evil = Request::upgrade(&server, PATH).with("Host", "evil.example");
    let block = || {
        for _ in 0..16 {
            let status = evil.ask_on(&mut from(&server, NEIGHBOURS)).status;
            assert!([400, 429].contains(&status), "{status}");
        }
        assert_eq!(upgrade(&server, NEIGHBOURS, None).status, 429);
    };
    block();
    // Polls and posts of who is signed in.
    for _ in 0..5 {
        assert_eq!(ann.ask("room:list", &json!({}))["ok"], true);
    }
    // The device that logged in there, whatever it asks for.
    let ask = |path: &str, headers: &[(&str, &str)]| {
        let request = Request::post(&server, path, "{}").header("Origin", &server.origin);
        let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
        headers.iter().fold(request, add).ask_on(&mut from(&server, NEIGHBOURS))
    };
    let bearer = format!("Bearer {token}");
    let ticket = ask("/auth/ticket", &[("Cookie", &cookies), ("Authorization", &bearer)]);
    assert_eq!(ticket.status, 200, "{}", String::from_utf8_lossy(&ticket.body));
    let turned = ask("/auth/refresh", &[("Cookie", &cookies)]);
    assert_eq!(turned.status, 200, "{}", String::from_utf8_lossy(&turned.body));
    // A client without an admission token is unauthenticated, with or without a session.
    block();
    let guess = PollingClient { sid: String::from("chosen"), ..ann.clone() };
    assert_eq!(guess.poll().status, 429);
    assert_eq!(ask("/auth/refresh", &[]).status, 429);
    let page = Request::get(&server, "/").ask_on(&mut from(&server, NEIGHBOURS));
    assert_eq!(page.status, 429);
    assert_eq!(ann.ask("room:list", &json!({}))["ok"], true);
    alive(&server);
}

#[test]
fn user_with_many_violations_is_blocked_and_the_neighbours_are_not() {
    let mut config = Config::default();
    config.rate.retain(|line| !line.starts_with("penalty"));
    config.rate.push(String::from("penalty_per_user = \"12/10h\""));
    config.capacity.push(String::from("connections_per_user = 100"));
    let server = start(&config);
    let token = hs256("eve");
    let mut stays = SioClient::connect(&server, &token);
    // Five a connection, so that none of them is ended for it.
    for _ in 0..3 {
        let mut eve = SioClient::connect(&server, &token);
        for _ in 0..5 {
            assert_eq!(eve.ask("no:such", &json!({}))["ok"], false);
        }
    }
    let refusal = try_sign_in(&mut SioClient::open(&server), &token).unwrap_err();
    assert_eq!(refusal["data"]["code"], "rate_limited", "{refusal}");
    let record = server.records.wait_for_rule("penalty_per_user");
    assert_eq!(record["labels"]["limit_key"], "user");
    // Open connections stay open, and other users of the address are not affected.
    assert_eq!(stays.ask("room:list", &json!({}))["ok"], true);
    assert!(try_sign_in(&mut SioClient::open(&server), &hs256("bob")).is_ok());
    alive(&server);
}

#[test]
fn t085_returning_client_is_admitted_during_a_flood() {
    let mut config = Config::default();
    config.transport.push(String::from("connect_timeout_ms = 60000"));
    config.overload.push(String::from("waiting_strangers = 0"));
    let lines = ["connections_total = 40", "pre_auth_total = 10", "admin_reserve = 2"];
    config.capacity.extend(lines.map(String::from));
    let server = start(&config);
    let (token, admission) = known(&server, "ann");
    let unauthenticated_clients: Vec<_> = (0..10).map(|_| SioClient::open(&server)).collect();
    assert_eq!(upgrade(&server, [127, 0, 0, 1], None).status, 503);
    recorded(&server, "pre_auth_total");
    let request = Request::upgrade(&server, PATH).header("X-Admission", &admission);
    let mut ann = SioClient::over(Connection::open(&server), &request);
    ann.sign_in(&token);
    assert_eq!(ann.ask("room:list", &json!({}))["ok"], true);
    drop((unauthenticated_clients, ann));
    until("every place given back", || {
        let held = Gauges::read(&server);
        (held.pre_auth == 0 && held.authenticated == 0).then_some(())
    });
}

#[test]
fn full_prefix_is_rejected_and_other_prefixes_are_admitted() {
    let mut config = Config::plaintext();
    config.transport.push(String::from("connect_timeout_ms = 60000"));
    config.capacity =
        ["pre_auth_per_prefix = 3", "connections_per_prefix = 4", "http_per_prefix = 6"]
            .map(String::from)
            .to_vec();
    let server = start(&config);
    let open = |source| SioClient::over(from(&server, source), &Request::upgrade(&server, PATH));
    let mut held: Vec<_> = (0..3).map(|_| open(NEIGHBOURS)).collect();
    assert_eq!(upgrade(&server, NEIGHBOURS, None).status, 503);
    recorded(&server, "pre_auth_per_prefix");
    for client in &mut held {
        client.sign_in(&hs256("ann"));
    }
    held.push(open(NEIGHBOURS));
    assert_eq!(upgrade(&server, NEIGHBOURS, None).status, 503);
    recorded(&server, "connections_per_prefix");
    assert_eq!(upgrade(&server, [127, 3, 3, 4], None).status, 101);
    // Six that are kept for a next request; the seventh is closed before a byte of it is read.
    let keys = Request::get(&server, "/.well-known/jwks.json");
    let idle: Vec<_> = (0..6)
        .map(|_| {
            let mut connection = from(&server, [127, 3, 3, 5]);
            assert_eq!(keys.ask_on(&mut connection).status, 200);
            connection
        })
        .collect();
    let mut seventh = from(&server, [127, 3, 3, 5]);
    assert!(seventh.read_to_end().is_empty());
    recorded(&server, "http_per_prefix");
    drop(idle);
    until("a seat given back", || {
        let answer = Request::get(&server, "/nothing").ask_on(&mut from(&server, [127, 3, 3, 5]));
        (answer.status == 404).then_some(())
    });
}

#[test]
fn t084_evict_oldest_ends_the_oldest_connection_of_the_user() {
    let mut config = Config::default();
    config.capacity.push(String::from("when_user_full = \"evict-oldest\""));
    config.capacity.push(String::from("connections_per_user = 2"));
    let server = start(&config);
    let token = hs256("ann");
    let mut first = SioClient::connect(&server, &token);
    let mut second = SioClient::connect(&server, &token);
    let mut third = SioClient::connect(&server, &token);
    assert_eq!(first.close_code(), Some(4401));
    assert!(first.seen.iter().any(|packet| packet == "41"), "{:?}", first.seen);
    for client in [&mut second, &mut third] {
        assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
    }
    let record = server.records.wait_for(|record| record["event"]["reason"] == "evicted");
    assert!(record["user"]["id"].is_string(), "{record}");
}

#[test]
fn limit_in_observe_mode_counts_and_rejects_no_client() {
    let mut config = Config::strict_rates();
    config.rate.push(String::from(
        "observe = [\"connect_per_prefix\", \"event_per_user\", \"connections_per_prefix\"]",
    ));
    config.capacity = vec![String::from("connections_per_prefix = 5")];
    let server = start(&config);
    let clients: Vec<_> = (0..20).map(|_| SioClient::open(&server)).collect();
    let record = server.records.wait_for(|record| {
        record["event"]["reason"] == "would_refuse"
            && record["rule"]["name"] == "connect_per_prefix"
    });
    assert_eq!(record["labels"]["limit_key"], "prefix");
    let counted = |limit: &str| {
        let line = format!("portcullis_would_refuse_total{{limit=\"{limit}\"}}");
        let answer = Request::bare("GET /metrics HTTP/1.1")
            .header("Host", &server.private.to_string())
            .ask_private(&server);
        let text = String::from_utf8(answer.body).unwrap();
        let found = text.lines().find_map(|found| found.strip_prefix(&line)?.trim().parse().ok());
        found.unwrap_or(0_u64)
    };
    until("all that would have been refused", || {
        let seen = (counted("connect_per_prefix"), counted("connections_per_prefix"));
        (seen == (10, 15)).then_some(())
    });
    drop(clients);
}

#[test]
fn more_bytes_than_may_come_wait_and_none_is_lost() {
    let mut config = Config::default();
    let lines = [
        "bytes_per_connection = \"4000/1s\"",
        "message_per_user = \"10000/1s\"",
        "message_per_connection = \"10000/1s\"",
        "event_per_user = { \"room:list\" = \"10000/1s\" }",
    ];
    config.rate.extend(lines.map(String::from));
    let server = start(&config);
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let mut bob = SioClient::connect(&server, &hs256("bob"));
    // Some ten thousand bytes at once, far over what may come in a second.
    for number in 0..400 {
        ann.send(&format!("42{number}[\"room:list\",{{}}]"));
    }
    let record = server.records.wait_for_rule("bytes_per_connection");
    assert_eq!(record["labels"]["limit_key"], "connection");
    // Others are not slowed down meanwhile.
    assert_eq!(bob.ask("room:list", &json!({}))["ok"], true);
    for number in 0..400 {
        let answer = format!("43{number}[{{\"ok\":true");
        let _answered = ann.wait_packet(|packet| packet.starts_with(&answer));
    }
    alive(&server);
}

#[test]
fn posts_wait_for_the_byte_rate_as_sockets_do() {
    let mut config = Config::default();
    let lines = [
        "bytes_per_connection = \"600/1s\"",
        "message_per_user = \"10000/1s\"",
        "message_per_connection = \"10000/1s\"",
        "event_per_user = { \"room:list\" = \"10000/1s\" }",
    ];
    config.rate.extend(lines.map(String::from));
    // The body has long arrived: how long it waits is our doing, and no fault of the client's.
    config.transport.push(String::from("handshake_timeout_ms = 1500"));
    let server = start(&config);
    let ann = PollingClient::connect(&server, &hs256("ann"));
    let packets: Vec<_> =
        (0..120).map(|number| format!("42{number}[\"room:list\",{{}}]")).collect();
    let started_s = now_s();
    ann.say(&packets.join("\u{1e}"));
    ann.say("42777[\"room:list\",{}]");
    recorded(&server, "bytes_per_connection");
    assert!(now_s() > started_s + 1, "nothing waited");
    let mut polled = String::new();
    while !polled.contains("43777[") {
        polled.push_str(&String::from_utf8(ann.poll().body).unwrap());
    }
    assert_eq!(polled.matches("{\"ok\":true").count(), 121, "none is lost");
    alive(&server);
}
