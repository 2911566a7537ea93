//! The block of an address after violations: the last case, and only with the operator's consent.
//! Never: without `--with-block`; a block that stays without the command that lifts it.

use std::net::IpAddr;

use super::case::{Case, CaseOutcome, Group, Verdict, fail, fail_with, pass, skip};
use crate::drill::client::answer::Answer;
use crate::drill::client::attacker::{Attacker, is_limited};
use crate::drill::client::facts::{BlockFacts, VIOLATIONS_MAX};
use crate::drill::client::obstacle::Obstacle;
use crate::drill::client::request::{Request, SOCKET_PATH};

/// How often the case checks its address. Each request can leave through another one of several.
const ADDRESS_CHECKS: usize = 4;

pub(super) const GROUP: Group = Group {
    name: "block after violations",
    cases: &[Case {
        id: "block-violations",
        name: "an address with many violations is blocked for a time",
        threat: "unlimited attempts",
        sent: "requests of a path that does not exist, 150 at most, until the address is blocked",
        expected: "429 for requests and WebSockets after rate.penalty_per_prefix violations",
        fix: "set rate.penalty_per_prefix, name the proxy in listen.trusted_proxies, and let it \
              forward the address of the client and the responses of the server unchanged",
        run: block,
    }],
};

fn block(attacker: &mut Attacker<'_>) -> CaseOutcome {
    let Some(block) = attacker.facts.block.as_ref() else {
        return Ok(skip(
            "it blocks the address of the drill for a moment: permit it with portcullis drill \
             --with-block",
        ));
    };
    if !block.is_in_reach() {
        return Ok(skip(format!(
            "not checked: rate.penalty_per_prefix permits {} violations, and a drill causes \
             {VIOLATIONS_MAX}",
            block.violations
        )));
    }
    attacker.reset_limits()?;
    let mut seen = Vec::with_capacity(ADDRESS_CHECKS);
    for _ in 0..ADDRESS_CHECKS {
        seen.push(attacker.sight(|request| request)?.address);
    }
    let address = match judge_addresses(attacker.first_address, &seen) {
        Ok(address) => address,
        Err(verdict) => return Ok(verdict),
    };
    if attacker.facts.is_proxy(address) {
        return Ok(skip(
            "the server sees an address of listen.trusted_proxies, which is never blocked",
        ));
    }
    let outcome = violate(attacker, block, address);
    let own = Request::get("/").origin(Some(&attacker.facts.page));
    let is_lifted = attacker.reset_limits().is_ok()
        && !attacker.ask_once(&own).is_ok_and(|answer| is_limited(&answer));
    let left = (!is_lifted).then(|| block.unlock.of(address));
    let is_left = left.is_some();
    match outcome {
        Ok(verdict) => Ok(with_state(verdict, left.as_deref())),
        // A block that is left is the more important part.
        Err(obstacle) if is_left => Ok(with_state(skip(obstacle.why()), left.as_deref())),
        Err(obstacle) => Err(obstacle),
    }
}

/// The address of all requests. The server lifts only the limits of the address that sent the first
/// proof, so the case does not block another one.
fn judge_addresses(first: Option<IpAddr>, seen: &[Option<IpAddr>]) -> Result<IpAddr, Verdict> {
    let Some(first) = first else {
        return Err(skip("not checked: the server did not report the address of the first proof"));
    };
    for address in seen {
        match address {
            Some(address) if *address == first => {}
            Some(address) => {
                return Err(skip(format!(
                    "not checked: this machine has several addresses, {first} and {address}, and \
                     the server would lift the block of the first one only; choose one with \
                     --source"
                )));
            }
            None => return Err(skip("the request did not reach the server")),
        }
    }
    Ok(first)
}

/// Causes violations until the server blocks the address.
fn violate(attacker: &mut Attacker<'_>, block: &BlockFacts, address: IpAddr) -> CaseOutcome {
    let page = Some(attacker.facts.page.as_str());
    for attempt in 1..=VIOLATIONS_MAX {
        let answer = attacker.ask_once(&Request::get("/drill-violation").origin(page))?;
        if !is_limited(&answer) {
            continue;
        }
        let count = attacker.violations_of(address)?;
        if count.counted <= count.permitted {
            return Err(Obstacle::Other(format!(
                "not checked: another limit answered with status {} after {attempt} requests",
                answer.status()
            )));
        }
        let upgrade = Request::upgrade(SOCKET_PATH).origin(page);
        let socket = attacker.ask_once(&upgrade)?;
        return Ok(judge_block(attempt, block, &answer, &socket));
    }
    let count = attacker.violations_of(address)?;
    Ok(judge_none(block, count.counted))
}

fn judge_block(attempt: u32, block: &BlockFacts, answer: &Answer, socket: &Answer) -> Verdict {
    if !is_limited(socket) {
        return fail(format!("requests are rejected, but a WebSocket gets {}", socket.words()));
    }
    pass(format!(
        "{} for request {attempt} and for a WebSocket; blocked for {} s",
        answer.words(),
        block.length.as_secs()
    ))
}

/// The verdict if no request was rejected.
fn judge_none(block: &BlockFacts, counted: u64) -> Verdict {
    let seen = format!("{VIOLATIONS_MAX} violations, and no block");
    if block.is_observed {
        return fail_with(seen, "remove penalty_per_prefix from rate.observe: it only counts");
    }
    // Counted violations expire all the time, so a slow drill does not reach the limit.
    if counted > u64::from(block.violations / 2) {
        return skip(format!(
            "not checked: the drill was too slow, the server counted {counted} of {} violations at \
             the end",
            block.violations
        ));
    }
    fail(format!("{seen}; the server counted {counted} for this address"))
}

/// A verdict with the state of the block afterwards: lifted, or the command that lifts it.
fn with_state(verdict: Verdict, unlock: Option<&str>) -> Verdict {
    let state = |text: &str| match unlock {
        Some(unlock) => format!("{text}; the address is still blocked, lift it: {unlock}"),
        None => String::from(text),
    };
    match verdict {
        Verdict::Pass { seen } if unlock.is_none() => pass(format!("{seen}, and lifted again")),
        Verdict::Pass { seen } => pass(state(&seen)),
        Verdict::Fail { seen, fix } => Verdict::Fail { seen: state(&seen), fix },
        Verdict::Skip { why } => skip(state(&why)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::drill::client::answer::Response;
    use crate::drill::client::facts::UnlockCommand;

    fn facts(is_observed: bool) -> BlockFacts {
        let unlock = UnlockCommand { server: String::new() };
        BlockFacts { violations: 100, is_observed, length: Duration::from_secs(60), unlock }
    }

    #[test]
    fn address_that_the_server_would_not_unlock_is_not_blocked() {
        let [own, other] = ["192.0.2.7", "192.0.2.8"].map(|text| text.parse::<IpAddr>().unwrap());
        let check = |first, seen: [Option<IpAddr>; 2]| match judge_addresses(first, &seen) {
            Ok(address) => address.to_string(),
            Err(Verdict::Skip { why }) => why,
            Err(verdict) => format!("{verdict:?}"),
        };
        for (first, seen, expect) in [
            (Some(own), [Some(own), Some(own)], "192.0.2.7"),
            (Some(own), [Some(other), Some(other)], "several addresses, 192.0.2.7 and 192.0.2.8"),
            (Some(own), [Some(own), Some(other)], "several addresses, 192.0.2.7 and 192.0.2.8"),
            (Some(own), [Some(own), None], "did not reach the server"),
            (None, [Some(own), Some(own)], "did not report the address"),
        ] {
            let found = check(first, seen);
            assert!(found.contains(expect), "{first:?} {seen:?}: {found}");
        }
    }

    #[test]
    fn limit_that_a_drill_cannot_reach_is_known_before() {
        for (violations, expect) in [(1, true), (149, true), (150, false), (151, false)] {
            let facts = BlockFacts { violations, ..facts(false) };
            assert_eq!(facts.is_in_reach(), expect, "{violations}");
        }
    }

    #[test]
    fn block_applies_to_requests_and_to_sockets() {
        let answer = |status| Answer::Response(Response { status, ..Response::default() });
        for (socket, expect) in [
            (429, pass("status 429 for request 103 and for a WebSocket; blocked for 60 s")),
            (101, fail("requests are rejected, but a WebSocket gets status 101")),
        ] {
            assert_eq!(judge_block(103, &facts(false), &answer(429), &answer(socket)), expect);
        }
    }

    #[test]
    fn missing_block_is_a_failure_unless_the_drill_was_too_slow() {
        for (is_observed, counted, expect) in [
            (false, 0, "Fail"),
            (false, 50, "Fail"),
            (false, 90, "Skip"),
            (true, 90, "Fail"),
            (true, 120, "Fail"),
        ] {
            let verdict = format!("{:?}", judge_none(&facts(is_observed), counted));
            assert!(verdict.starts_with(expect), "{counted}: {verdict}");
            assert_eq!(verdict.contains("rate.observe"), is_observed, "{verdict}");
        }
    }

    #[test]
    fn block_that_stays_is_reported_with_the_command_that_lifts_it() {
        assert_eq!(with_state(pass("blocked"), None), pass("blocked, and lifted again"));
        let state = "the address is still blocked, lift it: unlock";
        for (verdict, expect) in [
            (pass("blocked"), pass(format!("blocked; {state}"))),
            (fail("no socket"), fail(format!("no socket; {state}"))),
            (skip("no time"), skip(format!("no time; {state}"))),
        ] {
            assert_eq!(with_state(verdict, Some("unlock")), expect);
        }
        assert_eq!(with_state(skip("no time"), None), skip("no time"));
    }
}
