//! Slow clients: connections that stop at a stage, or send a byte now and then.
//! Never: more than one slow client of each stage; all of them run at the same time.

use std::time::Duration;

use super::case::{Case, CaseOutcome, Group, Verdict, fail, pass, skip};
use crate::drill::client::attacker::Attacker;
use crate::drill::client::facts::Facts;
use crate::drill::client::slow_client::{SlowEnd, SlowRun, SlowStage};

/// The longest timeout that a drill waits for.
const TIMEOUT_MAX: Duration = Duration::from_secs(15);
/// The time that the target has after its timeout.
const MARGIN: Duration = Duration::from_secs(3);
/// The default of the timeouts, which proxies of the examples have as well.
const PROXY_TIMEOUT: Duration = Duration::from_secs(10);

const THREAT: &str = "slow clients that use up all connections";
const HANDSHAKE: &str = "the end of the connection within transport.handshake_timeout_ms";
const ANSWER: &str = "408, or the end of the connection, within transport.handshake_timeout_ms";
const FIX_TLS: &str = "set the timeouts of the proxy: client_header_timeout 10s; in nginx, timeout \
                       client 10s (with timeout tunnel 90s) in HAProxy; without a proxy, lower \
                       transport.handshake_timeout_ms";
const FIX_HEAD: &str = "set the timeouts of the proxy: client_header_timeout 10s; in nginx, \
                        timeout http-request 10s in HAProxy; without a proxy, lower \
                        transport.handshake_timeout_ms";

pub(super) const GROUP: Group = Group {
    name: "slow clients",
    cases: &[
        Case {
            id: "slow-connection",
            name: "a connection without a byte",
            threat: THREAT,
            sent: "nothing, on a new connection",
            expected: HANDSHAKE,
            fix: FIX_TLS,
            run: |attacker| slow(attacker, SlowStage::Connection),
        },
        Case {
            id: "slow-tls-hello",
            name: "a TLS handshake byte by byte",
            threat: THREAT,
            sent: "a ClientHello, at four bytes a second",
            expected: HANDSHAKE,
            fix: FIX_TLS,
            run: |attacker| slow(attacker, SlowStage::Hello),
        },
        Case {
            id: "slow-tls-handshake",
            name: "a TLS handshake that is never completed",
            threat: THREAT,
            sent: "a ClientHello, and nothing after it",
            expected: HANDSHAKE,
            fix: FIX_TLS,
            run: |attacker| slow(attacker, SlowStage::Handshake),
        },
        Case {
            id: "slow-request",
            name: "a TLS connection without a request",
            threat: THREAT,
            sent: "nothing, after a TLS handshake",
            expected: ANSWER,
            fix: FIX_HEAD,
            run: |attacker| slow(attacker, SlowStage::Request),
        },
        Case {
            id: "slow-head",
            name: "the head of a request byte by byte",
            threat: THREAT,
            sent: "GET /, at four bytes a second",
            expected: ANSWER,
            fix: FIX_HEAD,
            run: |attacker| slow(attacker, SlowStage::Head),
        },
        Case {
            id: "slow-body",
            name: "the body of a request byte by byte",
            threat: THREAT,
            sent: "POST /auth/login with a body of 1,000 bytes, at four bytes a second",
            expected: ANSWER,
            fix: "let the proxy forward bodies as they arrive, so that the server ends them: \
                  proxy_request_buffering off; in nginx, no option http-buffer-request in \
                  HAProxy; without a proxy, lower transport.handshake_timeout_ms",
            run: |attacker| slow(attacker, SlowStage::Body),
        },
        Case {
            id: "slow-connect",
            name: "a WebSocket without CONNECT",
            threat: THREAT,
            sent: "a WebSocket handshake, and nothing after it",
            expected: "the end of the socket within transport.connect_timeout_ms",
            fix: "another program answers in place of the server: let the proxy tunnel /socket.io/ \
                  unchanged; without a proxy, lower transport.connect_timeout_ms",
            run: |attacker| slow(attacker, SlowStage::Connect),
        },
    ],
};

/// The time that the target may take, and the key of the configuration that says so.
#[derive(Debug, Clone, Copy)]
struct Timeout {
    time: Duration,
    key: &'static str,
}

impl Timeout {
    /// Proxies have timeouts of their own: a shorter one of the server does not apply there.
    fn of(stage: SlowStage, facts: &Facts) -> Self {
        let own = &facts.timeouts;
        match stage {
            SlowStage::Connect => Self { time: own.connect, key: "transport.connect_timeout_ms" },
            SlowStage::Connection
            | SlowStage::Hello
            | SlowStage::Handshake
            | SlowStage::Request
            | SlowStage::Head
            | SlowStage::Body => {
                let least = if facts.proxies.is_empty() { Duration::ZERO } else { PROXY_TIMEOUT };
                let key = "transport.handshake_timeout_ms";
                Self { time: own.handshake.max(least), key }
            }
        }
    }

    /// How long a drill waits.
    fn wait(self) -> Duration {
        self.time.min(TIMEOUT_MAX) + MARGIN
    }
}

fn slow(attacker: &mut Attacker<'_>, stage: SlowStage) -> CaseOutcome {
    let facts = attacker.facts;
    let run = attacker.slow_run(stage, |stage| Timeout::of(stage, facts).wait())?;
    Ok(judge(run, Timeout::of(stage, facts)))
}

fn judge(run: SlowRun, timeout: Timeout) -> Verdict {
    let Timeout { time, key } = timeout;
    let (ended_s, permitted_s) = (run.time.as_secs_f32(), time.as_secs_f32());
    match run.end {
        SlowEnd::Open if time > TIMEOUT_MAX => skip(format!(
            "not checked: the connection was still open after {ended_s:.1} s, the most that a \
             drill waits, and {key} permits {permitted_s:.1} s"
        )),
        SlowEnd::Open => fail(format!(
            "the connection stays open for more than {ended_s:.1} s; permitted: {permitted_s:.1} s"
        )),
        // A rate, a block or a full server: the request was not read.
        SlowEnd::Status(status @ (429 | 503)) => {
            skip(format!("not checked: a limit answered with status {status}"))
        }
        SlowEnd::TooLong => skip(format!("not checked: {}", run.end.words())),
        SlowEnd::Status(_) | SlowEnd::Socket(_) | SlowEnd::Closed => {
            pass(format!("{}, after {ended_s:.1} s", run.end.words()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::client::websocket::SocketEnd;

    #[test]
    fn connection_ends_within_a_time_that_a_drill_can_wait_for() {
        let check = |end, after_s, permitted_s| {
            let time = Duration::from_secs(after_s);
            let timeout = Timeout { time: Duration::from_secs(permitted_s), key: "x.y_ms" };
            judge(SlowRun { end, time }, timeout)
        };
        let socket = SlowEnd::Socket(SocketEnd::Code(1008));
        for (end, after_s, permitted_s, expect) in [
            (SlowEnd::Status(408), 2, 10, pass("status 408, after 2.0 s")),
            (SlowEnd::Closed, 10, 10, pass("the connection was closed, after 10.0 s")),
            (SlowEnd::Closed, 16, 60, pass("the connection was closed, after 16.0 s")),
            (socket, 10, 10, pass("closed with code 1008, after 10.0 s")),
            (
                SlowEnd::Open,
                13,
                10,
                fail("the connection stays open for more than 13.0 s; permitted: 10.0 s"),
            ),
            (
                SlowEnd::TooLong,
                1,
                10,
                skip("not checked: the target sent 256 KiB, the most that a drill reads"),
            ),
            (SlowEnd::Status(429), 0, 10, skip("not checked: a limit answered with status 429")),
            (
                SlowEnd::Open,
                18,
                60,
                skip(
                    "not checked: the connection was still open after 18.0 s, the most that a \
                     drill waits, and x.y_ms permits 60.0 s",
                ),
            ),
        ] {
            assert_eq!(check(end, after_s, permitted_s), expect, "{end:?}");
        }
    }

    #[test]
    fn wait_has_a_bound_whatever_is_configured() {
        for (permitted_ms, wait_ms) in [(10, 3_010), (10_000, 13_000), (3_600_000, 18_000)] {
            let timeout = Timeout { time: Duration::from_millis(permitted_ms), key: "" };
            assert_eq!(timeout.wait(), Duration::from_millis(wait_ms));
        }
    }
}
