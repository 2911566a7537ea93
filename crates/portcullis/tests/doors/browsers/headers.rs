//! Security headers on every answer, whatever its status.
//! Never: a header that stands twice.

use portcullis_test::{Answer, Config, Connection, Request, SioClient, TestServer, hs256};

use crate::clients::{ENGINE, alive, start};

/// The names of headers that have one value on every answer.
const FIXED: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", "geolocation=(), camera=(), microphone=(), interest-cohort=()"),
    ("cross-origin-opener-policy", "same-origin"),
    ("vary", "Origin"),
];
const HSTS: &str = "max-age=63072000; includeSubDomains";

/// Configurations, and whether their answers carry HSTS: development never does, and behind a proxy
/// that ends TLS production does.
fn configurations() -> [(Config, bool); 4] {
    [
        (Config::default(), false),
        (Config::plaintext(), false),
        (Config::default().production(), true),
        (Config::plaintext().production(), true),
    ]
}

pub(crate) fn check(answer: &Answer, status: u16, hsts: bool) {
    assert_eq!(answer.status, status);
    for (name, value) in FIXED {
        assert_eq!(answer.values(name), [value], "{status} {name}");
    }
    for name in ["content-security-policy", "cache-control", "cross-origin-resource-policy"] {
        assert_eq!(answer.values(name).len(), 1, "{status} {name}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{status} {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{status} {policy}");
    assert!(!policy.contains("unsafe"), "{status} {policy}");
    let expect: &[&str] = if hsts { &[HSTS] } else { &[] };
    assert_eq!(answer.values("strict-transport-security"), expect, "{status}");
    for name in ["server", "x-powered-by", "via"] {
        assert_eq!(answer.header(name), None, "{status} {name}");
    }
    if status != 200 {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
    }
}

fn cases(server: &TestServer) -> Vec<(u16, Request)> {
    let upgrade = || Request::upgrade(server, "/ws");
    let get = |path: &str| Request::get(server, path);
    let options = Request::bare("OPTIONS /auth/login HTTP/1.1")
        .header("Host", &server.public.to_string())
        .header("Origin", &server.origin);
    let login = |body: &str| Request::post(server, "/auth/login", body);
    let trace = Request::bare("TRACE / HTTP/1.1").header("Host", &server.public.to_string());
    vec![
        (200, get("/")),
        (101, upgrade()),
        (101, upgrade().header("Authorization", &format!("Bearer {}", hs256("ann")))),
        (204, options),
        (400, login("{")),
        (400, get("/").with("Host", "evil.com")),
        (400, get("/ws?x").header("Transfer-Encoding", "chunked")),
        (200, get("/socket.io/?EIO=4&transport=polling").header("Origin", &server.origin)),
        (400, get("/socket.io/?EIO=3&transport=polling").header("Origin", &server.origin)),
        (401, upgrade().header("Authorization", "Bearer x")),
        (401, login(r#"{"username":"missing","password":"a plain long sentence"}"#)),
        (403, upgrade().with("Origin", "https://evil.com")),
        (404, get("/nothing")),
        (405, trace),
        (413, login("{}").with("Content-Length", "10000000")),
        (414, get(&format!("/{}", "a".repeat(8_000)))),
        (415, login("{}").with("Content-Type", "text/plain")),
        (426, upgrade().with("Sec-WebSocket-Version", "8")),
        (431, get("/").header("X-Pad", &"a".repeat(16 * 1024))),
    ]
}

#[test]
fn t260_every_answer_has_all_security_headers() {
    for (config, hsts) in configurations() {
        let server = start(&config);
        for (status, request) in cases(&server) {
            check(&request.ask(&server), status, hsts);
        }
        alive(&server);
    }
}

#[test]
fn t260_answers_to_slow_and_to_many_requests_have_them_too() {
    for (config, hsts) in configurations() {
        let transport = vec![String::from("handshake_timeout_ms = 1500")];
        let rate = ["request_per_prefix = \"1/60s\"", "connect_per_prefix = \"1/60s\""];
        let rate = rate.map(String::from).to_vec();
        let server = start(&Config { transport, rate, ..config });
        check(&Request::bare("GET / HTTP/1.1").ask(&server), 400, hsts);
        let limited = Request::get(&server, "/").ask(&server);
        check(&limited, 429, hsts);
        let wait: u32 = limited.header("retry-after").unwrap().parse().unwrap();
        assert!((60..=90).contains(&wait), "the real time and up to half of it: {wait}");
        let mut slow = Connection::open(&server);
        slow.send(b"GET / HTTP/1.1\r\n");
        check(&Answer::read(&mut slow), 408, hsts);
        assert_eq!(Request::upgrade(&server, "/ws").ask(&server).status, 101);
        check(&Request::upgrade(&server, "/ws").ask(&server), 429, hsts);
    }
}

#[test]
fn t260_answers_of_a_full_server_have_them_too() {
    for (config, hsts) in configurations() {
        let mut config = config;
        config.capacity.push(String::from("pre_auth_total = 1"));
        config.overload.push(String::from("waiting_strangers = 0"));
        config.transport.push(String::from("connect_timeout_ms = 60000"));
        let server = start(&config);
        let held = SioClient::open(&server);
        let busy = Request::upgrade(&server, ENGINE).ask(&server);
        check(&busy, 503, hsts);
        let wait: u32 = busy.header("retry-after").unwrap().parse().unwrap();
        assert!((30..=60).contains(&wait), "{wait}");
        drop(held);
    }
}

/// The sources of each directive of a policy (CSP level 3, section 2.2.1).
fn directives(policy: &str) -> Vec<(&str, Vec<&str>)> {
    let parts = policy.split(';').map(str::trim).filter(|part| !part.is_empty());
    let words = parts.map(|part| part.split_whitespace());
    words.map(|mut words| (words.next().unwrap(), words.collect())).collect()
}

#[test]
fn t261_page_policy_allows_only_files_of_the_server() {
    let server = start(&Config::default());
    for path in ["/", "/nothing", "/auth/login", "/socket.io/?EIO=4&transport=polling"] {
        let answer = Request::get(&server, path).header("Origin", &server.origin).ask(&server);
        let policy = answer.header("content-security-policy").unwrap();
        let found = directives(policy);
        let of = |name: &str| {
            let same = |(known, _): &&(&str, Vec<&str>)| *known == name;
            assert!(found.iter().filter(same).count() <= 1, "{path}: {name} twice in {policy}");
            found.iter().find(same).map(|(_, sources)| sources.clone())
        };
        assert_eq!(of("default-src"), Some(vec!["'none'"]), "{path}: {policy}");
        assert_eq!(of("frame-ancestors"), Some(vec!["'none'"]), "{path}: {policy}");
        // Neither of them falls back to `default-src`.
        assert_eq!(of("base-uri"), Some(vec!["'none'"]), "{path}: {policy}");
        let is_page =
            answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let forms = if is_page { "'self'" } else { "'none'" };
        assert_eq!(of("form-action"), Some(vec![forms]), "{path}: {policy}");
        // No scheme or star that others can serve from, nothing inline, and so no nonces.
        for (name, sources) in &found {
            for source in sources {
                let own = ["'none'", "'self'", "'script'"].contains(source);
                let socket = *name == "connect-src" && source.starts_with("wss://");
                let reports = [("report-uri", "/csp-report"), ("report-to", "csp")];
                let report = reports.contains(&(name, source));
                assert!(own || socket || report, "{path}: {name} {source}");
                assert!(!source.contains('*'), "{path}: {name} {source}");
            }
        }
        if is_page {
            assert_eq!(of("require-trusted-types-for"), Some(vec!["'script'"]), "{path}");
        } else {
            assert_eq!(of("sandbox"), Some(vec![]), "{path}: {policy}");
        }
    }
    let page = Request::get(&server, "/").ask(&server);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    alive(&server);
}

#[test]
fn private_listener_and_public_api_send_the_same_policy() {
    let server = start(&Config::default());
    let public = Request::get(&server, "/nothing").ask(&server);
    let policy = public.header("content-security-policy").unwrap();
    for path in ["/health", "/ready", "/metrics", "/nothing"] {
        let answer = Request::get(&server, path).ask_private(&server);
        assert_eq!(answer.values("content-security-policy"), [policy], "{path}");
    }
}

#[test]
fn every_text_that_is_served_names_its_charset() {
    let server = start(&Config::default());
    for path in ["/", "/app.js", "/app.css", "/favicon.svg", "/nothing", "/socket.io/?EIO=4"] {
        let answer = Request::get(&server, path).ask(&server);
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.ends_with("; charset=utf-8"), "{path}: {kind}");
    }
}
