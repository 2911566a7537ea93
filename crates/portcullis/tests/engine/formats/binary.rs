//! T-095, T-196, T-197: attachments: how many, how large, in which order, and for what.
//! Never: bytes kept for an event that takes none.

use portcullis_test::{Answer, ExampleServer, PollingClient, timed, until};
use serde_json::json;

use crate::boards::{Client, IMAGE, board_token, start_board, start_open};

fn draw(arguments: &str) -> String {
    format!("451-/board,7[\"board:draw\",{arguments}]")
}

fn on_board(server: &ExampleServer) -> Client {
    on_board_as(server, "painter")
}

fn on_board_as(server: &ExampleServer, name: &str) -> Client {
    let mut client = Client::board(server, name);
    client.enter("b1");
    client
}

/// A good drawing still goes through.
fn works(server: &ExampleServer) {
    let mut client = on_board(server);
    client.send(&draw(&format!("{{\"board\":\"b1\",\"image\":{IMAGE}}}")));
    client.send_binary(b"\x00\x01\xfe\xff");
    let answer = client.text(|text| text.starts_with("461-/board,7["));
    assert!(answer.contains("\"bytes\":4"), "{answer}");
    assert_eq!(client.binary(), b"\x00\x01\xfe\xff");
}

#[test]
fn t_196_placeholders_that_name_no_attachment_end_the_connection() {
    let server = start_board();
    works(&server);
    let image = |num: &str| {
        format!("{{\"board\":\"b1\",\"image\":{{\"_placeholder\":true,\"num\":{num}}}}}")
    };
    let nested = format!("{}{IMAGE}{}", "[".repeat(1_000), "]".repeat(1_000));
    let mut arguments: Vec<String> = [
        "-1",
        "1",
        "1000000000",
        "4294967296",
        "18446744073709551616",
        "0.5",
        "0.0",
        "\"0\"",
        "null",
        "[0]",
        "{}",
        "true",
        "1e400",
        "-0",
    ]
    .into_iter()
    .map(image)
    .collect();
    arguments.extend([
        String::from("{\"board\":\"b1\",\"image\":{\"_placeholder\":true}}"),
        String::from("{\"board\":\"b1\",\"image\":{\"num\":0}}"),
        String::from("{\"board\":\"b1\",\"image\":{\"_placeholder\":false,\"num\":0}}"),
        String::from("{\"board\":\"b1\",\"image\":{\"_placeholder\":1,\"num\":0}}"),
        String::from("{\"board\":\"b1\",\"image\":{\"_placeholder\":true,\"num\":0,\"x\":1}}"),
        String::from("{\"board\":\"b1\",\"image\":\"none\"}"),
        String::from("{\"board\":\"b1\"}"),
        format!("{{\"board\":\"b1\",\"image\":{IMAGE},\"more\":{IMAGE}}}"),
        format!("{{\"board\":{IMAGE},\"image\":{IMAGE}}}"),
        format!("{{\"board\":\"b1\",\"image\":{nested}}}"),
        format!("{{\"board\":\"b1\",\"image\":{{\"__proto__\":{IMAGE}}}}}"),
    ]);
    for (number, arguments) in arguments.iter().enumerate() {
        // Each by another client, because repeated violations block a client.
        let mut client = on_board_as(&server, &format!("eve-{number}"));
        client.send(&draw(arguments));
        client.send_binary(b"image");
        let shown = arguments.get(..arguments.len().min(90)).unwrap_or_default();
        let (acted, code) = outcome(&mut client);
        assert!(!acted, "{shown} was acted on");
        // Some are well-formed packets with an undeclared payload: rejected with an answer.
        let answered = ["__proto__", "[[[[", "\"board\":{\"_pl", "18446744073709551616", "1e400"]
            .iter()
            .any(|word| shown.contains(word));
        assert!(code == Some(1002) || answered && code.is_none(), "{shown}: {code:?}");
    }
    works(&server);
}

/// Whether a drawing was acted on, and the code the connection ended with, if it did.
fn outcome(client: &mut Client) -> (bool, Option<u16>) {
    client.send("42/board,99[\"board:join\",{\"board\":\"b2\"}]");
    let mut acted = false;
    while let Some(frame) = client.socket.next_frame() {
        if frame.opcode == 8 {
            return (acted, frame.close_code());
        }
        let text = String::from_utf8_lossy(&frame.payload).into_owned();
        acted |= text.starts_with("461-/board,7[") || text.contains("\"bytes\":");
        if text.starts_with("43/board,99[") {
            return (acted, None);
        }
    }
    (acted, Some(0))
}

#[test]
fn t_196_placeholder_without_attachments_is_not_an_attachment() {
    let server = start_board();
    let cases = [
        format!("42/board,7[\"board:draw\",{{\"board\":\"b1\",\"image\":{IMAGE}}}]"),
        format!("42/board,7[\"board:note\",{{\"board\":\"b1\",\"text\":{IMAGE}}}]"),
        format!("42/board,7[{IMAGE}]"),
        format!("42/board,7[\"board:join\",{IMAGE}]"),
    ];
    for packet in &cases {
        let mut client = on_board(&server);
        client.send(packet);
        let (acted, _) = outcome(&mut client);
        assert!(!acted, "{packet}");
    }
    // Nor does an event that takes none wait for one, or one that takes one for two.
    for packet in [
        format!("451-/board,7[\"board:note\",{{\"board\":\"b1\",\"text\":{IMAGE}}}]"),
        format!("452-/board,7[\"board:draw\",{{\"board\":\"b1\",\"image\":{IMAGE}}}]"),
        format!("4510-/board,7[\"board:draw\",{{\"board\":\"b1\",\"image\":{IMAGE}}}]"),
        format!("451-/board,7[\"no:such\",{IMAGE}]"),
        format!("451-/board,7[\"__proto__\",{IMAGE}]"),
        format!("451-/board,7[{IMAGE}]"),
        format!("461-/board,7[{IMAGE}]"),
    ] {
        let mut client = on_board(&server);
        client.send(&packet);
        let code = client.close_code();
        assert!([Some(1003), Some(1002)].contains(&code), "{packet}: {code:?}");
    }
    let mut client = on_board(&server);
    client.send(&format!("451-[\"board:draw\",{{\"board\":\"b1\",\"image\":{IMAGE}}}]"));
    assert_eq!(client.close_code(), Some(1002), "a namespace that was not joined");
    works(&server);
}

#[test]
fn t_095_all_attachments_and_the_event_count_together() {
    let server = start_open();
    let ten: Vec<String> =
        (0..10).map(|num| format!("{{\"_placeholder\":true,\"num\":{num}}}")).collect();
    let header = format!("4510-[\"message\",{}]", ten.join(","));
    let mut client = Client::anyone(&server);
    client.send(&header);
    for _ in 0..10 {
        client.send_binary(&[7; 90_000]);
    }
    assert!(client.text(|text| text.starts_with("4510-[\"message-back\"")).contains("\"num\":9"));
    (0..10).for_each(|_| assert_eq!(client.binary().len(), 90_000));
    // One kind of packet more: the sum is over the limit while each is below it.
    let before = server.resident_kib();
    for _ in 0..10 {
        let mut client = Client::anyone(&server);
        client.send(&header);
        for _ in 0..10 {
            client.send_binary(&[7; 101_000]);
        }
        assert_eq!(client.close_code(), Some(1009));
    }
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    // On the board the sum of an image and its event is 9 KiB, and a message's 12 KiB.
    let board = start_board();
    let image = format!("{{\"board\":\"b1\",\"image\":{IMAGE}}}");
    let mut client = on_board(&board);
    client.send(&draw(&image));
    client.send_binary(&[1; 8 * 1024]);
    client.text(|text| text.starts_with("461-/board,7["));
    client.send(&draw(&image));
    client.send_binary(&[1; 10 * 1024]);
    let (acted, _) = outcome(&mut client);
    assert!(!acted, "10 KiB where 9 are declared");
    let mut client = on_board(&board);
    client.send(&draw(&image));
    client.send_binary(&[1; 12 * 1024 + 1]);
    assert_eq!(client.close_code(), Some(1009));
    let mut client = on_board(&board);
    client.send(&draw(&image));
    client.send_binary(&[1; 12 * 1024]);
    assert_eq!(client.close_code(), Some(1009), "with the event it is more than 12 KiB");
    works(&board);
}

const TWO: &str =
    "452-[\"message\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";

#[test]
fn t_197_packet_between_announced_attachments_is_rejected() {
    let server = start_open();
    let cases: [(&str, &[&str]); 6] = [
        ("an event", &["42[\"message\",1]"]),
        ("a second binary event", &[TWO]),
        ("an acknowledgement", &["430[]"]),
        ("leaving", &["41"]),
        ("another CONNECT", &["40/custom,"]),
        ("a packet of no kind", &["4"]),
    ];
    for (what, packets) in cases {
        for before in [0, 1] {
            let mut client = Client::anyone(&server);
            client.send(TWO);
            (0..before).for_each(|_| client.send_binary(b"one"));
            packets.iter().for_each(|packet| client.send(packet));
            assert_eq!(client.close_code(), Some(1002), "{what} after {before}");
        }
    }
    // One more than announced belongs to nothing.
    let mut client = Client::anyone(&server);
    client.send(TWO);
    (0..3).for_each(|_| client.send_binary(b"one"));
    assert_eq!(client.close_code(), Some(1003));
    // In order, also empty ones; a pong of the layer below may come between.
    let mut client = Client::anyone(&server);
    client.send(TWO);
    client.send_binary(b"");
    client.send("3");
    client.send_binary(b"second");
    client.text(|text| text.starts_with("452-[\"message-back\""));
    assert_eq!((client.binary(), client.binary()), (Vec::new(), b"second".to_vec()));
}

#[test]
fn t_197_missing_attachment_has_a_deadline() {
    let server = start_open();
    let mut none = Client::anyone(&server);
    let mut one = Client::anyone(&server);
    none.send(TWO);
    one.send(TWO);
    one.send_binary(b"first");
    let ((), took) = timed(|| {
        assert_eq!(none.close_code(), Some(4408));
        assert_eq!(one.close_code(), Some(4408));
    });
    assert!((9..14).contains(&took.as_secs()), "{took:?}");
    let mut client = Client::anyone(&server);
    client.send("42[\"message\",1]");
    client.text(|text| text.starts_with("42[\"message-back\""));
}

#[test]
fn t_197_incomplete_binary_event_is_freed_when_its_client_leaves() {
    let server = start_open();
    let round = || {
        for end in 0..3 {
            let mut client = Client::anyone(&server);
            client.send(TWO);
            client.send_binary(&[7; 400_000]);
            match end {
                0 => client.socket.connection.reset(),
                1 => client.send("1"),
                _ => drop(client),
            }
        }
    };
    (0..5).for_each(|_| round());
    let before = server.resident_kib();
    (0..60).for_each(|_| round());
    // 180 of them would be 70 MiB.
    until("the memory to come back", || (server.resident_kib() < before + 12 * 1024).then_some(()));
}

#[test]
fn t_197_t_095_attachments_over_polling_have_the_same_rules() {
    let server = start_open();
    let open = || {
        let mut client = PollingClient::open(&server);
        client.join("").expect("to be admitted");
        client
    };
    let mut client = open();
    client.say(&format!("{TWO}\u{1e}bAAEC\u{1e}b/v8="));
    client.wait_packet(|packet| packet.starts_with("452-[\"message-back\""));
    assert_eq!(client.wait_packet(|packet| packet.starts_with('b')), "bAAEC");
    assert_eq!(client.wait_packet(|packet| packet.starts_with('b')), "b/v8=");
    // In as many requests as one likes.
    client.say(TWO);
    client.say("bAAEC");
    client.say("b");
    client.wait_packet(|packet| packet.starts_with("452-[\"message-back\""));
    assert_eq!(client.wait_packet(|packet| packet.starts_with('b')), "bAAEC");
    assert_eq!(client.wait_packet(|packet| packet.starts_with('b')), "b");
    let refused = [
        format!("{TWO}\u{1e}bAAEC\u{1e}42[\"message\",1]"),
        format!("{TWO}\u{1e}{TWO}"),
        format!("{TWO}\u{1e}bAAEC\u{1e}bAAEC\u{1e}bAAEC"),
        String::from("bAAEC"),
        format!("{TWO}\u{1e}bAAE"),
        format!("{TWO}\u{1e}bAAEC="),
        format!("{TWO}\u{1e}b_v8="),
        format!("{TWO}\u{1e}bAB=="),
        format!("{TWO}\u{1e}b AAEC"),
        format!("{TWO}\u{1e}b=AAE"),
    ];
    for body in &refused {
        let mut client = open();
        let answer: Answer = client.post(body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "3"), "{body}");
        let reply = client.rest();
        assert!(reply.iter().all(|packet| !packet.contains("message-back")), "{body}: {reply:?}");
    }
    // Nine times 100 KiB fit beside each other, ten and more do not: the sum counts.
    let ten: Vec<String> =
        (0..10).map(|num| format!("{{\"_placeholder\":true,\"num\":{num}}}")).collect();
    let client = open();
    client.say(&format!("4510-[\"message\",{}]", ten.join(",")));
    let piece = format!("b{}", "A".repeat(140_000));
    let statuses: Vec<u16> = (0..10).map(|_| client.post(&piece).status).collect();
    assert!(statuses[..9].iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(statuses[9], 400, "{statuses:?}");
}

#[test]
fn client_that_asks_for_base64_gets_and_sends_binary_data_as_text() {
    let server = start_board();
    let mut native = on_board_as(&server, "native");
    let mut client = Client::open_with(&server, "/board,", "&b64=1&deviceId=d-1");
    client
        .join(&json!({ "token": board_token("base64"), "device": "d-1" }))
        .expect("to be admitted");
    client.enter("b1");
    let sent = draw(&format!("{{\"board\":\"b1\",\"image\":{IMAGE}}}"));
    client.send(&sent);
    client.send("bAAH+/w==");
    client.text(|text| text.starts_with("461-/board,7["));
    assert_eq!(client.text(|text| text.starts_with('b')), "bAAH+/w==", "the acknowledgement");
    assert_eq!(native.binary(), b"\x00\x01\xfe\xff", "others get frames");
    native.send(&sent);
    native.send_binary(b"\x00\x01\xfe\xff");
    native.text(|text| text.starts_with("461-/board,7["));
    let drawn = |text: &str| text.starts_with("451-/board,[\"board:drawn\"");
    client.text(drawn);
    assert_eq!(client.text(|text| text.starts_with('b')), "bAAH+/w==", "another's drawing");
}

#[test]
fn base64_message_may_be_as_large_as_a_binary_one_and_text_no_larger() {
    let server = start_open();
    let open = || {
        let mut client = Client::open_with(&server, "", "&b64=1");
        client.join(&json!({})).expect("to be admitted");
        client
    };
    let one = "451-[\"message\",{\"_placeholder\":true,\"num\":0}]";
    let mut client = open();
    client.send(one);
    client.send(&format!("b{}", "AAAA".repeat(300_000)));
    client.text(|text| text.starts_with("451-[\"message-back\""));
    assert_eq!(client.text(|text| text.starts_with('b')).len(), 1_200_001);
    let mut large = open();
    large.send(one);
    large.send(&format!("b{}", "AAAA".repeat(333_400)));
    assert_eq!(large.close_code(), Some(1009), "1,000,200 bytes");
    let mut long = open();
    long.send(&format!("42[\"message\",\"{}\"]", "x".repeat(1_100_000)));
    assert_eq!(long.close_code(), Some(1009), "1,100,015 bytes of text");
    let mut client = open();
    client.send("bAAAA");
    assert_eq!(client.close_code(), Some(1003), "binary data that no event announced");
}

#[test]
fn drawing_reaches_only_the_other_members() {
    let server = start_board();
    let (mut ann, mut bob) = (Client::board(&server, "ann"), Client::board(&server, "bob"));
    let mut eve = Client::board(&server, "eve");
    ann.enter("b1");
    bob.enter("b1");
    eve.enter("b2");
    ann.send(&draw(&format!("{{\"board\":\"b1\",\"image\":{IMAGE}}}")));
    ann.send_binary(b"picture");
    ann.text(|text| text.starts_with("461-/board,7["));
    assert_eq!(ann.binary(), b"picture");
    let drawn = bob.text(|text| text.starts_with("451-/board,[\"board:drawn\""));
    assert!(drawn.contains("\"user\":\"ann\""), "{drawn}");
    assert_eq!(bob.binary(), b"picture");
    // Eve is on another board; asking to draw on one she is not on tells her nothing.
    eve.send(&draw(&format!("{{\"board\":\"b1\",\"image\":{IMAGE}}}")));
    eve.send_binary(b"graffiti");
    let refused = eve.answer(7);
    assert_eq!(refused["error"]["code"], "forbidden", "{refused}");
    assert_eq!(bob.ask("board:join", &json!({ "board": "b1" }))["ok"], true);
    assert!(bob.unread().iter().all(|text| !text.contains("board:drawn")), "{:?}", bob.unread());
    assert!(eve.unread().iter().all(|text| !text.contains("board:drawn")), "{:?}", eve.unread());
    let outsider = Client::open(&server, "/board,").join(&json!({})).unwrap_err();
    assert_eq!(outsider["data"]["code"], "unauthorized", "{outsider}");
    let mut late = Client::open(&server, "/board,");
    let token = json!({ "token": board_token("late") });
    assert!(late.join(&token).is_ok());
}
