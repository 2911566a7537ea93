//! T-192, T-198, T-200, T-201, T-205, of the product: packets and their numbers, namespaces left.
//! Never: a packet that only a handler could refuse.

use portcullis_test::{Config, Gauges, PollingClient, SioClient, TestServer, hs256, set_up, until};
use serde_json::json;

use crate::clients::{NOTHING, alive, open_socket, socket_sign_in, socket_works, start};

fn ends(server: &TestServer, packet: &str, code: u16) {
    let mut client = SioClient::connect(server, &hs256("packets"));
    client.send(packet);
    let shown = packet.get(..packet.len().min(60)).unwrap_or_default();
    assert_eq!(client.close_code(), Some(code), "{shown:?}");
}

#[test]
fn t_200_numbers_and_payloads_that_are_none_end_the_connection() {
    let server = start(&Config::plaintext());
    let digits = format!("45{}-[\"a\"]", "9".repeat(1_000));
    let cases = [
        // Attachments: too many, or not a number.
        "454294967296-[\"a\"]",
        "4518446744073709551616-[\"a\"]",
        "45-1-[\"a\"]",
        "451e3-[\"a\"]",
        "4501-[\"a\"]",
        "450-[\"a\"]",
        "4511-[\"a\"]",
        "45-[\"a\"]",
        "45[\"a\"]",
        "45 1-[\"a\"]",
        "451.0-[\"a\"]",
        "451--[\"a\"]",
        "46[\"a\"]",
        "461-[\"a\"]",
        digits.as_str(),
        // Payloads.
        "42\"a\"",
        "421",
        "42null",
        "42[\"a\"",
        "42[\"a\"]]",
        "42[\"a\"] []",
        "42[\"a\"][\"b\"]",
        "42\u{feff}[\"a\"]",
        "42 [\"a\"]",
        "42[\"a\"]\u{0}",
        "42['a']",
        "42,[\"a\"]",
        "42/[\"a\"]",
        "42/,[\"a\"]x",
        // Unknown types.
        "47[\"a\"]",
        "49[\"a\"]",
        "4-[\"a\"]",
        "4",
        "4\u{e9}",
    ];
    let stay: Vec<&str> = cases.into_iter().filter(|packet| !closes(&server, packet)).collect();
    assert!(stay.is_empty(), "these do not end the connection: {stay:?}");
    NOTHING.wait_for(&server);
    alive(&server);
}

/// Whether the packet ends its connection, with a code that says so.
fn closes(server: &TestServer, packet: &str) -> bool {
    let (mut socket, _) = open_socket(server);
    socket_sign_in(&mut socket, &hs256("packets"));
    socket.send_text(packet);
    socket.send_text("42777[\"room:list\",{}]");
    while let Some(frame) = socket.next_frame() {
        if frame.opcode == 8 {
            return [Some(1002), Some(1003)].contains(&frame.close_code());
        }
        if frame.text().starts_with("43777[") {
            return false;
        }
    }
    false
}

#[test]
fn t_200_arguments_that_are_not_json_have_no_effect() {
    let server = start(&Config::plaintext());
    for json in [
        "[\"room:list\",{},]",
        "[\"room:list\",{}{}]",
        "[\"room:list\",{}][{}]",
        "[\"room:list\" {}]",
        "[\"room:list\",{\"a\":1,}]",
        "[\"room:list\",{}\u{1}]",
        "[\"room:list\\u0000\",{}]",
        "[\"room:list\",NaN]",
        "[\"room:list\",{/**/}]",
        "[\"\\ud800\",{}]",
        "[,\"room:list\",{}]",
    ] {
        let (mut socket, _) = open_socket(&server);
        socket_sign_in(&mut socket, &hs256("packets"));
        socket.send_text(&format!("4212{json}"));
        let frame = socket.next_frame().expect("a refusal");
        if frame.opcode != 8 {
            let text = frame.text();
            let refused = text.contains("\"ok\":false") || text.starts_with("42[\"error\",");
            assert!(refused, "{json}: {text}");
        }
    }
    alive(&server);
}

#[test]
fn t_198_acknowledgement_ids_are_whole_numbers_a_json_reader_knows() {
    let server = start(&Config::plaintext());
    let digits = "9".repeat(1_000);
    for id in ["-1", "+1", "1e400", "1.5", "01", "00", "9007199254740992", "0x1", &digits] {
        ends(&server, &format!("42{id}[\"room:list\",{{}}]"), 1002);
        ends(&server, &format!("43{id}[]"), 1002);
    }
    let mut client = SioClient::connect(&server, &hs256("packets"));
    for id in ["0", "1", "9007199254740991"] {
        client.send(&format!("42{id}[\"room:list\",{{}}]"));
        let prefix = format!("43{id}[");
        client.wait_packet(|packet| packet.starts_with(&prefix));
    }
    // An id that is used twice at once is answered twice; it is the client's own affair.
    client.send("427[\"room:list\",{}]");
    client.send("427[\"room:list\",{}]");
    client.wait_packet(|packet| packet.starts_with("437["));
    client.wait_packet(|packet| packet.starts_with("437["));
}

#[test]
fn t_198_unrequested_answer_is_ignored_and_a_flood_is_rejected() {
    let server = start(&Config::plaintext());
    let mut client = SioClient::connect(&server, &hs256("ann"));
    for packet in ["430[]", "431[\"x\"]", "43999[{\"ok\":true}]", "431[]", "43/admin,1[]"] {
        client.send(packet);
        assert_eq!(client.ask("room:list", &json!({}))["ok"], true, "{packet}");
    }
    (0..100).for_each(|id| client.send(&format!("43{id}[]")));
    assert_eq!(client.close_code(), Some(1008));
    let mut client = PollingClient::connect(&server, &hs256("bob"));
    let flood: Vec<String> = (0..100).map(|id| format!("43{id}[]")).collect();
    let _answer = client.post(&flood.join("\u{1e}"));
    let reply = client.rest();
    assert!(reply.iter().any(|packet| packet == "1"), "{reply:?}");
    // A binary answer to nothing: refused at its header.
    ends(&server, "461-1[{\"_placeholder\":true,\"num\":0}]", 1003);
    let _record = server.records.wait_for_rule("control_rate");
    alive(&server);
}

#[test]
fn t_201_client_that_left_a_namespace_is_not_in_it() {
    let server = start(&Config::plaintext());
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    socket.send_text("41");
    socket.send_text("42[\"room:list\",{}]");
    assert_eq!(socket.close_code(), Some(1002), "an event after leaving");
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    socket_works(&mut socket);
    socket.send_text("41");
    socket_sign_in(&mut socket, &hs256("ann"));
    socket_works(&mut socket);
    socket.send_text("41{}");
    assert_eq!(socket.close_code(), Some(1002), "leaving with a payload");
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn t_201_leaving_a_namespace_keeps_the_others() {
    let server = start(&Config::plaintext());
    let admin = set_up(&server, "the_admin");
    let mut client = SioClient::connect(&server, &admin.token);
    let payload = json!({ "token": admin.token }).to_string();
    client.join_namespace("/admin", &payload).expect("an administrator may");
    client.send("41/admin,");
    assert_eq!(client.ask("room:list", &json!({}))["ok"], true, "`/` stays");
    client.join_namespace("/admin", &payload).expect("and may come back");
    client.send("41");
    client.send("42/admin,5[\"no:such\",{}]");
    let answer = client.wait_packet(|packet| packet.starts_with("43/admin,5["));
    assert!(answer.contains("UNKNOWN_EVENT"), "`/admin` stays: {answer}");
    client.send("42[\"room:list\",{}]");
    assert_eq!(client.close_code(), Some(1002), "`/` was left");
    NOTHING.wait_for(&server);
}

#[test]
fn t_192_unknown_namespaces_leave_no_memory() {
    let server = start(&Config::plaintext());
    let mut client = SioClient::connect(&server, &hs256("ann"));
    let before = server.resident_kib();
    let mut ended = false;
    for number in 0..200 {
        client.send(&format!("40/n{number}{},{{}}", "x".repeat(100)));
    }
    let code = client.close_code();
    ended |= code.is_some();
    assert!(ended, "probing for namespaces counts");
    assert!(client.seen.iter().all(|packet| !packet.starts_with("40/")), "{:?}", client.seen);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
    alive(&server);
}

#[test]
fn t_191_simultaneous_connects_authenticate_once() {
    let server = start(&Config::plaintext());
    let (mut socket, _) = open_socket(&server);
    let connect = format!("40{}", json!({ "token": hs256("ann") }));
    // Together they are fewer bytes than the budget before the first CONNECT.
    (0..50).for_each(|_| socket.send_text(&connect));
    assert_eq!(socket.close_code(), Some(1002));
    let joined = |record: &serde_json::Value| record["event"]["code"] == "ws_connected";
    until("the end of it", || (Gauges::read(&server) == NOTHING).then_some(()));
    let records = server.records.all();
    assert!(records.iter().filter(|record| joined(record)).count() <= 1, "{records:?}");
    alive(&server);
}

#[test]
fn t_205_packets_of_other_parsers_are_rejected() {
    let server = start(&Config::plaintext());
    // A CONNECT and an event as MessagePack maps.
    let packets: [&[u8]; 3] = [
        b"\x83\xa4type\x00\xa4data\x80\xa3nsp\xa1/",
        b"\x83\xa4type\x02\xa4data\x91\xa1x\xa3nsp\xa1/",
        b"\xd9\x05hello",
    ];
    for packet in packets {
        let (mut socket, _) = open_socket(&server);
        socket.connection.send(&portcullis_test::frame_bytes(0x82, packet));
        assert_eq!(socket.close_code(), Some(1003));
        let (mut socket, _) = open_socket(&server);
        socket_sign_in(&mut socket, &hs256("ann"));
        socket.connection.send(&portcullis_test::frame_bytes(0x82, packet));
        assert_eq!(socket.close_code(), Some(1003));
    }
    let (mut socket, _) = open_socket(&server);
    socket_sign_in(&mut socket, &hs256("ann"));
    socket_works(&mut socket);
    alive(&server);
}
