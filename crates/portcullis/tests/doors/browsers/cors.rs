//! Account requests that pages of other origins can send, and answers that they can read.
//! Never: `*`, and no answer that a cache could give to another origin.

use portcullis_test::{Config, Request, TestServer};

use crate::clients::{alive, assert_no_cors, start};

const PAGE: &str = "https://myapp.test";
const ROUTES: [&str; 3] = ["/auth/login", "/auth/register", "/auth/setup"];

fn server() -> TestServer {
    let lines = vec![format!("allowed = [{PAGE:?}]")];
    start(&Config { origin: lines, ..Config::default() })
}

fn preflight(server: &TestServer, path: &str, origin: &str) -> Request {
    Request::bare(&format!("OPTIONS {path} HTTP/1.1"))
        .header("Host", &server.public.to_string())
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "X-Evil, content-type")
}

#[test]
fn t013_preflight_of_a_foreign_page_is_rejected_without_cors_headers() {
    let server = server();
    for path in ROUTES {
        for origin in ["https://evil.com", "null", "*", "https://myapp.test.evil.com"] {
            let answer = preflight(&server, path, origin).ask(&server);
            assert_eq!(answer.status, 403, "{path} {origin}");
            assert_no_cors(&answer, origin);
            let posted = Request::post(&server, path, "{}").header("Origin", origin);
            let answer = posted.ask(&server);
            assert_eq!(answer.status, 403, "{path} {origin}");
            assert_no_cors(&answer, origin);
        }
    }
    let _record = server.records.wait_for_rule("origin_rejected");
    alive(&server);
}

#[test]
fn t014_t015_preflight_of_an_allowed_page_names_only_allowed_parts() {
    let server = server();
    for path in ROUTES {
        let answer = preflight(&server, path, PAGE).ask(&server);
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.values("access-control-allow-origin"), [PAGE]);
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST"));
        let headers = answer.header("access-control-allow-headers");
        assert_eq!(headers, Some("content-type, authorization, dpop, x-admission"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let age: u32 = answer.header("access-control-max-age").unwrap().parse().unwrap();
        assert!(age <= 600, "{age}");
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let put = Request::bare("PUT /auth/login HTTP/1.1")
        .header("Host", &server.public.to_string())
        .header("Origin", PAGE);
    assert_eq!(put.ask(&server).status, 405);
}

#[test]
fn t016_answers_to_one_origin_are_for_no_other_and_for_no_cache() {
    let server = server();
    let login = |origin: Option<&str>| {
        let request = Request::post(&server, "/auth/login", "{}");
        match origin {
            Some(origin) => request.header("Origin", origin).ask(&server),
            None => request.ask(&server),
        }
    };
    let (page, own) = (PAGE, server.origin.as_str());
    for (origin, seen) in [(Some(page), Some(page)), (Some(own), Some(own)), (None, None)] {
        let answer = login(origin);
        assert_eq!(answer.status, 400, "{origin:?}");
        assert_eq!(answer.header("access-control-allow-origin"), seen);
        assert_eq!(answer.header("vary"), Some("Origin"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}
