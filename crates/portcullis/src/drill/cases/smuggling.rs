//! Requests that a proxy and a server could end at different places (request smuggling).
//! Never: a hidden request that does harm; it is a request for a proof.

use std::thread;
use std::time::Duration;

use super::case::{Case, CaseOutcome, Group, Verdict, fail, pass};
use crate::drill::client::attacker::Attacker;
use crate::drill::client::obstacle::Obstacle;

/// Time for a hidden request to arrive after the answer to the first one.
const HIDDEN_TIME: Duration = Duration::from_millis(200);

const THREAT: &str = "request smuggling";
const EXPECTED: &str = "the hidden request is not processed on its own";
const FIX: &str = "update the proxy; let it reject ambiguous requests, and forward HTTP/1.1 with \
                   one Content-Length; do not chain proxies that read requests differently";

pub(super) const GROUP: Group = Group {
    name: "request smuggling",
    cases: &[
        Case {
            id: "smuggling-cl-te",
            name: "Content-Length and Transfer-Encoding together",
            threat: THREAT,
            sent: "a POST with both headers, and a hidden request in its body",
            expected: EXPECTED,
            fix: FIX,
            run: |attacker| {
                chunked(attacker, |length| {
                    format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")
                })
            },
        },
        Case {
            id: "smuggling-te-space",
            name: "a space before the colon of Transfer-Encoding",
            threat: THREAT,
            sent: "a POST with \"Transfer-Encoding : chunked\", and a hidden request in its body",
            expected: EXPECTED,
            fix: FIX,
            run: |attacker| {
                chunked(attacker, |length| {
                    format!("Content-Length: {length}\r\nTransfer-Encoding : chunked\r\n")
                })
            },
        },
        Case {
            id: "smuggling-te-unknown",
            name: "an unknown Transfer-Encoding",
            threat: THREAT,
            sent: "a POST with \"Transfer-Encoding: xchunked\", and a hidden request in its body",
            expected: EXPECTED,
            fix: FIX,
            run: |attacker| {
                chunked(attacker, |length| {
                    format!("Content-Length: {length}\r\nTransfer-Encoding: xchunked\r\n")
                })
            },
        },
        Case {
            id: "smuggling-obs-fold",
            name: "a folded Transfer-Encoding (obs-fold)",
            threat: THREAT,
            sent: "a POST with Transfer-Encoding on two lines, and a hidden request in its body",
            expected: EXPECTED,
            fix: FIX,
            run: |attacker| {
                chunked(attacker, |length| {
                    format!("Content-Length: {length}\r\nTransfer-Encoding:\r\n chunked\r\n")
                })
            },
        },
        Case {
            id: "smuggling-bare-lf",
            name: "a line that ends with LF alone",
            threat: THREAT,
            sent: "a POST with Transfer-Encoding behind a bare LF, and a hidden request in it",
            expected: EXPECTED,
            fix: FIX,
            run: |attacker| {
                chunked(attacker, |length| {
                    format!("Content-Length: {length}\r\nX: y\nTransfer-Encoding: chunked\r\n")
                })
            },
        },
        Case {
            id: "smuggling-cl-twice",
            name: "two lengths",
            threat: THREAT,
            sent: "a POST with Content-Length twice, and a hidden request behind the shorter one",
            expected: EXPECTED,
            fix: FIX,
            run: |attacker| {
                plain(attacker, |length| {
                    format!("Content-Length: 0\r\nContent-Length: {length}\r\n")
                })
            },
        },
        Case {
            id: "smuggling-cl-sign",
            name: "a length with a sign",
            threat: THREAT,
            sent: "a POST with Content-Length: +N, and a hidden request in its body",
            expected: EXPECTED,
            fix: FIX,
            run: |attacker| plain(attacker, |length| format!("Content-Length: +{length}\r\n")),
        },
    ],
};

/// A body that is empty for a reader of chunks, and holds the hidden request for one of a length.
fn chunked(attacker: &mut Attacker<'_>, headers: fn(usize) -> String) -> CaseOutcome {
    send(attacker, headers, b"0\r\n\r\n")
}

fn plain(attacker: &mut Attacker<'_>, headers: fn(usize) -> String) -> CaseOutcome {
    send(attacker, headers, b"")
}

fn send(attacker: &mut Attacker<'_>, headers: fn(usize) -> String, start: &[u8]) -> CaseOutcome {
    let (hidden, challenge) = attacker.proof_request()?;
    let body = [start, &hidden.bytes(attacker.target)].concat();
    let head = format!(
        "POST /auth/login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Connection: close\r\n{}\r\n",
        attacker.target.host,
        headers(body.len())
    );
    let answers = attacker.exchange(&[head.as_bytes(), &body].concat())?;
    let is_seen = is_seen(attacker, &challenge)?;
    Ok(judge(&answers, is_seen))
}

/// Whether the server has processed the hidden request. A proxy can forward it after the answer to
/// the first one, so the server gets a moment for it.
fn is_seen(attacker: &mut Attacker<'_>, challenge: &str) -> Result<bool, Obstacle> {
    if attacker.address_of(challenge)?.is_some() {
        return Ok(true);
    }
    thread::sleep(HIDDEN_TIME);
    Ok(attacker.address_of(challenge)?.is_some())
}

/// A hidden request is smuggled if it was processed, and the client did not get its answer: then
/// the proxy took both for one.
fn judge(answers: &[u8], is_seen: bool) -> Verdict {
    let statuses = statuses(answers);
    let count = statuses.len();
    let words = match statuses.first() {
        Some(status) => format!("status {status}, answers: {count}"),
        None => String::from("no answer"),
    };
    match (is_seen, count) {
        (true, 0 | 1) => fail(format!("{words}: the hidden request was processed")),
        (true, _) => pass(format!("{words}: proxy and server agree that there are two requests")),
        (false, _) => pass(words),
    }
}

/// The status of each response: `HTTP/1.x`, a space and three digits.
fn statuses(answers: &[u8]) -> Vec<u16> {
    let at = memchr::memmem::find_iter(answers, b"HTTP/1.");
    let status = |at: usize| {
        let rest = answers.get(at + 8..at + 12)?.strip_prefix(b" ")?;
        std::str::from_utf8(rest).ok()?.parse().ok()
    };
    at.filter_map(status).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_request_without_an_answer_of_its_own_is_smuggled() {
        let one = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
        let two = one.repeat(2);
        for (answers, is_seen, expect) in [
            (&one, false, "status 400, answers: 1"),
            (
                &two,
                true,
                "status 400, answers: 2: proxy and server agree that there are two requests",
            ),
            (&[&one[..], b"not HTTP/1.1, or HTTP/1.1 x"].concat(), false, "status 400, answers: 1"),
            (&Vec::new(), false, "no answer"),
        ] {
            assert_eq!(judge(answers, is_seen), pass(expect));
        }
        let smuggled = "status 400, answers: 1: the hidden request was processed";
        assert_eq!(judge(&one, true), fail(smuggled));
    }
}
