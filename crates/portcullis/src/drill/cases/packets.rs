//! Packets of Engine.IO and Socket.IO that no honest client sends.
//! Never: an event that exists; the undeclared one has no handler.

use serde_json::json;

use super::case::{Case, CaseOutcome, Group, closed, fail, pass, rejected, skip};
use crate::drill::client::attacker::{Attacker, Upgrade};
use crate::drill::client::request::{POLLING_PATH, Request};

const THREAT: &str = "malformed packets";
const CLOSED: &str = "the end of the socket";
const FIX: &str = "another program answers in place of the server: check where the proxy forwards \
                   /socket.io/";
/// Protocol error, policy, message too large, unauthorized.
const CODES: &[u16] = &[1002, 1008, 1009, 4401];

pub(super) const GROUP: Group = Group {
    name: "packets",
    cases: &[
        Case {
            id: "packet-before-connect",
            name: "an event before CONNECT",
            threat: "use without a login",
            sent: "the packet 42[\"chat:send\",{}] on a new socket",
            expected: CLOSED,
            fix: FIX,
            run: |attacker| packet(attacker, "42[\"chat:send\",{}]"),
        },
        Case {
            id: "packet-unknown",
            name: "a packet of an unknown kind",
            threat: THREAT,
            sent: "the packet 9",
            expected: CLOSED,
            fix: FIX,
            run: |attacker| packet(attacker, "9"),
        },
        Case {
            id: "packet-attachments",
            name: "a packet that declares a billion attachments",
            threat: THREAT,
            sent: "the packet 451000000000-[\"x\"]",
            expected: CLOSED,
            fix: FIX,
            run: |attacker| packet(attacker, "451000000000-[\"x\"]"),
        },
        Case {
            id: "packet-from-server",
            name: "a packet that only servers send",
            threat: THREAT,
            sent: "the packet 44{\"message\":\"x\"}",
            expected: CLOSED,
            fix: FIX,
            run: |attacker| packet(attacker, "44{\"message\":\"x\"}"),
        },
        Case {
            id: "packet-deep-json",
            name: "a CONNECT with deep JSON",
            threat: THREAT,
            sent: "CONNECT with a token of 200 nested lists",
            expected: "a CONNECT error, or the end of the socket",
            fix: FIX,
            run: |attacker| {
                let token = format!("{}{}", "[".repeat(200), "]".repeat(200));
                let mut socket = attacker.open_socket()?;
                socket.send_text(&format!("40{{\"token\":{token}}}"));
                let (text, end) =
                    socket.read_until(|text| text.starts_with("40") || text.starts_with("44"));
                Ok(match text {
                    Some(text) if text.starts_with("40") => fail("CONNECT was accepted"),
                    Some(_) => pass("CONNECT was rejected"),
                    None => closed(end, CODES),
                })
            },
        },
        Case {
            id: "polling-unknown-session",
            name: "a long-polling session that does not exist",
            threat: "taking over a long-polling session",
            sent: "GET of long-polling with a made-up sid",
            expected: "a rejection (400)",
            fix: FIX,
            run: |attacker| {
                if !attacker.facts.polling {
                    return Ok(skip("transport.polling is false"));
                }
                let path = format!("{POLLING_PATH}&sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
                let request = Request::get(&path).origin(Some(&attacker.facts.page));
                Ok(rejected(&attacker.ask(&request)?))
            },
        },
        Case {
            id: "packet-old-protocol",
            name: "a version of the protocol without these checks",
            threat: "downgrade of the protocol",
            sent: "a WebSocket handshake with EIO=3",
            expected: "a rejection (400)",
            fix: FIX,
            run: |attacker| {
                let request = Request::upgrade("/socket.io/?EIO=3&transport=websocket");
                let request = request.origin(Some(&attacker.facts.page));
                Ok(match attacker.upgrade(&request)? {
                    Upgrade::Open(_) => fail("status 101: the socket is open"),
                    Upgrade::Rejected(answer) => rejected(&answer),
                })
            },
        },
        Case {
            id: "packet-undeclared-event",
            name: "an undeclared event of a signed-in user",
            threat: "events that no rule covers",
            sent: "the event drill:undeclared, as the test user of --with-token",
            expected: "an acknowledgement with UNKNOWN_EVENT",
            fix: FIX,
            run: undeclared,
        },
    ],
};

fn packet(attacker: &mut Attacker<'_>, packet: &str) -> CaseOutcome {
    let mut socket = attacker.open_socket()?;
    socket.send_text(packet);
    Ok(closed(socket.end(), CODES))
}

fn undeclared(attacker: &mut Attacker<'_>) -> CaseOutcome {
    let Some(token) = attacker.facts.tokens.test.clone() else {
        return Ok(skip(
            "no token of a test user: portcullis token make NAME | portcullis drill \
                        --with-token",
        ));
    };
    if attacker.target.has_tls && attacker.certificates()?.1.is_some() {
        return Ok(skip("the certificate is not valid, so the token is not sent"));
    }
    let mut socket = attacker.open_socket()?;
    socket.send_text(&format!("40{}", json!({ "token": token.expose() })));
    let (text, _) = socket.read_until(|text| text.starts_with("40") || text.starts_with("44"));
    if !text.is_some_and(|text| text.starts_with("40")) {
        return Ok(skip("the token of the test user was rejected"));
    }
    socket.send_text("421[\"drill:undeclared\",{}]");
    let (text, end) = socket.read_until(|text| text.starts_with("431"));
    Ok(match text {
        Some(text) if text.contains("UNKNOWN_EVENT") => pass("UNKNOWN_EVENT"),
        Some(_) => fail("another acknowledgement"),
        None => closed(end, CODES),
    })
}
