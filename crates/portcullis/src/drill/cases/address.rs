//! Forged addresses of clients: headers that a proxy writes, sent by the client itself.
//! Never: a block for the forged address; the cases send nothing that is rejected.

use std::net::IpAddr;

use super::case::{Case, CaseOutcome, Group, Verdict, fail, pass, skip};
use crate::drill::client::attacker::{Attacker, Obstacle};
use crate::drill::client::request::Request;

/// An address for documentation (RFC 5737 section 3).
const FORGED: &str = "203.0.113.77";
const THREAT: &str = "forged client address: limits, blocks and records of another client";
const FIX: &str = "let the proxy append to the header or replace it: proxy_set_header \
                   X-Forwarded-For $proxy_add_x_forwarded_for; in nginx, option forwardfor in \
                   HAProxy; list only your own proxies in listen.trusted_proxies";

pub(super) const GROUP: Group = Group {
    name: "addresses of clients",
    cases: &[
        Case {
            id: "address-of-client",
            name: "the server sees the address of the client, not of the proxy",
            threat: "all clients share one limit, and one block",
            sent: "a request for a proof",
            expected: "an address that is not one of the proxy",
            fix: "name the proxy in listen.trusted_proxies, and let it write X-Forwarded-For or \
                  the PROXY protocol (docs/proxies.md)",
            run: of_client,
        },
        Case {
            id: "address-x-forwarded-for",
            name: "X-Forwarded-For of a client is not believed",
            threat: THREAT,
            sent: "a request for a proof with X-Forwarded-For: 203.0.113.77",
            expected: "the same address as without the header",
            fix: FIX,
            run: |attacker| forged(attacker, &[("X-Forwarded-For", FORGED)]),
        },
        Case {
            id: "address-forwarded",
            name: "Forwarded of a client is not believed",
            threat: THREAT,
            sent: "a request for a proof with Forwarded: for=203.0.113.77",
            expected: "the same address as without the header",
            fix: FIX,
            run: |attacker| forged(attacker, &[("Forwarded", "for=203.0.113.77")]),
        },
        Case {
            id: "address-other-headers",
            name: "other headers with an address are not believed",
            threat: THREAT,
            sent: "a request for a proof with X-Real-IP, True-Client-IP and CF-Connecting-IP",
            expected: "the same address as without the headers",
            fix: FIX,
            run: |attacker| {
                let headers = [
                    ("X-Real-IP", FORGED),
                    ("True-Client-IP", FORGED),
                    ("CF-Connecting-IP", FORGED),
                ];
                forged(attacker, &headers)
            },
        },
    ],
};

fn of_client(attacker: &mut Attacker<'_>) -> CaseOutcome {
    let Some(seen) = seen_with(attacker, &[])? else {
        return Ok(skip("the proof did not reach the server"));
    };
    Ok(judge_own(seen, attacker.target.ip()))
}

/// A client that is not on this machine cannot have an address of this machine.
fn judge_own(seen: IpAddr, target: IpAddr) -> Verdict {
    if target.to_canonical().is_loopback() {
        return skip("the drill runs on the machine of the target, as a proxy can");
    }
    match seen.to_canonical().is_loopback() {
        true => fail(format!("the server sees {seen}, an address of its own machine")),
        false => pass(format!("the server sees {seen}")),
    }
}

fn forged(attacker: &mut Attacker<'_>, headers: &[(&str, &str)]) -> CaseOutcome {
    let (Some(without), Some(with)) = (seen_with(attacker, &[])?, seen_with(attacker, headers)?)
    else {
        return Ok(skip("the proof did not reach the server"));
    };
    Ok(match without == with {
        true => pass(format!("the server sees {with}")),
        false => fail(format!("the server sees {with}, and {without} without the header")),
    })
}

/// The address that the server sees for a request with these headers.
fn seen_with(
    attacker: &mut Attacker<'_>,
    headers: &[(&str, &str)],
) -> Result<Option<IpAddr>, Obstacle> {
    let add = |request: Request| {
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    Ok(attacker.sight(add)?.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_the_own_machine_is_not_that_of_a_client_elsewhere() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let verdict = |seen: &str, target: &str| judge_own(ip(seen), ip(target));
        assert!(matches!(verdict("127.0.0.1", "192.0.2.1"), Verdict::Fail { .. }));
        assert!(matches!(verdict("::ffff:127.0.0.1", "192.0.2.1"), Verdict::Fail { .. }));
        assert!(matches!(verdict("198.51.100.1", "192.0.2.1"), Verdict::Pass { .. }));
        assert!(matches!(verdict("127.0.0.1", "127.0.0.1"), Verdict::Skip { .. }));
    }
}
