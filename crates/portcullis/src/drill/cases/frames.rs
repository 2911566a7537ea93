//! WebSocket frames that no honest client sends.
//! Never: a payload of the size that a header declares.

use super::case::{Case, CaseOutcome, Group, closed};
use crate::drill::client::attacker::Attacker;
use crate::drill::client::websocket::{TEXT, declaring, frame, unmasked};

const THREAT: &str = "malformed frames, large messages, many fragments";
const PROTOCOL: &str = "the end of the socket, with code 1002";
const FIX: &str = "another program ends the WebSocket in front of the server: let the proxy tunnel \
                   it unchanged (Upgrade and Connection), without its own WebSocket modules";

pub(super) const GROUP: Group = Group {
    name: "WebSocket frames",
    cases: &[
        Case {
            id: "frame-unmasked",
            name: "a frame without a mask",
            threat: THREAT,
            sent: "a text frame that is not masked",
            expected: PROTOCOL,
            fix: FIX,
            run: |attacker| send(attacker, &unmasked(TEXT, b"40"), &[1002]),
        },
        Case {
            id: "frame-reserved-bits",
            name: "a compressed frame that was not negotiated",
            threat: "decompression bombs",
            sent: "a text frame with RSV1",
            expected: PROTOCOL,
            fix: FIX,
            run: |attacker| send(attacker, &frame(0xc1, b"x"), &[1002]),
        },
        Case {
            id: "frame-reserved-opcode",
            name: "a frame of an unknown kind",
            threat: THREAT,
            sent: "a frame with the opcode 3",
            expected: PROTOCOL,
            fix: FIX,
            run: |attacker| send(attacker, &frame(0x83, b"x"), &[1002]),
        },
        Case {
            id: "frame-control-size",
            name: "a ping that is too long",
            threat: THREAT,
            sent: "a ping of 126 bytes",
            expected: PROTOCOL,
            fix: FIX,
            run: |attacker| send(attacker, &frame(0x89, &[b'p'; 126]), &[1002]),
        },
        Case {
            id: "frame-control-fragment",
            name: "a ping in fragments",
            threat: THREAT,
            sent: "a ping without FIN",
            expected: PROTOCOL,
            fix: FIX,
            run: |attacker| send(attacker, &frame(0x09, b"p"), &[1002]),
        },
        Case {
            id: "frame-continuation",
            name: "a continuation of nothing",
            threat: THREAT,
            sent: "a continuation frame without a start",
            expected: PROTOCOL,
            fix: FIX,
            run: |attacker| send(attacker, &frame(0x80, b"x"), &[1002]),
        },
        Case {
            id: "frame-utf8",
            name: "a text that is not UTF-8",
            threat: THREAT,
            sent: "a text frame with the byte 0xff",
            expected: "the end of the socket, with code 1007",
            fix: FIX,
            run: |attacker| send(attacker, &frame(TEXT, b"\xff"), &[1007]),
        },
        Case {
            id: "frame-fragments",
            name: "a message of many empty fragments",
            threat: THREAT,
            sent: "a text message of 100 empty fragments",
            expected: "the end of the socket, with code 1008",
            fix: FIX,
            run: |attacker| {
                let fragments = [frame(0x01, b""), frame(0x00, b"").repeat(100)].concat();
                send(attacker, &fragments, &[1008])
            },
        },
        Case {
            id: "frame-size",
            name: "a message above the limit of sizes",
            threat: THREAT,
            sent: "the header of a text frame that declares message.size_max_bytes and one more",
            expected: "the end of the socket, with code 1009",
            fix: FIX,
            run: |attacker| {
                let length = u64::from(attacker.facts.limits.message_max_bytes) + 1;
                send(attacker, &declaring(TEXT, length), &[1009])
            },
        },
    ],
};

/// Sends bytes on a new socket, which has to end with one of these codes.
fn send(attacker: &mut Attacker<'_>, bytes: &[u8], codes: &[u16]) -> CaseOutcome {
    let mut socket = attacker.open_socket()?;
    socket.send(bytes);
    Ok(closed(socket.end(), codes))
}
