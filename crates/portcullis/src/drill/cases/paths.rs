//! Paths of the private listener, of the dashboard, and of files, requested from outside.
//! Never: a path that changes anything; a key of an operator.

use super::case::{Case, CaseOutcome, Group, fail, pass, skip};
use crate::drill::client::answer::Response;
use crate::drill::client::attacker::Attacker;
use crate::drill::client::facts::DashboardFact;
use crate::drill::client::request::Request;

const PRIVATE: &str = "the private listener is reachable from outside";
const FIX: &str = "do not forward to listen.private: each location of the proxy forwards to \
                   listen.public; let listen.private listen on loopback only";

pub(super) const GROUP: Group = Group {
    name: "private paths",
    cases: &[
        Case {
            id: "path-metrics",
            name: "metrics are not reachable",
            threat: PRIVATE,
            sent: "GET /metrics, //metrics and /%6detrics",
            expected: "no metrics",
            fix: FIX,
            run: |attacker| {
                exposed(attacker, &["/metrics", "//metrics", "/%6detrics"], |response| {
                    response.body_contains("portcullis_") || response.body_contains("# TYPE")
                })
            },
        },
        Case {
            id: "path-operators",
            name: "the operators' interface is not reachable",
            threat: PRIVATE,
            sent: "POST /admin/v1/overview without a key",
            expected: "an answer of the public listener (404)",
            fix: FIX,
            run: |attacker| {
                let request = Request::post("/admin/v1/overview", b"{}");
                let answer = attacker.ask(&request)?;
                let is_private = |response: &Response| {
                    response.status == 200 || response.body_contains("valid key")
                };
                Ok(match answer.response() {
                    Some(response) if is_private(response) => {
                        fail(format!("{}, of the private listener", answer.words()))
                    }
                    Some(_) | None => pass(answer.words()),
                })
            },
        },
        Case {
            id: "path-ready",
            name: "the details of readiness are not reachable",
            threat: PRIVATE,
            sent: "GET /ready and /health",
            expected: "no state of the server",
            fix: FIX,
            run: |attacker| {
                exposed(attacker, &["/ready", "/health"], |response| {
                    response.body_contains("\"status\"")
                })
            },
        },
        Case {
            id: "path-dashboard",
            name: "the dashboard is not reachable where it must not be",
            threat: "a script in a page of the chat acts in the dashboard",
            sent: "GET /admin/",
            expected: "no dashboard, if admin.page is false or admin.host is set",
            fix: "let the proxy forward Host unchanged, so that the server can keep the dashboard \
                  to admin.host",
            run: dashboard,
        },
        Case {
            id: "path-files",
            name: "files of a repository or of the server are not served",
            threat: "keys and passwords in files of the web server",
            sent: "GET /.git/HEAD, /.env, /portcullis.toml and /../portcullis.toml",
            expected: "no content of these files",
            fix: "remove root and alias from the proxy, or the files from their folder",
            run: |attacker| {
                let paths = ["/.git/HEAD", "/.env", "/portcullis.toml", "/../portcullis.toml"];
                exposed(attacker, &paths, |response| {
                    let texts = ["ref: refs/", "profile =", "[listen]", "PORTCULLIS__", "SECRET="];
                    texts.iter().any(|text| response.body_contains(text))
                })
            },
        },
    ],
};

/// Passes when none of the paths is served with such content.
fn exposed(
    attacker: &mut Attacker<'_>,
    paths: &[&str],
    is_private: fn(&Response) -> bool,
) -> CaseOutcome {
    let mut seen = Vec::new();
    for path in paths {
        let answer = attacker.ask(&Request::get(path))?;
        let words = format!("{path}: {}", answer.words());
        if answer.response().is_some_and(|response| response.status == 200 && is_private(response))
        {
            return Ok(fail(words));
        }
        seen.push(words);
    }
    Ok(pass(seen.join("; ")))
}

fn dashboard(attacker: &mut Attacker<'_>) -> CaseOutcome {
    match attacker.facts.dashboard {
        DashboardFact::Everyone => {
            return Ok(skip(
                "the configuration serves it to every client of this host: see admin.host",
            ));
        }
        DashboardFact::SomeNetworks => {
            return Ok(skip("admin.from decides by networks, and this machine may be in one"));
        }
        DashboardFact::Absent => {}
    }
    let answer = attacker.ask(&Request::get("/admin/"))?;
    Ok(match answer.is_served() {
        true => fail(answer.words()),
        false => pass(answer.words()),
    })
}
