//! T-110 to T-119: JSON that is not what an event declares, and what a refusal says about it.
//! Never: a value coerced, repeated or explained to its sender.

use portcullis_test::{PlainClient, Request, SioClient, frame_bytes, hs256};

use crate::clients::{CANARY, Talk, alive, code_of, recorded, start, unlimited};

/// What stands for a payload of `chat:send`; `ROOM` is a room the sender is in.
const WRONG: [&str; 40] = [
    "null",
    "true",
    "7",
    "\"zq7canary\"",
    "[]",
    "[[]]",
    "[[[[]]]]",
    "[\"ROOM\",\"hi\"]",
    "{}",
    "{\"roomId\":\"ROOM\"}",
    "{\"message\":\"hi\"}",
    "{\"roomId\":null,\"message\":\"hi\"}",
    "{\"roomId\":7,\"message\":\"hi\"}",
    "{\"roomId\":[\"ROOM\"],\"message\":\"hi\"}",
    "{\"roomId\":{\"$ne\":\"\"},\"message\":\"hi\"}",
    "{\"roomId\":\"\",\"message\":\"hi\"}",
    "{\"roomId\":\"ROOM \",\"message\":\"hi\"}",
    "{\"roomId\":\"../ROOM\",\"message\":\"hi\"}",
    "{\"roomId\":\"zq7canary'--\",\"message\":\"hi\"}",
    "{\"roomId\":\"ROOM\",\"message\":null}",
    "{\"roomId\":\"ROOM\",\"message\":7}",
    "{\"roomId\":\"ROOM\",\"message\":true}",
    "{\"roomId\":\"ROOM\",\"message\":[\"zq7canary\"]}",
    "{\"roomId\":\"ROOM\",\"message\":{\"toString\":\"zq7canary\"}}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",\"extra\":\"zq7canary\"}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",\"html\":\"<b>hi</b>\"}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",\"userId\":\"zq7canary\"}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",\"extra\":null}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",\"replyTo\":7}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",\"replyTo\":\"zq7canary\"}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",\"message\":\"zq7canary\"}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",\"mess\\u0061ge\":\"zq7canary\"}",
    "{\"RoomId\":\"ROOM\",\"message\":\"hi\"}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\",}",
    "{\"roomId\":\"ROOM\",\"message\":'zq7canary'}",
    "{roomId:\"ROOM\",message:\"hi\"}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\"/*zq7canary*/}",
    "{\"roomId\":\"ROOM\",\"message\":\"hi\\x41\"}",
    "{\"roomId\":\"ROOM\",\"message\":undefined}",
    "{\"roomId\":\"ROOM\",\"message\":\"line\nbreak\"}",
];

fn check(talk: &mut Talk<'_>, payloads: &[String]) {
    for payload in payloads {
        let answer = talk.ask_text(&format!("[\"chat:send\",{payload}]"));
        let shown: String = payload.chars().take(90).collect();
        assert_eq!(code_of(&answer), "INVALID_MESSAGE", "{shown}");
    }
    talk.say("still there");
    assert!(!talk.receiver.seen.iter().any(|packet| packet.contains(CANARY)));
}

#[test]
fn t110_t119_undeclared_payload_is_rejected_without_details() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "types");
    check(&mut talk, &WRONG.map(String::from));
    for (event, payload) in [
        ("room:create", "{\"name\":\"x\",\"visibility\":\"zq7canary\"}"),
        ("room:create", "{\"name\":7,\"visibility\":\"public\"}"),
        ("room:create", "{\"name\":\"x\"}"),
        ("room:join", "{\"roomId\":{}}"),
        ("room:list", "{\"extra\":\"zq7canary\"}"),
        ("room:list", "[]"),
        ("room:members", "{}"),
        ("chat:history", "{\"roomId\":\"ROOM\",\"limit\":\"5\"}"),
        ("chat:history", "{\"roomId\":\"ROOM\",\"limit\":5.5}"),
        ("chat:history", "{\"roomId\":\"ROOM\",\"before\":[]}"),
        ("chat:history", "{\"roomId\":\"ROOM\",\"after\":true}"),
        ("room:leave", "{\"roomId\":null}"),
        ("room:delete", "\"ROOM\""),
    ] {
        let answer = talk.ask_text(&format!("[\"{event}\",{payload}]"));
        assert_eq!(code_of(&answer), "INVALID_MESSAGE", "{event} {payload}");
    }
    recorded(&server, "schema");
    recorded(&server, "json");
    assert!(!server.records.text().contains(CANARY), "nor is it written down");
    alive(&server);
}

#[test]
fn t110_rejection_names_the_invalid_or_unknown_field() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "fields");
    for (payload, field) in [
        ("{\"roomId\":7,\"message\":\"hi\"}", Some("roomId")),
        ("{\"roomId\":\"ROOM\",\"message\":7}", Some("message")),
        ("{\"roomId\":\"ROOM\"}", Some("message")),
        ("{\"roomId\":\"ROOM\",\"message\":\"\"}", Some("message")),
        ("{\"roomId\":\"ROOM\",\"message\":\"hi\",\"admin\":\"zq7canary\"}", Some("admin")),
        ("{\"roomId\":\"ROOM\",\"message\":\"hi\",\"<b>\\n\":1}", Some("<b>\\u{a}")),
        ("{\"roomId\":\"ROOM\",\"message\":\"hi\",\"inner.a\":null}", Some("inner.a")),
        ("[]", None),
    ] {
        let answer = talk.ask_text(&format!("[\"chat:send\",{payload}]"));
        assert_eq!(code_of(&answer), "INVALID_MESSAGE", "{payload}");
        assert_eq!(answer["error"]["field"].as_str(), field, "{payload}");
    }
    let long = "n".repeat(5_000);
    let payload = format!("{{\"roomId\":\"ROOM\",\"message\":\"hi\",\"{long}\":1}}");
    let answer = talk.ask_text(&format!("[\"chat:send\",{payload}]"));
    let cut = "n".repeat(64) + "...";
    assert_eq!(answer["error"]["field"], cut);
    alive(&server);
    let _record = server.records.wait_for(|record| record["labels"]["field"] == "roomId");
    // Most records of a flood are only counted. Records of another user are written.
    let mut talk = Talk::new(&server, "fields-too-many");
    for (name, shown) in [("admin", "admin"), ("<b>\\n", "<b>\\u{a}"), (&long, &cut)] {
        let payload = format!("{{\"roomId\":\"ROOM\",\"message\":\"hi\",\"{name}\":1}}");
        assert_eq!(talk.ask_text(&format!("[\"chat:send\",{payload}]"))["error"]["field"], *shown);
        let _record = server.records.wait_for(|record| record["labels"]["field"] == *shown);
    }
}

#[test]
fn t110_optional_members_can_be_null_and_whole_numbers_can_have_a_fraction() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "absent");
    for arguments in [
        "[\"chat:send\",{\"roomId\":\"ROOM\",\"message\":\"hi\",\"replyTo\":null}]",
        "[\"chat:send\",{\"roomId\":\"ROOM\",\"message\":\"hi\"},null]",
        "[\"room:list\",null]",
        "[\"room:list\",{\"after\":null,\"search\":null}]",
        "[\"room:list\", null , null ]",
        "[\"chat:history\",{\"roomId\":\"ROOM\",\"before\":null,\"after\":null,\"limit\":null}]",
        "[\"chat:history\",{\"roomId\":\"ROOM\",\"limit\":5.0}]",
        "[\"chat:history\",{\"roomId\":\"ROOM\",\"limit\":1e1,\"after\":0.0}]",
        "[\"chat:history\",{\"roomId\":\"ROOM\",\"before\":1E2,\"limit\":null}]",
        "[\"chat:history\",{\"roomId\":\"ROOM\",\"before\":9007199254740991.0}]",
        "[\"room:members\",{\"roomId\":\"ROOM\",\"after\":null}]",
    ] {
        let answer = talk.ask_text(arguments);
        assert_eq!(answer["ok"], true, "{arguments}: {answer}");
    }
    let mut plain = PlainClient::connect(&server, &hs256("absent-plain"));
    for (id, members) in [
        ("1", "\"event\":\"room:list\",\"data\":null,\"mid\":null,\"seq\":null,\"ts\":null"),
        ("2", "\"event\":\"room:list\",\"data\":{\"after\":null},\"seq\":1.0,\"sig\":null"),
        ("3.0", "\"event\":\"room:list\",\"seq\":2e0"),
    ] {
        plain.socket.send_text(&format!("{{\"id\":{id},{members}}}"));
        let answer = plain.wait_message(|message| message["id"] == id.parse::<f64>().unwrap());
        assert_eq!(answer["ok"], true, "{members}: {answer}");
    }
    alive(&server);
}

#[test]
fn t111_depth_is_bounded_and_costs_no_stack() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "depth");
    let nested = |open: &str, close: &str, depth: usize| {
        let value = format!("{}{}", open.repeat(depth), close.repeat(depth));
        format!("{{\"roomId\":\"ROOM\",\"message\":{value}}}")
    };
    let arrays = [1, 29, 30, 31, 32, 33, 128, 4_000].map(|depth| nested("[", "]", depth));
    check(&mut talk, &arrays);
    let objects = [33, 128, 1_000].map(|depth| nested("{\"a\":[", "]}", depth));
    check(&mut talk, &objects);
    let unclosed = [33, 9_000].map(|depth| nested("[", "", depth));
    check(&mut talk, &unclosed);
    let mut client = SioClient::connect(&server, &hs256("deep"));
    client.send(&format!("420[\"chat:send\",{}", "[".repeat(100_000)));
    assert_eq!(client.close_code(), Some(1009));
    for body in ["[".repeat(16_000), "{\"a\":".repeat(3_000)] {
        let answer = Request::post(&server, "/auth/login", &body).ask(&server);
        assert_eq!((answer.status, answer.code()), (400, "INVALID_MESSAGE".into()));
    }
    alive(&server);
}

#[test]
fn t113_inexact_number_is_rejected() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "numbers");
    let long = ["9".repeat(400), format!("0.{}", "1".repeat(400))];
    let wrong = [
        "1e400",
        "-1e400",
        "-0",
        "-1",
        "9007199254740993",
        "9007199254740992",
        "0.1",
        "1.5",
        "1e300",
        "-1.0",
        "01",
        "+1",
        "NaN",
        "Infinity",
        "-Infinity",
        "0x10",
        "1_0",
        ".5",
        "5.",
        "1e",
        "\"1\"",
        "18446744073709551616",
        "4294967296",
        "0.1000000000000000055511151231257827",
    ];
    for number in wrong.into_iter().chain(long.iter().map(String::as_str)) {
        for field in ["limit", "before"] {
            // A position in the room is a whole number that every reader keeps exact.
            if field == "before" && number == "4294967296" {
                continue;
            }
            let text = format!("[\"chat:history\",{{\"roomId\":\"ROOM\",\"{field}\":{number}}}]");
            let answer = talk.ask_text(&text);
            let shown: String = number.chars().take(40).collect();
            assert_eq!(code_of(&answer), "INVALID_MESSAGE", "{field} {shown}");
        }
    }
    for number in ["9".repeat(9_900), format!("0.{}", "1".repeat(9_900))] {
        let payload = format!("{{\"roomId\":\"ROOM\",\"message\":{number}}}");
        check(&mut talk, &[payload]);
    }
    let good =
        talk.ask_text("[\"chat:history\",{\"roomId\":\"ROOM\",\"before\":9007199254740991}]");
    assert_eq!(good["ok"], true, "{good}");
    alive(&server);
}

#[test]
fn t114_keys_items_and_values_are_counted() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "many");
    let keys = |count: usize| {
        let keys: Vec<_> = (0..count).map(|number| format!("\"k{number}\":0")).collect();
        format!("{{{}}}", keys.join(","))
    };
    let items = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    let nodes = |count: usize| format!("[{}]", vec![items(500); count].join(","));
    let payloads = [
        keys(257),
        keys(1_000),
        items(1_025),
        items(5_000),
        nodes(5),
        format!("{{\"roomId\":\"ROOM\",\"message\":{}}}", items(1_025)),
        format!("{{\"roomId\":\"ROOM\",\"message\":\"hi\",\"x\":{}}}", keys(257)),
    ];
    check(&mut talk, &payloads);
    for payload in [keys(10_000), items(100_000)] {
        let mut client = SioClient::connect(&server, &hs256("many-more"));
        client.send(&format!("420[\"chat:send\",{payload}]"));
        assert_eq!(client.close_code(), Some(1009), "larger than any message");
        let answer = Request::post(&server, "/auth/login", &payload).ask(&server);
        assert_eq!(answer.status, 413);
    }
    for body in [keys(257), items(8_000)] {
        assert_eq!(Request::post(&server, "/auth/login", &body).ask(&server).status, 400);
    }
    alive(&server);
}

#[test]
fn t115_prototype_and_operator_keys_are_rejected() {
    let server = start(&unlimited());
    let mut talk = Talk::new(&server, "keys");
    let keys = [
        "__proto__",
        "constructor",
        "prototype",
        "toString",
        "valueOf",
        "hasOwnProperty",
        "$where",
        "$ne",
        "message.html",
        "a.b",
        "__defineGetter__",
        "\\u005f_proto__",
        "",
        " ",
        "length",
    ];
    let outer = keys.map(|key| {
        format!("{{\"roomId\":\"ROOM\",\"message\":\"hi\",\"{key}\":{{\"admin\":true}}}}")
    });
    check(&mut talk, &outer);
    let inner = keys.map(|key| format!("{{\"roomId\":\"ROOM\",\"message\":{{\"{key}\":\"hi\"}}}}"));
    check(&mut talk, &inner);
    alive(&server);
}

#[test]
fn t117_invalid_utf_8_ends_the_connection() {
    let server = start(&unlimited());
    let wrong: [&[u8]; 8] = [
        b"\xc0\xaf",
        b"\xc0\x80",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xf4\x90\x80\x80",
        b"\xff",
        b"\xe2\x82",
    ];
    for (number, bytes) in wrong.into_iter().enumerate() {
        let mut client = SioClient::connect(&server, &hs256(&format!("utf-{number}")));
        let text = [b"420[\"chat:send\",{\"roomId\":\"r\",\"message\":\"", bytes, b"\"}]"].concat();
        client.socket.connection.send(&frame_bytes(0x81, &text));
        assert_eq!(client.close_code(), Some(1007), "{bytes:x?}");
    }
    recorded(&server, "utf8");
    alive(&server);
}
