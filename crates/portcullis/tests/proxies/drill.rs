//! `portcullis drill` through nginx: with the example configuration, and with a careless one.
//! Never: a finding on the example; a careless line that no case finds.

use std::net::SocketAddr;
use std::thread;

use portcullis_test::{Config, TestServer};
use serde_json::Value;

use crate::small_proxy::{Care, SmallProxy};
use crate::started::{Behind, Kind, NAME};

fn config() -> Config {
    Config {
        rate: Vec::new(),
        capacity: vec![String::from("connections_total = 1000")],
        issuer: false,
        more: String::from("[admin]\nhost = \"admin.chat.example\"\n"),
        ..Config::default()
    }
}

/// Runs the drill through the proxy; returns its exit code and the report.
fn drill(behind: &Behind) -> (Option<i32>, Value) {
    let (url, authority) = (format!("https://{NAME}"), behind.authority());
    let more = ["--ca", &authority, "--with-block"];
    drill_at(&behind.server, &url, behind.address(), &more)
}

/// Runs the drill at an address of the name, from another address than that of the proxy.
fn drill_at(
    server: &TestServer,
    url: &str,
    connect: SocketAddr,
    more: &[&str],
) -> (Option<i32>, Value) {
    let connect = connect.to_string();
    let arguments = ["drill", url, "--connect", &connect, "--json", "--source", "127.7.7.7"];
    let output = server.operate(&[&arguments, more].concat(), "");
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

/// The cases with a result, by id.
fn cases<'a>(report: &'a Value, result: &str) -> Vec<&'a str> {
    let cases = report["cases"].as_array().unwrap().iter();
    let cases = cases.filter(|case| case["result"] == result);
    cases.map(|case| case["id"].as_str().unwrap()).collect()
}

#[test]
fn drill_finds_nothing_behind_the_example_of_each_proxy() {
    let check = |kind| {
        let behind = Behind::start(kind, config());
        let (code, report) = drill(&behind);
        assert_eq!(cases(&report, "failed"), Vec::<&str>::new(), "{kind:?} {report:#}");
        // The drill has no user.
        assert_eq!(cases(&report, "skipped"), ["packet-undeclared-event"], "{kind:?} {report:#}");
        assert_eq!(code, Some(0), "{kind:?}");
    };
    // Both wait for the timeouts of the examples.
    thread::scope(|scope| {
        for kind in [Kind::Nginx, Kind::HaproxyEnds] {
            scope.spawn(move || check(kind));
        }
    });
}

/// Lines that people write in a configuration of nginx, and the case that finds each.
fn careless(server: &TestServer) -> Vec<(&'static str, String)> {
    let host = String::from("proxy_set_header Host       chat.example;");
    let address = String::from(
        "proxy_set_header X-Forwarded-For $http_x_forwarded_for; \
         proxy_set_header Origin https://chat.example; \
         proxy_hide_header Content-Security-Policy; \
         proxy_hide_header Strict-Transport-Security; \
         add_header Access-Control-Allow-Origin * always;",
    );
    let metrics = format!(
        "location /metrics {{ proxy_pass http://{}; }}\n        location / {{",
        server.private
    );
    let slow = |directive: &str| format!("{directive} 60s;");
    vec![
        ("client_header_timeout       10s;", slow("client_header_timeout")),
        ("client_body_timeout         10s;", slow("client_body_timeout")),
        ("proxy_request_buffering off;", String::from("proxy_request_buffering on;")),
        ("proxy_set_header Host       $host;", host),
        ("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", address),
        ("location / {", metrics),
    ]
}

#[test]
fn drill_finds_each_careless_line_of_a_proxy_and_names_its_remedy() {
    let behind = Behind::start_changed(Kind::Nginx, config(), careless);
    let (code, report) = drill(&behind);
    let expect = [
        ("tls-hsts", "proxy_hide_header"),
        ("origin-foreign", "forward Origin unchanged"),
        ("origin-look-alike", "forward Origin unchanged"),
        ("origin-null", "forward Origin unchanged"),
        ("origin-missing", "forward Origin unchanged"),
        ("origin-polling", "forward Origin unchanged"),
        ("cors-preflight", "add_header"),
        ("cors-foreign", "add_header"),
        ("cors-own-page", "unchanged"),
        ("host-foreign", "proxy_set_header Host $host;"),
        ("address-of-client", "listen.trusted_proxies"),
        ("address-x-forwarded-for", "$proxy_add_x_forwarded_for"),
        ("header-csp-page", "proxy_hide_header"),
        ("header-csp-api", "proxy_hide_header"),
        ("header-frames", "proxy_hide_header"),
        ("path-metrics", "listen.private"),
        ("slow-connection", "client_header_timeout"),
        ("slow-tls-hello", "client_header_timeout"),
        ("slow-tls-handshake", "client_header_timeout"),
        ("slow-request", "client_header_timeout"),
        ("slow-head", "client_header_timeout"),
        ("slow-body", "proxy_request_buffering off"),
    ];
    let ids: Vec<&str> = expect.iter().map(|(id, _)| *id).collect();
    assert_eq!(cases(&report, "failed"), ids, "{report:#}");
    for (id, remedy) in expect {
        let cases = report["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["id"] == id).unwrap();
        assert!(case["fix"].as_str().unwrap().contains(remedy), "{case:#}");
    }
    assert_eq!(code, Some(3));
}

/// The cases of request smuggling.
const SMUGGLING: [&str; 7] = [
    "smuggling-cl-te",
    "smuggling-te-space",
    "smuggling-te-unknown",
    "smuggling-obs-fold",
    "smuggling-bare-lf",
    "smuggling-cl-twice",
    "smuggling-cl-sign",
];

/// A server behind a proxy of the tests, and the drill of both.
fn drill_behind(care: Care) -> (SmallProxy, Value) {
    let mut config = config();
    config.plaintext = true;
    config.listen.push(String::from("trusted_proxies = [\"127.0.0.1\"]"));
    config.transport.push(String::from("connect_timeout_ms = 1000"));
    let server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config.production());
    let proxy = SmallProxy::start(care, server.public);
    let (_, report) = drill_at(&server, &format!("http://{NAME}"), proxy.address, &[]);
    (proxy, report)
}

#[test]
fn drill_finds_every_smuggled_request_of_a_careless_proxy() {
    let (_proxy, report) = drill_behind(Care::Rewrites);
    assert_eq!(cases(&report, "failed"), SMUGGLING, "{report:#}");
    // The operator has not permitted it.
    assert!(cases(&report, "skipped").contains(&"block-violations"), "{report:#}");
    for id in SMUGGLING {
        let cases = report["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["id"] == id).unwrap();
        assert!(case["seen"].as_str().unwrap().contains("hidden request was processed"), "{case}");
        assert!(case["fix"].as_str().unwrap().contains("reject ambiguous requests"), "{case}");
    }
}

#[test]
fn drill_passes_a_proxy_that_rejects_or_forwards_ambiguous_requests() {
    for care in [Care::Careful, Care::Forwards] {
        let (proxy, report) = drill_behind(care);
        assert_eq!(cases(&report, "failed"), Vec::<&str>::new(), "{care:?} {report:#}");
        let passed = cases(&report, "passed");
        assert!(SMUGGLING.iter().all(|id| passed.contains(id)), "{care:?} {report:#}");
        // The server itself rejects both lengths, which arrive unchanged.
        let both: Vec<_> = proxy.exchanges().into_iter().filter(has_both_lengths).collect();
        let expect: &[u16] = if care == Care::Careful { &[] } else { &[400; 5] };
        let statuses: Vec<_> = both.iter().map(|(_, status)| *status).collect();
        assert_eq!(statuses, expect, "{care:?} {both:?}");
    }
}

fn has_both_lengths((head, _): &(String, u16)) -> bool {
    head.contains("\r\nContent-Length: ") && head.contains("Transfer-Encoding")
}
