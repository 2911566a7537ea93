//! `portcullis drill` through nginx: with the example configuration, and with a careless one.
//! Never: a finding on the example; a careless line that no case finds.

use portcullis_test::{Config, TestServer};
use serde_json::Value;

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
    let (url, connect) = (format!("https://{NAME}"), behind.address().to_string());
    let mut arguments = vec!["drill", &url, "--connect", &connect, "--json"];
    let authority = behind.authority();
    // Another address than that of the proxy.
    arguments.extend(["--ca", &authority, "--source", "127.7.7.7"]);
    let output = behind.server.operate(&arguments, "");
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
    for kind in [Kind::Nginx, Kind::HaproxyEnds] {
        let behind = Behind::start(kind, config());
        let (code, report) = drill(&behind);
        assert_eq!(cases(&report, "failed"), Vec::<&str>::new(), "{kind:?} {report:#}");
        // The drill has no user.
        assert_eq!(cases(&report, "skipped"), ["packet-undeclared-event"], "{kind:?} {report:#}");
        assert_eq!(code, Some(0), "{kind:?}");
    }
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
    vec![
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
