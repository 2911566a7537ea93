//! Pages of other sites: WebSocket, long-polling, and requests across origins.
//! Never: credentials; a page of another site would have those of its visitor.

use super::case::{Case, CaseOutcome, Group, Verdict, fail, pass, rejected, skip};
use crate::drill::client::attacker::{Attacker, Upgrade};
use crate::drill::client::request::{POLLING_PATH, Request, SOCKET_PATH};

/// The origin of another site; no such name can exist (RFC 2606 section 2).
pub(super) const FOREIGN: &str = "https://drill.invalid";
/// The header by which a page of another origin can read an answer (Fetch, section 3.2).
const ALLOW: &str = "access-control-allow-origin";
const HIJACKING: &str = "a page of another site connects (cross-site WebSocket hijacking)";
const OF_CLIENT: &str = "let the proxy forward Origin unchanged: do not set it with \
                         proxy_set_header in nginx or set-header in HAProxy; list your pages only \
                         in origin.allowed";

pub(super) const GROUP: Group = Group {
    name: "pages of other sites",
    cases: &[
        Case {
            id: "origin-own-page",
            name: "a page of origin.allowed can open a WebSocket",
            threat: "none: without it, the rejections of this group prove nothing",
            sent: "a WebSocket handshake with an Origin of origin.allowed",
            expected: "status 101",
            fix: "let the proxy forward upgrades: proxy_http_version 1.1, Upgrade and Connection \
                  in nginx (docs/proxies.md)",
            run: |attacker| {
                let page = attacker.facts.page.clone();
                let request = Request::upgrade(SOCKET_PATH).origin(Some(&page));
                Ok(match attacker.upgrade(&request)? {
                    Upgrade::Open(_) => pass("status 101"),
                    Upgrade::Rejected(answer) => fail(answer.words()),
                })
            },
        },
        Case {
            id: "origin-foreign",
            name: "a page of another site cannot open a WebSocket",
            threat: HIJACKING,
            sent: "a WebSocket handshake with Origin: https://drill.invalid",
            expected: "a rejection (403)",
            fix: OF_CLIENT,
            run: |attacker| upgrade(attacker, Some(FOREIGN)),
        },
        Case {
            id: "origin-look-alike",
            name: "a name that begins like yours cannot open a WebSocket",
            threat: HIJACKING,
            sent: "a WebSocket handshake with your origin and .drill.invalid behind it",
            expected: "a rejection (403)",
            fix: OF_CLIENT,
            run: |attacker| {
                let origin = format!("{}.drill.invalid", attacker.facts.page);
                upgrade(attacker, Some(&origin))
            },
        },
        Case {
            id: "origin-null",
            name: "a sandboxed page cannot open a WebSocket",
            threat: HIJACKING,
            sent: "a WebSocket handshake with Origin: null",
            expected: "a rejection (403)",
            fix: OF_CLIENT,
            run: |attacker| upgrade(attacker, Some("null")),
        },
        Case {
            id: "origin-missing",
            name: "a WebSocket without an Origin and without a token is rejected",
            threat: HIJACKING,
            sent: "a WebSocket handshake without Origin",
            expected: "a rejection (403)",
            fix: OF_CLIENT,
            run: |attacker| upgrade(attacker, None),
        },
        Case {
            id: "origin-polling",
            name: "a page of another site cannot open a long-polling session",
            threat: HIJACKING,
            sent: "GET of long-polling with Origin: https://drill.invalid",
            expected: "a rejection (403), without Access-Control-Allow-Origin",
            fix: OF_CLIENT,
            run: |attacker| {
                let answer = attacker.ask(&Request::get(POLLING_PATH).origin(Some(FOREIGN)))?;
                let response = answer.response();
                let allow = response.and_then(|response| response.headers(ALLOW));
                Ok(match allow {
                    Some(allow) => fail(format!("Access-Control-Allow-Origin: {allow}")),
                    None => rejected(&answer),
                })
            },
        },
        Case {
            id: "cors-preflight",
            name: "a page of another site gets no permission to send requests",
            threat: "reading answers across origins",
            sent: "OPTIONS /auth/login with Origin: https://drill.invalid",
            expected: "no Access-Control-Allow-Origin for it",
            fix: "do not add CORS headers in the proxy: remove add_header \
                  Access-Control-Allow-Origin; origin.allowed is the list",
            run: |attacker| {
                let request = Request::new("OPTIONS", "/auth/login")
                    .origin(Some(FOREIGN))
                    .header("Access-Control-Request-Method", "POST");
                allowed_origin(attacker, &request, None)
            },
        },
        Case {
            id: "cors-foreign",
            name: "a page of another site cannot read answers",
            threat: "reading answers across origins",
            sent: "GET /.well-known/jwks.json with Origin: https://drill.invalid",
            expected: "no Access-Control-Allow-Origin for it",
            fix: "do not add CORS headers in the proxy: remove add_header \
                  Access-Control-Allow-Origin; origin.allowed is the list",
            run: |attacker| {
                let request = Request::get("/.well-known/jwks.json").origin(Some(FOREIGN));
                allowed_origin(attacker, &request, None)
            },
        },
        Case {
            id: "cors-own-page",
            name: "answers name exactly the page that can read them",
            threat: "reading answers across origins, a shared cache",
            sent: "GET /.well-known/jwks.json with an Origin of origin.allowed",
            expected: "Access-Control-Allow-Origin with this origin, and Vary: Origin",
            fix: "let the proxy forward Vary and the CORS headers of the server unchanged",
            run: |attacker| {
                let page = attacker.facts.page.clone();
                let request = Request::get("/.well-known/jwks.json").origin(Some(&page));
                allowed_origin(attacker, &request, Some(&page))
            },
        },
    ],
};

fn upgrade(attacker: &mut Attacker<'_>, origin: Option<&str>) -> CaseOutcome {
    let request = Request::upgrade(SOCKET_PATH).origin(origin);
    Ok(match attacker.upgrade(&request)? {
        Upgrade::Open(_) => fail("status 101: the socket is open"),
        Upgrade::Rejected(answer) => rejected(&answer),
    })
}

/// Passes when exactly this origin can read the answer.
fn allowed_origin(
    attacker: &mut Attacker<'_>,
    request: &Request,
    expect: Option<&str>,
) -> CaseOutcome {
    let answer = attacker.ask(request)?;
    let Some(response) = answer.response() else { return Ok(skip(answer.words())) };
    let allow = response.headers(ALLOW);
    let vary = response.headers("vary").unwrap_or_default();
    let varies = vary.split(',').any(|name| name.trim().eq_ignore_ascii_case("origin"));
    Ok(judge_allowed(allow.as_deref(), varies, expect))
}

/// For a page of another site (`expect` is `None`), a permission for another origin has no effect.
fn judge_allowed(allow: Option<&str>, varies: bool, expect: Option<&str>) -> Verdict {
    let seen = format!("Access-Control-Allow-Origin: {}", allow.unwrap_or("none"));
    let mut allowed = allow.into_iter().flat_map(|allow| allow.split(", "));
    let is_foreign = allowed.any(|origin| matches!(origin, "*" | FOREIGN | "null"));
    match expect {
        None if is_foreign => fail(seen),
        None => pass(seen),
        Some(_) if allow != expect => fail(seen),
        Some(_) if !varies => fail("Vary: Origin is missing"),
        Some(_) => pass(seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_is_for_the_own_page_alone() {
        let own = "https://chat.example";
        for (allow, varies, expect, is_pass) in [
            (None, true, None, true),
            (Some(own), true, None, true),
            (Some("*"), true, None, false),
            (Some("https://chat.example, *"), true, None, false),
            (Some("https://chat.example, *"), true, Some(own), false),
            (Some(FOREIGN), true, None, false),
            (Some(own), true, Some(own), true),
            (Some(own), false, Some(own), false),
            (Some("*"), true, Some(own), false),
            (None, true, Some(own), false),
        ] {
            let verdict = judge_allowed(allow, varies, expect);
            assert_eq!(matches!(verdict, Verdict::Pass { .. }), is_pass, "{allow:?} {expect:?}");
        }
    }
}
