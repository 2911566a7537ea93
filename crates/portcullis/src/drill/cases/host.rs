//! Wrong names of the server: DNS rebinding, and names that a response would repeat.
//! Never: a name that exists; `.invalid` is reserved.

use super::case::{Case, CaseOutcome, Group, Verdict, fail, pass, skip};
use crate::drill::client::attacker::{Attacker, Sighting};
use crate::drill::client::request::Request;

const FOREIGN: &str = "drill.invalid";
const FIX: &str = "let the proxy forward Host as the client sent it: proxy_set_header Host $host; \
                   in nginx (not $proxy_host or a fixed name); listen.hosts has your names only";

pub(super) const GROUP: Group = Group {
    name: "names of the server",
    cases: &[
        Case {
            id: "host-foreign",
            name: "a request for another name is not served",
            threat: "DNS rebinding",
            sent: "a request for a proof with Host: drill.invalid",
            expected: "a rejection, by the server or the proxy",
            fix: FIX,
            run: |attacker| {
                let sighting = attacker.sight(|request| request.host(FOREIGN))?;
                Ok(unseen(&sighting))
            },
        },
        Case {
            id: "host-twice",
            name: "a request with two names is not served",
            threat: "DNS rebinding, request smuggling",
            sent: "a request for a proof with a second Host: drill.invalid",
            expected: "a rejection, by the server or the proxy",
            fix: FIX,
            run: |attacker| {
                let sighting = attacker.sight(|request| request.header("Host", FOREIGN))?;
                Ok(unseen(&sighting))
            },
        },
        Case {
            id: "host-forwarded",
            name: "X-Forwarded-Host has no effect",
            threat: "false links and poisoned caches",
            sent: "GET / with X-Forwarded-Host: drill.invalid",
            expected: "a response that does not contain the name",
            fix: "no part in front may use X-Forwarded-Host of clients: remove it in the proxy \
                  with proxy_set_header X-Forwarded-Host \"\";",
            run: forwarded_host,
        },
    ],
};

fn unseen(sighting: &Sighting) -> Verdict {
    match sighting.address {
        Some(_) => fail(format!("the server served it: {}", sighting.answer.words())),
        None => pass(format!("{}; it did not reach the server's routes", sighting.answer.words())),
    }
}

fn forwarded_host(attacker: &mut Attacker<'_>) -> CaseOutcome {
    let answer = attacker.ask(&Request::get("/").header("X-Forwarded-Host", FOREIGN))?;
    let Some(response) = answer.response() else { return Ok(skip(answer.words())) };
    Ok(match response.contains(FOREIGN) {
        true => fail(format!("{}: the response contains the name", answer.words())),
        false => pass(format!("{}, without the name", answer.words())),
    })
}
