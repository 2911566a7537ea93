//! The private listener, which only operators can reach.
//! Never: a secret in its answers.

use portcullis_test::{Config, Connection, Request, counter, until};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::clients::{alive, start};

#[test]
fn t263_details_are_only_on_the_private_listener() {
    let server = start(&Config::default());
    let evil = Request::upgrade(&server, "/ws").with("Origin", "https://evil.com");
    assert_eq!(evil.ask(&server).status, 403);
    for (path, word) in [
        ("/health", r#"{"status":"ok"}"#),
        ("/ready", r#"{"status":"ready","parts":{"#),
        ("/metrics", "origin_rejected"),
    ] {
        let answer = Request::get(&server, path).ask_private(&server);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        assert!(text.contains(word), "{path}: {text}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(Request::get(&server, path).ask(&server).status, 404, "{path} in public");
        let posted = Request::post(&server, path, "{}").ask_private(&server);
        assert_eq!(posted.status, 405, "{path}");
    }
    for path in ["/", "/ws", "/socket.io/", "/auth/login", "/.git/HEAD", "/metrics/"] {
        assert_eq!(Request::get(&server, path).ask_private(&server).status, 404, "{path}");
    }
    alive(&server);
}

/// The status of an answer to bytes on a private listener.
fn status(address: std::net::SocketAddr, bytes: &str) -> u16 {
    let mut connection = Connection::open_bare(address);
    connection.send(bytes.as_bytes());
    let answer = String::from_utf8(connection.read_to_end()).unwrap();
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    status.map_or(0, |status| status.parse().unwrap())
}

/// Requests of load balancers, orchestrators and monitors, and the status each gets.
const PROBES: [(&str, u16); 16] = [
    ("GET /ready HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /ready HTTP/1.1\r\nHost: 10.1.2.3:9443\r\nConnection: close\r\n\r\n", 200),
    ("GET /ready HTTP/1.1\r\n\r\n", 200),
    ("GET /ready HTTP/1.0\r\n\r\n", 200),
    ("GET /ready?verbose HTTP/1.0\r\nHost: lb.example\r\n\r\n", 200),
    ("HEAD /ready HTTP/1.0\r\n\r\n", 200),
    ("HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("OPTIONS /ready HTTP/1.0\r\n\r\n", 200),
    ("OPTIONS / HTTP/1.0\r\n\r\n", 200),
    ("POST /ready HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405),
    ("GET /ready HTTP/0.9\r\n\r\n", 400),
    ("GET /ready\r\n\r\n", 400),
    ("GET /ready/ HTTP/1.0\r\n\r\n", 404),
    ("GET /health/ HTTP/1.1\r\nHost: lb.example\r\n\r\n", 404),
    ("GET /readyz HTTP/1.0\r\n\r\n", 404),
    ("GET / HTTP/1.0\r\n\r\n", 404),
];

#[test]
fn probes_of_every_kind_are_answered() {
    let listen = vec![String::from("probe = \"127.0.0.1:0\"")];
    let server = start(&Config { listen, ..Config::default() });
    let probe = server.probe.expect("a listener for probes");
    for (request, expect) in PROBES {
        for address in [server.private, probe] {
            assert_eq!(status(address, request), expect, "{request:?} at {address}");
        }
    }
    let mut connection = Connection::open_bare(probe);
    connection.send(b"HEAD /ready HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = connection.read_to_end();
    assert!(head.ends_with(b"\r\n\r\n"), "HEAD has no content: {}", head.escape_ascii());
}

#[test]
fn probe_listener_answers_nothing_but_probes() {
    let listen = vec![String::from("probe = \"127.0.0.1:0\"")];
    let server = start(&Config { listen, ..Config::default() });
    let probe = server.probe.expect("a listener for probes");
    for path in ["/metrics", "/admin/state", "/admin/limits?user=u", "/", "/ws", "/auth/login"] {
        let key = server.operator_key();
        let requested = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Portcullis-Operator: {key}\r\n\r\n"
        );
        assert_eq!(status(probe, &requested), 404, "{path}");
    }
}

#[test]
fn t017_metrics_under_a_foreign_host_name_are_rejected() {
    let listen = vec![String::from("private_hosts = [\"metrics.internal\"]")];
    let server = start(&Config { listen, ..Config::default() });
    let port = server.private.port();
    let ask = |path: &str, host: &str| {
        status(server.private, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1.evil.example", ""] {
        for path in ["/metrics", "/metrics?x", "/admin/state", "/nothing"] {
            assert_eq!(ask(path, host), 421, "{path} {host:?}");
        }
        assert_eq!(ask("/ready", host), 200, "{host:?}");
    }
    let own = format!("localhost:{port}");
    for host in ["127.0.0.1", "10.0.0.5:9443", "[::1]", &own, "metrics.internal"] {
        assert_eq!(ask("/metrics", host), 200, "{host:?}");
    }
    assert_eq!(status(server.private, "GET /metrics HTTP/1.0\r\n\r\n"), 400, "no Host at all");
}

#[test]
fn silent_connections_do_not_keep_probes_out() {
    let listen = vec![String::from("probe = \"127.0.0.1:0\"")];
    let server = start(&Config { listen, ..Config::default() });
    for address in [server.private, server.probe.unwrap()] {
        let mut silent: Vec<Connection> = Vec::new();
        for round in 0..3 {
            // Some send nothing, some start a request and never finish it.
            silent.extend((0..80).map(|number| {
                let mut connection = Connection::open_bare(address);
                if number % 2 == 0 {
                    connection.send(b"GET /ready HTTP/1.1\r\nHost: a\r\n");
                }
                connection
            }));
            let answer = status(address, "GET /ready HTTP/1.0\r\n\r\n");
            assert_eq!(answer, 200, "round {round} at {address}");
        }
        drop(silent);
    }
}

/// Replaces the server's certificate with one that ends in January of a year.
fn replace_certificate(directory: &std::path::Path, until_year: i32) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![String::from("chat.example")]).unwrap();
    params.not_after = date_time_ymd(until_year, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn certificate_expiry_is_a_metric_and_follows_a_reload() {
    let server = start(&Config::default().production());
    let left_s = || counter(&server, "portcullis_certificate_expiry_seconds");
    let first = left_s();
    let directory = server.data().parent().unwrap().to_path_buf();
    replace_certificate(&directory, 2100);
    server.signal("HUP");
    until("the new certificate", || (left_s() + 60 < first).then_some(()));
    let second = left_s();
    // An expired one is rejected.
    replace_certificate(&directory, 2020);
    server.signal("HUP");
    let is_failure = |record: &serde_json::Value| {
        record["event"]["code"] == "sys_reload" && record["event"]["outcome"] == "failure"
    };
    let record = server.records.wait_for(is_failure);
    assert!(record["message"].as_str().unwrap().contains("expired on 2020-01-01"), "{record}");
    assert!(second - left_s() < 60, "the one in force stays");
}
