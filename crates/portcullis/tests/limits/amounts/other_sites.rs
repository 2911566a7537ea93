//! T-001, T-007, T-008, T-019: a page of another site makes its visitor's browser send requests.
//! Never: a visitor who is blocked because of them.

use portcullis_test::{
    Config, Connection, PlainClient, Request, SioClient, TestServer, hs256, register,
};
use serde_json::json;

use crate::clients::{recorded, start};

/// Requests of one page.
const REQUESTS: usize = 700;
/// Requests of each kind, where there are many kinds: more than any violations allowed.
const REQUESTS_PER_KIND: usize = 150;

/// The limits of production, but fewer requests of an address than one page sends here.
fn few_requests() -> Config {
    let mut config = Config::strict_rates();
    config.rate.retain(|line| !line.starts_with("request_per_prefix"));
    config.rate.push(String::from("request_per_prefix = \"600/60s\""));
    config
}

/// What Chromium sends for an image of another site's page.
const IMAGE: [(&str, &str); 7] = [
    ("sec-ch-ua-platform", "\"Linux\""),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36"),
    ("Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"),
    ("Sec-Fetch-Site", "cross-site"),
    ("Sec-Fetch-Mode", "no-cors"),
    ("Sec-Fetch-Dest", "image"),
    ("Referer", "https://evil.example/"),
];

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

fn post(server: &TestServer, path: &str, content_type: &str, origin: Option<&str>) -> Request {
    let body = r#"{"username":"ann","password":"wrong password"}"#;
    let request = Request::post(server, path, body).with("Content-Type", content_type);
    match origin {
        Some(origin) => request.with("Origin", origin),
        None => request.without("Origin"),
    }
}

/// Sends a request many times, as a browser does: over the connections it has.
fn send_often(server: &TestServer, request: &Request, times: usize) {
    let mut connection = None;
    for number in 0..times {
        let open = connection.get_or_insert_with(|| Connection::open(server));
        let answer = request.ask_on(open);
        assert!((400..500).contains(&answer.status), "{number}: {}", answer.status);
        if answer.header("connection") == Some("close") {
            connection = None;
        }
    }
}

/// The visitor opens the page, logs in and connects, from the same address.
fn visitor_is_served(server: &TestServer, name: &str) {
    let typed = [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate")];
    assert_eq!(with(Request::get(server, "/"), &typed).ask(server).status, 200, "{name}");
    let socket = Request::upgrade(server, "/socket.io/?EIO=4&transport=websocket");
    let mut client = SioClient::over(Connection::open(server), &socket);
    client.sign_in(&hs256("visitor"));
    let login = json!({ "username": "ann", "password": "correct horse battery" }).to_string();
    let answer = Request::post(server, "/auth/login", &login).ask(server);
    assert_eq!(answer.status, 200, "{name}: {}", answer.json());
}

fn serve() -> TestServer {
    let mut config = few_requests();
    config.rate.retain(|line| !line.starts_with("tls_per_prefix"));
    // A connection for each request that ends its own; browsers make fewer.
    config.rate.push("tls_per_prefix = \"100000/60s\"".into());
    let server = start(&config);
    let _registered = register(&server, "ann", "correct horse battery");
    server
}

#[test]
fn t019_image_requests_of_another_site_are_rejected_without_a_charge() {
    let server = start(&few_requests());
    let _registered = register(&server, "ann", "correct horse battery");
    for path in ["/ws?1", "/socket.io/?EIO=4&transport=polling", "/auth/login", "/.env", "/"] {
        send_often(&server, &with(Request::get(&server, path), &IMAGE), REQUESTS);
    }
    recorded(&server, "cross_site");
    visitor_is_served(&server, "images");
}

#[test]
fn t001_whatever_another_sites_page_sends_the_visitor_is_served() {
    let server = serve();
    let evil = Some("https://evil.example");
    let upgrade = |path| Request::upgrade(&server, path).with("Origin", "https://evil.example");
    let get = |path: &str| Request::get(&server, path);
    let long = format!("/{}", "a".repeat(3_000));
    let longest = format!("/{}", "a".repeat(40_000));
    let cases = [
        ("WebSocket", upgrade("/ws")),
        ("Socket.IO", upgrade("/socket.io/?EIO=4&transport=websocket")),
        ("polling by fetch", get("/socket.io/?EIO=4&transport=polling").with("Origin", "null")),
        ("EventSource", get("/ws").with("Origin", "https://evil.example")),
        ("form", post(&server, "/auth/login", "application/x-www-form-urlencoded", evil)),
        ("form that reads as JSON", post(&server, "/auth/login", "text/plain", Some("null"))),
        ("JSON", post(&server, "/auth/login", "application/json", evil)),
        ("form of an older browser", post(&server, "/auth/login", "text/plain", None)),
        ("registration", post(&server, "/auth/register", "multipart/form-data", None)),
        ("image of an older browser", get("/ws?1")),
        ("polling image", get("/socket.io/?EIO=4&transport=polling&sid=guess")),
        ("image of nothing", get("/.git/config")),
        ("credential in an address", get("/socket.io/?EIO=4&transport=polling&token=x")),
        ("no target", get("/%zz")),
        ("long address", get(&long)),
        ("longer address", get(&longest)),
        ("another name of this server", get("/ws").with("Host", "evil.example")),
    ];
    for (name, request) in cases {
        eprintln!("{name}");
        send_often(&server, &request, REQUESTS_PER_KIND);
    }
    visitor_is_served(&server, "all of them");
    drop(PlainClient::connect(&server, &hs256("visitor")));
}

#[test]
fn links_of_other_sites_are_followed_and_bounded() {
    let server = start(&few_requests());
    let link = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")];
    let link = with(Request::get(&server, "/"), &link);
    let mut connection = Connection::open(&server);
    let served = (0..REQUESTS).filter(|_| link.ask_on(&mut connection).status == 200).count();
    assert!((600..REQUESTS).contains(&served), "{served}");
    let own = with(Request::get(&server, "/"), &[("Sec-Fetch-Site", "same-origin")]);
    assert_eq!(own.ask(&server).status, 200);
}

#[test]
fn rejected_request_of_another_site_keeps_its_connection() {
    let server = start(&few_requests());
    let mut connection = Connection::open(&server);
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let form = post(&server, "/auth/login", content_type, Some("https://evil.example"));
        let answer = form.ask_on(&mut connection);
        assert_eq!((answer.status, answer.header("connection")), (403, None), "{content_type}");
    }
    // A browser that keeps an answer from the page would close the connection.
    let image = with(Request::get(&server, "/ws?1"), &IMAGE).ask_on(&mut connection);
    assert_eq!((image.status, image.body.len()), (403, 0));
    assert_eq!(image.header("cross-origin-resource-policy"), Some("cross-origin"));
    let typed = with(Request::get(&server, "/"), &[("Sec-Fetch-Site", "none")]);
    assert_eq!(typed.ask_on(&mut connection).status, 200, "the body was not read as a request");
}
