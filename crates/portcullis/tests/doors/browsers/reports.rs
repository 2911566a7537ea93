//! Reports of browsers about the policy of a page: recorded within limits, without text of a page.
//! Never: an alert that a flood of reports causes, or a visitor who is blocked for them.

use portcullis_test::{Answer, Config, Connection, Request, TestServer, counter};
use serde_json::{Value, json};

use crate::clients::{alive, answers, send_raw, start};

const PATH: &str = "/csp-report";
const CSP: &str = "application/csp-report";
const REPORTING: &str = "application/reports+json";

/// A report as browsers send it: from the page of this server, with cookies, without an origin.
fn report(server: &TestServer, media_type: &str, body: &str) -> Request {
    Request::post(server, PATH, body)
        .without("Origin")
        .with("Content-Type", media_type)
        .header("Sec-Fetch-Site", "same-origin")
        .header("Sec-Fetch-Dest", "report")
        .header("Cookie", "portcullis=x")
        .header("User-Agent", "Browser/1")
}

fn csp(server: &TestServer, blocked: &str) -> Request {
    let document = format!("{}/rooms/7?token=a-secret-query#a-secret-fragment", server.origin);
    let body = json!({"csp-report": {
        "document-uri": document, "blocked-uri": blocked, "effective-directive": "img-src",
        "original-policy": "a-secret-policy", "script-sample": "a-secret-sample",
        "referrer": "https://a-secret-referrer.example/", "source-file": "a-secret-file",
    }});
    report(server, CSP, &body.to_string())
}

fn is_report(record: &Value) -> bool {
    record["event"]["code"] == "malicious_csp_violation"
}

fn recorded(server: &TestServer) -> u64 {
    counter(server, "portcullis_reports_total{outcome=\"recorded\"}")
}

fn dropped(server: &TestServer) -> u64 {
    counter(server, "portcullis_reports_total{outcome=\"dropped\"}")
}

fn check_answer(answer: &Answer) {
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("set-cookie"), None);
}

#[test]
fn t167_pages_name_the_endpoint_and_a_report_is_recorded_without_text() {
    let server = start(&Config::default());
    let page = Request::get(&server, "/").ask(&server);
    assert_eq!(page.header("reporting-endpoints"), Some("csp=\"/csp-report\""));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.ends_with("; report-uri /csp-report; report-to csp"), "{policy}");
    check_answer(&csp(&server, "https://evil.example/pixel?a-secret-query").ask(&server));
    let record = server.records.wait_for(is_report);
    assert_eq!(record["log"]["level"], "warning", "{record}");
    assert_eq!(
        (&record["rule"]["name"], &record["event"]["reason"]),
        (&json!("csp"), &json!("img-src"))
    );
    assert_eq!(record["labels"]["blocked"], "https://evil.example", "{record}");
    assert_eq!(record["url"]["path"], "/rooms/7", "{record}");
    assert_eq!(record["source"]["ip"], "127.0.0.1", "{record}");
    assert_eq!(record["user_agent"]["original"], "Browser/1", "{record}");
    let list = json!([
        {"type": "csp-violation", "age": 1, "url": "https://a.example/?a-secret-query", "body": {
            "documentURL": "https://a.example/two?a-secret-query",
            "blockedURL": "trusted-types-sink",
            "effectiveDirective": "require-trusted-types-for", "sample": "a-secret-sample"}},
        {"type": "deprecation", "url": "https://a.example/", "body": {"id": "a-secret-id"}},
    ]);
    check_answer(&report(&server, REPORTING, &list.to_string()).ask(&server));
    let record = server.records.wait_for(|record| record["url"]["path"] == "/two");
    assert_eq!(record["event"]["reason"], "require-trusted-types-for", "{record}");
    assert_eq!(record["labels"]["blocked"], "trusted-types-sink", "{record}");
    assert_eq!(recorded(&server), 2);
    assert!(!server.records.text().contains("a-secret"));
}

#[test]
fn t167_oversized_and_malformed_reports_are_rejected_and_block_no_visitor() {
    let server = start(&Config::strict_rates());
    let large = format!("{{\"csp-report\":{{\"blocked-uri\":\"{}\"}}}}", "a".repeat(8 * 1024));
    let nested = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
    let cases = [
        (CSP, large.as_str(), 413),
        (REPORTING, large.as_str(), 413),
        (CSP, "", 400),
        (CSP, "{", 400),
        (CSP, "[]", 400),
        (CSP, "{\"csp-report\":7}", 400),
        (CSP, nested.as_str(), 400),
        (REPORTING, "{}", 400),
        (REPORTING, nested.as_str(), 400),
        (REPORTING, "[{\"type\":\"csp-violation\",\"body\":7}]", 400),
        ("application/json", "{}", 415),
        ("text/plain", "{}", 415),
        ("application/csp-report; charset=utf-16", "{}", 415),
    ];
    for _ in 0..10 {
        for (media_type, body, status) in cases {
            let answer = report(&server, media_type, body).ask(&server);
            assert_eq!(answer.status, status, "{media_type} {}", &body[..body.len().min(40)]);
        }
    }
    let encoded = report(&server, CSP, "{}").header("Content-Encoding", "gzip").ask(&server);
    assert_eq!(encoded.status, 415);
    for method in ["GET", "HEAD", "OPTIONS", "PUT"] {
        let line = format!("{method} {PATH} HTTP/1.1");
        let answer = send_raw(
            &server,
            &Request::bare(&line)
                .header("Host", &server.public.to_string())
                .header("Connection", "close")
                .bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method} {answer}");
    }
    let foreign = report(&server, CSP, "{}").with("Sec-Fetch-Site", "cross-site").ask(&server);
    assert_eq!(foreign.status, 403);
    let foreign = report(&server, CSP, "{}").header("Origin", "https://evil.example").ask(&server);
    assert_eq!(foreign.status, 403);
    assert_eq!(recorded(&server), 0);
    // None of them counts against the address.
    let page = Request::get(&server, "/").header("Sec-Fetch-Site", "none").ask(&server);
    assert_eq!(page.status, 200);
}

#[test]
fn t167_flood_of_reports_is_limited_sampled_and_no_alert() {
    let mut config = Config::strict_rates();
    config.rate.push(String::from("request_per_prefix = \"5/60s\""));
    let server = start(&config);
    let mut connection = Connection::open(&server);
    let list = |length: usize| {
        let one = json!({"type": "csp-violation", "url": "https://a.example/", "body": {
            "documentURL": "https://a.example/", "blockedURL": "inline",
            "effectiveDirective": "script-src-elem"}});
        Value::from(vec![one; length]).to_string()
    };
    for round in 0..50 {
        let answer = report(&server, REPORTING, &list(20)).ask_on(&mut connection);
        assert_eq!(answer.status, 204, "{round}: the answer does not tell");
        if answer.header("connection") == Some("close") {
            connection = Connection::open(&server);
        }
    }
    assert_eq!(recorded(&server), 30, "of one address in a minute");
    assert_eq!(dropped(&server), 50 * 8 - 30, "eight of a list count");
    let written = server.records.all().iter().filter(|record| is_report(record)).count();
    assert!(written <= 30, "{written}");
    for severity in ["critical", "high", "medium", "info"] {
        let open = format!("portcullis_alerts_open{{severity=\"{severity}\"}}");
        assert_eq!(counter(&server, &open), 0, "{severity}");
    }
    // Reports have used up nothing of the rate of requests.
    for _ in 0..3 {
        let page = Request::get(&server, "/").header("Sec-Fetch-Site", "none").ask(&server);
        assert_eq!(page.status, 200);
    }
    alive(&server);
}

#[test]
fn t167_body_of_a_rejected_report_is_not_read_as_a_request() {
    let server = start(&Config::default());
    let inner = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    let request = report(&server, "text/plain", inner).header("Connection", "close");
    assert_eq!(answers(&send_raw(&server, &request.bytes())), 1);
}
