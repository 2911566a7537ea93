//! The host name of a request: DNS rebinding ends here.
//! Never: a name of the request in an answer.

use portcullis_test::{Config, Request};

use crate::clients::{SOCKETS, alive, start};

#[test]
fn t017_foreign_repeated_or_missing_host_is_rejected() {
    let server = start(&Config::default());
    let own = server.public.to_string();
    for path in SOCKETS.into_iter().chain(["/", "/auth/login"]) {
        let good = || Request::upgrade(&server, path);
        let line = format!("GET http://evil.com{path} HTTP/1.1");
        let absolute = Request::bare(&line).header("Origin", &server.origin);
        let upper = format!("{}.", server.public.ip());
        let cases = [
            good().with("Host", "evil.com"),
            good().with("Host", &format!("evil.com:{}", server.public.port())),
            good().with("Host", &upper),
            good().with("Host", ""),
            good().with("Host", &format!("user@{own}")),
            good().with("Host", &format!("{own}, evil.com")),
            good().without("Host"),
            good().without("Host").header("X-Forwarded-Host", &own),
            good().header("Host", "evil.com"),
            good().header("Host", &own),
            absolute.clone().header("Host", &own),
            absolute.header("Host", "evil.com"),
        ];
        for (index, request) in cases.iter().enumerate() {
            let answer = request.ask(&server);
            assert_eq!(answer.status, 400, "{path} case {index}");
            let text = format!("{:?}{}", answer.headers, answer.body.escape_ascii());
            assert!(!text.contains("evil.com"), "{path} case {index}: {text}");
        }
    }
    let record = server.records.wait_for_rule("host");
    assert_eq!(record["event"]["code"], "malicious_extraneous", "{record}");
    alive(&server);
}

#[test]
fn t017_forwarded_host_is_ignored() {
    let server = start(&Config::default());
    let own = server.public.to_string();
    let page = Request::get(&server, "/")
        .header("X-Forwarded-Host", "evil.com")
        .header("Forwarded", "host=evil.com")
        .header("X-Forwarded-Proto", "http");
    let answer = page.ask(&server);
    assert_eq!(answer.status, 200);
    let text = format!("{:?}{}", answer.headers, answer.body.escape_ascii());
    assert!(!text.contains("evil.com"), "{text}");
    let absolute = Request::bare(&format!("GET https://{own}/ HTTP/1.1")).header("Host", &own);
    assert_eq!(absolute.ask(&server).status, 200, "our own authority");
}
