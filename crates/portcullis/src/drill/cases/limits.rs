//! Sizes of requests, and the rate of connections.
//! Never: more than sixty connections for the rate.

use super::case::{Case, CaseOutcome, Group, fail, fail_with, pass, rejected, skip};
use crate::drill::client::attacker::{Attacker, is_limited};
use crate::drill::client::request::{Request, SOCKET_PATH};

/// Most attempts to reach the rate of connections.
const ATTEMPTS_MAX: u32 = 60;
/// The longest body that a drill sends.
const BODY_MAX_BYTES: usize = 1024 * 1024;
const LARGE: &str = "large requests";

pub(super) const GROUP: Group = Group {
    name: "limits",
    cases: &[
        Case {
            id: "limit-url",
            name: "a long URL",
            threat: LARGE,
            sent: "GET of a path of 9,000 bytes",
            expected: "a rejection (414 or 400)",
            fix: "limit heads in the proxy: large_client_header_buffers 4 8k; in nginx",
            run: |attacker| {
                Ok(rejected(&attacker.ask(&Request::get(&format!("/{}", "a".repeat(9_000))))?))
            },
        },
        Case {
            id: "limit-headers",
            name: "many headers",
            threat: LARGE,
            sent: "GET / with 200 headers",
            expected: "a rejection (431 or 400)",
            fix: "let the proxy forward all headers, or reject such requests itself",
            run: |attacker| {
                let add = |request: Request, n| request.header(&format!("X-Drill-{n}"), "1");
                Ok(rejected(&attacker.ask(&(0..200).fold(Request::get("/"), add))?))
            },
        },
        Case {
            id: "limit-body",
            name: "a large body",
            threat: LARGE,
            sent: "POST /auth/login with one byte more than a request may have",
            expected: "a rejection (413)",
            fix: "limit bodies in the proxy: client_max_body_size 64k; in nginx",
            run: |attacker| {
                let length = attacker.facts.limits.body_max_bytes.saturating_add(1);
                if length > BODY_MAX_BYTES {
                    return Ok(skip("the limit is more than 1 MiB, the most that a drill sends"));
                }
                let request = Request::post("/auth/login", &vec![b' '; length]);
                let request = request.origin(Some(&attacker.facts.page));
                Ok(rejected(&attacker.ask(&request)?))
            },
        },
        Case {
            id: "limit-connects",
            name: "many connections of one address",
            threat: "floods of connections",
            sent: "WebSocket handshakes of your page, 60 at most, until one is rejected",
            expected: "429 with Retry-After, after rate.connect_per_prefix attempts or earlier",
            fix: "set rate.connect_per_prefix, and name the proxy in listen.trusted_proxies; a \
                  client then counts by its own address",
            run: connects,
        },
    ],
};

fn connects(attacker: &mut Attacker<'_>) -> CaseOutcome {
    let (most, is_observed) = (attacker.facts.limits.connects, attacker.facts.limits.is_observed);
    if most >= ATTEMPTS_MAX {
        return Ok(skip(format!(
            "rate.connect_per_prefix permits {most} at once, and a drill tries {ATTEMPTS_MAX}"
        )));
    }
    attacker.reset_limits()?;
    for attempt in 1..=most + 2 {
        let request = Request::upgrade(SOCKET_PATH).origin(Some(&attacker.facts.page));
        let answer = attacker.ask_once(&request)?;
        if answer.status() == 101 {
            continue;
        }
        if !is_limited(&answer) {
            return Ok(fail(format!("attempt {attempt}: {}", answer.words())));
        }
        let wait = answer.response().and_then(|response| response.header("retry-after"));
        return Ok(match wait {
            Some(wait) => {
                pass(format!("attempt {attempt}: {}, Retry-After: {wait}", answer.words()))
            }
            None => fail_with(
                format!("attempt {attempt}: {}, without Retry-After", answer.words()),
                "let the proxy pass Retry-After on, so that clients wait before they try again",
            ),
        });
    }
    let seen = format!("{} attempts were admitted, and the limit is {most}", most + 2);
    Ok(match is_observed {
        true => fail_with(seen, "remove connect_per_prefix from rate.observe: it only counts"),
        false => fail(seen),
    })
}
