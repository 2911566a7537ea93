//! Where the dashboard exists: on a host of its own, and for listed networks.
//! Never: an answer that tells other clients that there is a dashboard.

use std::net::IpAddr;
use std::path::Path;

use portcullis_test::{
    Answer, Config, Connection, Look, PollingClient, Request, SioClient, TestServer, set_up,
};
use serde_json::{Value, json};

use crate::clients::{ENGINE, start};

/// The proxy in front of the server, which is not the only client of this machine.
const PROXY: [u8; 4] = [127, 0, 0, 2];
const INSIDE: &str = "203.0.113.9";
const OUTSIDE: &str = "198.51.100.1";
const HOST: &str = "admin.localhost";

fn admin(lines: &str) -> Config {
    Config { more: format!("[admin]\n{lines}\n"), ..Config::default() }
}

fn by_proxy(server: &TestServer, request: &Request, client: &str) -> Answer {
    let mut connection = Connection::open_from(server, IpAddr::from(PROXY));
    request.clone().header("X-Forwarded-For", client).ask_on(&mut connection)
}

/// The status, the headers and the body of an answer, without what differs in every answer.
fn compared(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(members) = body.as_object_mut() {
        members.remove("ref");
    }
    (answer.status, answer.headers.clone(), body)
}

/// The answer to CONNECT without a credential, without its reference.
fn rejected(socket: &mut SioClient, namespace: &str) -> Value {
    let mut error = socket.join_namespace(namespace, "{}").unwrap_err();
    error["data"].as_object_mut().unwrap().remove("ref");
    error
}

#[test]
fn dashboard_is_hidden_from_other_networks_like_an_unknown_path() {
    let mut config = admin("host = \"admin.example\"\nfrom = [\"203.0.113.0/24\"]");
    config.plaintext = true;
    config.listen.push(String::from("trusted_proxies = [\"127.0.0.2\"]"));
    let server = start(&config.production());
    let own = |method: &str, path: &str| {
        Request::bare(&format!("{method} {path} HTTP/1.1")).header("Host", "admin.example")
    };
    for (method, path, status) in [
        ("GET", "/admin/", 200),
        ("GET", "/admin/admin.js", 200),
        ("GET", "/admin", 308),
        ("GET", "/", 308),
        ("POST", "/admin/", 405),
    ] {
        let request = own(method, path);
        assert_eq!(by_proxy(&server, &request, INSIDE).status, status, "{method} {path}");
        // As an unknown path, for this network and this method.
        let unknown = by_proxy(&server, &own(method, "/nothing"), INSIDE);
        let hidden = by_proxy(&server, &request, OUTSIDE);
        assert_eq!(hidden.status, 404, "{method} {path}");
        assert_eq!(compared(&hidden), compared(&unknown), "{method} {path}");
        // The same on the host of the chat, for both networks.
        let chat =
            Request::bare(&format!("{method} /admin/ HTTP/1.1")).header("Host", "chat.example");
        for client in [INSIDE, OUTSIDE] {
            assert_eq!(compared(&by_proxy(&server, &chat, client)), compared(&unknown), "{client}");
        }
    }
    let record = server.records.wait_for_rule("dashboard_path");
    assert_eq!(record["event"]["reason"], "admin_from", "{record}");
    assert_eq!(record["source"]["ip"], OUTSIDE, "{record}");
    // The proxy cannot be left out, and the address that a client writes does not count.
    for forged in [format!("{INSIDE}, {OUTSIDE}"), String::from("junk")] {
        assert_eq!(by_proxy(&server, &own("GET", "/admin/"), &forged).status, 404, "{forged}");
    }
    let direct = own("GET", "/admin/").header("X-Forwarded-For", INSIDE);
    assert_eq!(direct.ask(&server).status, 404);
}

#[test]
fn namespace_is_rejected_from_other_networks_like_an_unknown_one() {
    let server = start(&admin("from = [\"203.0.113.0/24\"]"));
    let person = set_up(&server, "root");
    let mut socket = SioClient::connect(&server, &person.token);
    let unknown = rejected(&mut socket, "/nothing");
    assert_eq!(rejected(&mut socket, "/admin"), unknown);
    let record = server.records.wait_for_rule("dashboard_namespace");
    assert_eq!(record["event"]["reason"], "admin_from", "{record}");
    assert_eq!(record["user"]["id"], person.id.as_str(), "{record}");
    // Without a credential as well.
    let (mut one, mut other) = (SioClient::open(&server), SioClient::open(&server));
    assert_eq!(rejected(&mut one, "/admin"), rejected(&mut other, "/nothing"));
    assert_eq!(Request::get(&server, "/admin/").ask(&server).status, 404);
    assert_eq!(Request::get(&server, "/").ask(&server).status, 200);
    // A flood leaves few records.
    for _ in 0..60 {
        assert_eq!(Request::get(&server, "/admin/").ask(&server).status, 404);
    }
    let hidden = server.records.all().into_iter();
    let hidden = hidden.filter(|record| record["rule"]["name"] == "dashboard_path").count();
    assert!((1..=10).contains(&hidden), "{hidden}");
}

#[test]
fn listed_network_has_the_dashboard() {
    let server = start(&admin("from = [\"10.0.0.0/8\", \"127.0.0.1\"]"));
    let person = set_up(&server, "root");
    let mut socket = SioClient::connect(&server, &person.token);
    let payload = json!({ "token": person.token }).to_string();
    assert!(socket.join_namespace("/admin", &payload).is_ok());
    assert_eq!(Request::get(&server, "/admin/").ask(&server).status, 200);
    let redirect = Request::get(&server, "/admin?admission=x").ask(&server);
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("/admin/?admission=x")));
}

/// A server whose dashboard is on [`HOST`], the name of that host, and its origin.
fn separate() -> (TestServer, String, String) {
    let server = start(&admin(&format!("host = {HOST:?}")));
    let host = format!("{HOST}:{}", server.public.port());
    let origin = format!("https://{host}");
    (server, host, origin)
}

#[test]
fn host_of_the_dashboard_serves_nothing_else() {
    let (server, host, origin) = separate();
    let own = |path: &str| Request::get(&server, path).with("Host", &host);
    let post = |path: &str| {
        Request::post(&server, path, "{}").with("Host", &host).header("Origin", &origin)
    };
    let page = own("/admin/").ask(&server);
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    let sockets = format!("connect-src 'self' wss://{HOST} wss://{host};");
    assert!(policy.contains(&sockets), "{policy}");
    assert_eq!(own("/favicon.svg").ask(&server).status, 200);
    for path in ["/", "/admin"] {
        let answer = own(path).ask(&server);
        assert_eq!((answer.status, answer.header("location")), (308, Some("/admin/")), "{path}");
    }
    for path in ["/index.html", "/app.js", "/app.css", "/ws", "/auth/profile", "/auth/sessions"] {
        assert_eq!(own(path).ask(&server).status, 404, "{path}");
    }
    for path in ["/auth/register", "/auth/invitations", "/auth/setup", "/auth/password"] {
        assert_eq!(post(path).ask(&server).status, 404, "{path}");
        let preflight = Request::bare(&format!("OPTIONS {path} HTTP/1.1"))
            .header("Host", &host)
            .header("Origin", &origin);
        assert_eq!(preflight.ask(&server).status, 404, "{path}");
    }
    for path in ["/auth/login", "/auth/refresh", "/auth/logout", "/auth/ticket"] {
        assert_ne!(post(path).ask(&server).status, 404, "{path}");
    }
    assert_eq!(server.records.wait_for_rule("dashboard_path")["event"]["reason"], "admin_host");
    let mut socket = SioClient::over(
        Connection::open(&server),
        &Request::upgrade(&server, ENGINE).with("Host", &host).with("Origin", &origin),
    );
    let person = set_up(&server, "root");
    let payload = json!({ "token": person.token }).to_string();
    assert!(socket.join_namespace("/admin", &payload).is_ok());
    assert_eq!(rejected(&mut socket, "/"), rejected(&mut socket, "/nothing"));
}

#[test]
fn host_of_the_chat_has_no_dashboard_beside_a_host_of_its_own() {
    let (server, _host, _origin) = separate();
    let person = set_up(&server, "root");
    for path in ["/admin/", "/admin", "/admin/admin.js"] {
        assert_eq!(Request::get(&server, path).ask(&server).status, 404, "{path}");
    }
    let page = Request::get(&server, "/").ask(&server);
    assert_eq!(page.status, 200);
    assert!(!page.header("content-security-policy").unwrap().contains(HOST));
    let mut socket = SioClient::connect(&server, &person.token);
    assert_eq!(rejected(&mut socket, "/admin"), rejected(&mut socket, "/nothing"));
    let record = server.records.wait_for_rule("dashboard_namespace");
    assert_eq!(record["event"]["reason"], "admin_host", "{record}");
}

#[test]
fn page_of_one_host_cannot_act_on_the_other() {
    let (server, host, origin) = separate();
    let root = set_up(&server, "root");
    let body = json!({ "username": "root", "password": "x" }).to_string();
    let chat = (server.public.to_string(), server.origin.clone());
    for (to, from, expect) in [
        ((&host, &origin), &origin, 401),
        ((&chat.0, &chat.1), &chat.1, 401),
        ((&host, &origin), &chat.1, 403),
        ((&chat.0, &chat.1), &origin, 403),
    ] {
        let login = Request::post(&server, "/auth/login", &body).with("Host", to.0);
        let answer = login.header("Origin", from).ask(&server);
        assert_eq!(answer.status, expect, "{from} at {}", to.0);
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed.is_some(), expect == 401, "{from} at {}", to.0);
        let upgrade = Request::upgrade(&server, ENGINE).with("Host", to.0).with("Origin", from);
        let status = if expect == 401 { 101 } else { 403 };
        assert_eq!(upgrade.ask(&server).status, status, "{from} at {}", to.0);
    }
    // The sites are one, so only the origin tells them apart.
    let same_site = Request::post(&server, "/auth/refresh", "{}")
        .with("Host", &host)
        .header("Sec-Fetch-Site", "same-site")
        .header("Cookie", "__Host-rt=x");
    assert_eq!(same_site.ask(&server).status, 403);
    assert!(!root.token.is_empty());
}

#[test]
fn polling_session_does_not_move_between_the_hosts() {
    let (server, host, origin) = separate();
    let opened = Request::get(&server, "/socket.io/?EIO=4&transport=polling")
        .with("Host", &host)
        .header("Origin", &origin)
        .ask(&server);
    assert_eq!(opened.status, 200);
    let text = String::from_utf8(opened.body).unwrap();
    let sid =
        serde_json::from_str::<Value>(&text[1..]).unwrap()["sid"].as_str().unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let post = |host: &str, origin: &str| {
        let request = Request::post(&server, &path, "40/admin,").with("Host", host);
        request.with("Content-Type", "text/plain").header("Origin", origin).ask(&server).status
    };
    assert_eq!(post(&server.public.to_string(), &server.origin), 400);
    assert_eq!(post(&host, &origin), 200);
    assert!(PollingClient::open(&server).sid.len() > 10, "the chat is unaffected");
}

#[test]
fn development_certificate_names_the_host_of_the_dashboard() {
    let (server, _host, _origin) = separate();
    let authority = server.data().join("ca.pem");
    for name in [HOST, "localhost"] {
        let look = Look { name, authority: Path::new(&authority), days_ahead: 0 };
        assert_eq!(look.fault(&server), None, "{name}");
    }
}
