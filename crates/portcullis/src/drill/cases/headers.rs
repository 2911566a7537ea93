//! Security headers of the pages and of the API, as they arrive at a client.
//! Never: a page that runs; only the headers are read.

use super::case::{Case, CaseOutcome, Group, fail, pass, skip};
use crate::drill::client::attacker::Attacker;
use crate::drill::client::request::Request;

const API: &str = "/.well-known/jwks.json";
const FIX: &str = "let the proxy pass the headers of the server on: remove proxy_hide_header, \
                   add_header and del-header for them";

pub(super) const GROUP: Group = Group {
    name: "security headers",
    cases: &[
        Case {
            id: "header-csp-page",
            name: "the page has a strict Content-Security-Policy",
            threat: "script in the page",
            sent: "GET /",
            expected: "Content-Security-Policy with default-src 'none', without 'unsafe-…'",
            fix: FIX,
            run: |attacker| policy(attacker, "/"),
        },
        Case {
            id: "header-csp-api",
            name: "answers of the API have a strict Content-Security-Policy",
            threat: "script in an answer that a browser shows",
            sent: "GET /.well-known/jwks.json",
            expected: "Content-Security-Policy with default-src 'none', without 'unsafe-…'",
            fix: FIX,
            run: |attacker| policy(attacker, API),
        },
        Case {
            id: "header-frames",
            name: "no other site can show the page in a frame",
            threat: "clickjacking",
            sent: "GET /",
            expected: "frame-ancestors 'none' or 'self' in Content-Security-Policy",
            fix: FIX,
            run: |attacker| {
                header(attacker, "/", "content-security-policy", |value| {
                    value.contains("frame-ancestors 'none'")
                        || value.contains("frame-ancestors 'self'")
                })
            },
        },
        Case {
            id: "header-nosniff",
            name: "browsers do not guess types of content",
            threat: "script in an answer that is not one",
            sent: "GET /.well-known/jwks.json",
            expected: "X-Content-Type-Options: nosniff",
            fix: FIX,
            run: |attacker| {
                header(attacker, API, "x-content-type-options", |value| value == "nosniff")
            },
        },
        Case {
            id: "header-referrer",
            name: "other sites do not get addresses of pages",
            threat: "addresses in the logs of other sites",
            sent: "GET /",
            expected: "Referrer-Policy: no-referrer, same-origin or a strict-origin",
            fix: FIX,
            run: |attacker| {
                header(attacker, "/", "referrer-policy", |value| {
                    let policies = ["no-referrer", "same-origin", "strict-origin"];
                    policies.contains(&value) || value == "strict-origin-when-cross-origin"
                })
            },
        },
        Case {
            id: "header-cache",
            name: "answers of the API are not stored",
            threat: "answers for one user in a shared cache",
            sent: "GET /.well-known/jwks.json",
            expected: "Cache-Control: no-store",
            fix: "let the proxy cache nothing of the API: remove proxy_cache and expires",
            run: |attacker| {
                header(attacker, API, "cache-control", |value| value.contains("no-store"))
            },
        },
    ],
};

fn policy(attacker: &mut Attacker<'_>, path: &str) -> CaseOutcome {
    header(attacker, path, "content-security-policy", |value| {
        value.contains("default-src 'none'") && !value.contains("unsafe")
    })
}

fn header(
    attacker: &mut Attacker<'_>,
    path: &str,
    name: &str,
    is_good: fn(&str) -> bool,
) -> CaseOutcome {
    let answer = attacker.ask(&Request::get(path))?;
    let Some(response) = answer.response() else { return Ok(skip(answer.words())) };
    Ok(match response.header(name) {
        Some(value) if is_good(value) => pass(value),
        Some(value) => fail(value),
        None => fail(format!("{}: the header is missing", answer.words())),
    })
}
