//! Forged addresses of clients: headers that a proxy writes, sent by the client itself.
//! Never: a block for the forged address; the cases send nothing that is rejected.

use std::net::IpAddr;

use super::case::{Case, CaseOutcome, Group, Verdict, fail, pass, skip};
use crate::drill::client::attacker::Attacker;
use crate::drill::client::obstacle::Obstacle;
use crate::drill::client::request::Request;

/// An address for documentation (RFC 5737 section 3).
const FORGED: &str = "203.0.113.77";
const THREAT: &str = "forged client address: limits, blocks and records of another client";
const FIX: &str = "let the proxy append to the header or replace it: proxy_set_header \
                   X-Forwarded-For $proxy_add_x_forwarded_for; in nginx, option forwardfor in \
                   HAProxy; list only your own proxies in listen.trusted_proxies";

const UNSEEN: &str = "the request did not reach the server";
const OWN_PROXY: &str = "the drill has an address of listen.trusted_proxies: run it with --source \
                         and another address of this machine";

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
    let Some(seen) = seen_with(attacker, &[])? else { return Ok(skip(UNSEEN)) };
    let local = attacker.local_ip();
    Ok(judge_own(seen, attacker.facts.is_proxy(seen), (local, attacker.target.ip())))
}

/// Between client and server, addresses can be translated, so not every other address is a
/// fault. One of a proxy, of the target or of an inner network is.
fn judge_own(seen: IpAddr, is_proxy: bool, (local, target): (Option<IpAddr>, IpAddr)) -> Verdict {
    let (seen, target) = (seen.to_canonical(), target.to_canonical());
    let own = local == Some(seen);
    let words = format!("the server sees {seen}");
    let is_inner = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    };
    match (is_proxy, own) {
        (true, true) => skip(OWN_PROXY),
        (true, false) => fail(format!("{words}, an address of listen.trusted_proxies")),
        (false, true) => pass(words),
        (false, false) if seen == target || (is_inner(seen) && !is_inner(target)) => {
            fail(format!("{words}, which is not an address of this client"))
        }
        (false, false) => pass(words),
    }
}

fn forged(attacker: &mut Attacker<'_>, headers: &[(&str, &str)]) -> CaseOutcome {
    let (Some(without), Some(with)) = (seen_with(attacker, &[])?, seen_with(attacker, headers)?)
    else {
        return Ok(skip(UNSEEN));
    };
    if attacker.facts.is_proxy(without) && attacker.local_ip() == Some(without.to_canonical()) {
        return Ok(skip(OWN_PROXY));
    }
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
    fn address_of_a_proxy_is_not_that_of_a_client() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        // Seen, a trusted proxy, of this machine, the target; the first letter of the verdict.
        for (seen, is_proxy, local, target, expect) in [
            ("198.51.100.1", false, "198.51.100.1", "192.0.2.1", 'P'),
            ("198.51.100.1", false, "10.0.0.5", "192.0.2.1", 'P'),
            ("127.0.0.1", false, "127.0.0.1", "127.0.0.1", 'P'),
            ("10.0.0.9", false, "10.0.0.5", "10.0.0.1", 'P'),
            ("127.0.0.1", false, "198.51.100.1", "192.0.2.1", 'F'),
            ("::ffff:127.0.0.1", false, "198.51.100.1", "192.0.2.1", 'F'),
            ("192.0.2.1", false, "198.51.100.1", "192.0.2.1", 'F'),
            ("10.0.0.9", false, "198.51.100.1", "192.0.2.1", 'F'),
            ("10.0.0.9", true, "10.0.0.5", "10.0.0.1", 'F'),
            ("127.0.0.1", true, "127.0.0.1", "127.0.0.1", 'S'),
        ] {
            let verdict = judge_own(ip(seen), is_proxy, (Some(ip(local)), ip(target)));
            assert_eq!(format!("{verdict:?}").chars().next(), Some(expect), "{seen} {target}");
        }
    }
}
