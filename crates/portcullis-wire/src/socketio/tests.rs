//! Packets of clients and of the server, in tables.
//! Never: a connection.

use super::encode::head;
use super::packet::ACK_MAX;
use super::*;
use crate::json::quoted;

fn event_at<'a>(namespace: &'a str, ack: Option<u64>, json: &'a str) -> SocketPacket<'a> {
    SocketPacket::Event { namespace, ack, json }
}

#[test]
fn valid_packet_is_read() {
    let connect = |namespace, payload| Ok(SocketPacket::Connect { namespace, payload });
    let cases = [
        ("0", connect("/", None)),
        ("0{\"token\":\"x\"}", connect("/", Some("{\"token\":\"x\"}"))),
        ("0/admin,{}", connect("/admin", Some("{}"))),
        ("0/admin", connect("/admin", None)),
        ("0/admin,", connect("/admin", None)),
        ("1", Ok(SocketPacket::Disconnect { namespace: "/" })),
        ("1/admin,", Ok(SocketPacket::Disconnect { namespace: "/admin" })),
        ("2[\"a\"]", Ok(event_at("/", None, "[\"a\"]"))),
        ("20[\"a\"]", Ok(event_at("/", Some(0), "[\"a\"]"))),
        ("2/admin,12[\"a\"]", Ok(event_at("/admin", Some(12), "[\"a\"]"))),
        ("29007199254740991[\"a\"]", Ok(event_at("/", Some(ACK_MAX), "[\"a\"]"))),
        ("31[]", Ok(SocketPacket::Ack { namespace: "/", id: 1, json: "[]" })),
        (
            "51-[\"a\",{}]",
            Ok(SocketPacket::BinaryEvent {
                namespace: "/",
                ack: None,
                attachments: 1,
                json: "[\"a\",{}]",
            }),
        ),
        (
            "510-/admin,7[\"a\"]",
            Ok(SocketPacket::BinaryEvent {
                namespace: "/admin",
                ack: Some(7),
                attachments: 10,
                json: "[\"a\"]",
            }),
        ),
        (
            "61-1[]",
            Ok(SocketPacket::BinaryAck { namespace: "/", id: 1, attachments: 1, json: "[]" }),
        ),
    ];
    for (text, expect) in cases {
        assert_eq!(decode_socket(text), expect, "{text:?}");
    }
}

#[test]
fn t191_t192_t198_t200_malformed_packet_is_rejected() {
    let long = format!("0/{},", "a".repeat(10_000));
    let longer_by_one = format!("0/{},", "a".repeat(128));
    let digits = format!("2{}[\"a\"]", "1".repeat(1_000));
    let cases = [
        ("", "empty"),
        ("4{\"message\":\"x\"}", "connect_error"),
        ("7", "packet_type"),
        ("\u{e9}", "packet_type"),
        ("0[]", "connect_payload"),
        ("0x", "connect_payload"),
        ("1{}", "disconnect_payload"),
        ("2", "payload"),
        ("2{}", "payload"),
        ("2\"a\"", "payload"),
        ("2[\"a\"]garbage", "payload"),
        ("2\u{feff}[\"a\"]", "payload"),
        ("2-1[\"a\"]", "payload"),
        ("201[\"a\"]", "ack_id"),
        ("29007199254740992[\"a\"]", "ack_id"),
        ("21e400[\"a\"]", "payload"),
        (digits.as_str(), "ack_id"),
        ("3[]", "ack_id"),
        ("0/admin?token=x,", "namespace"),
        ("0/\u{e9},", "namespace"),
        (long.as_str(), "namespace"),
        (longer_by_one.as_str(), "namespace"),
        ("2/admin[\"a\"]", "namespace"),
        ("2/admin,/other,[\"a\"]", "payload"),
        ("1/admin,{}", "disconnect_payload"),
        ("2 [\"a\"]", "payload"),
        ("2[\"a\"]\n", "payload"),
        ("2[", "payload"),
        ("2+1[\"a\"]", "payload"),
        ("0null", "connect_payload"),
        ("0\"token\"", "connect_payload"),
        ("5[\"a\"]", "attachments"),
        ("50-[\"a\"]", "attachments"),
        ("511-[\"a\"]", "attachments"),
        ("501-[\"a\"]", "attachments"),
        ("5-1-[\"a\"]", "attachments"),
        ("5999999999-[\"a\"]", "attachments"),
        ("51.5-[\"a\"]", "attachments"),
        ("51-{}", "payload"),
        ("61-[]", "ack_id"),
    ];
    for (text, expect) in cases {
        assert_eq!(decode_socket(text), Err(PacketFault(expect)), "{text:?}");
    }
}

#[test]
fn t193_event_name_with_other_characters_is_rejected() {
    let long = format!("[\"{}\"]", "a".repeat(129));
    let cases = [
        ("[\"chat:send\",{}]", Ok("chat:send")),
        ("[ \"a.b-c_D\" ]", Ok("a.b-c_D")),
        ("[]", Err(())),
        ("[null]", Err(())),
        ("[1]", Err(())),
        ("[{\"toString\":\"foo\"}]", Err(())),
        ("[[\"x\"]]", Err(())),
        ("[\"\"]", Err(())),
        ("[\"a b\"]", Err(())),
        ("[\"a\\u0062\"]", Err(())),
        ("[\"a", Err(())),
        (long.as_str(), Err(())),
    ];
    for (json, expect) in cases {
        assert_eq!(event_name(json).map_err(|_| ()), expect, "{json:?}");
    }
}

#[test]
fn encoded_packet_has_escaped_name_and_namespace() {
    assert_eq!(event("/", "a\"b", "{}"), r#"42["a\"b",{}]"#);
    assert_eq!(event("/admin", "alert", "1"), r#"42/admin,["alert",1]"#);
    assert_eq!(ack("/", 7, r#"{"ok":true}"#), r#"437[{"ok":true}]"#);
    assert_eq!(connect_ok("/", "{}"), "40{}");
    assert_eq!(connect_error("/x", "{}"), "44/x,{}");
    assert_eq!(disconnect("/"), "41");
    let head = EventHead { namespace: "/", name: "a", ack: None, attachments: 0 };
    assert_eq!(event_with(&head, ""), r#"42["a"]"#);
    assert_eq!(event_with(&head, "1,2"), r#"42["a",1,2]"#);
    let head = EventHead { namespace: "/x", ack: Some(5), attachments: 2, ..head };
    assert_eq!(event_with(&head, "{}"), r#"452-/x,5["a",{}]"#);
    assert_eq!(ack_with("/", 7, 0, ""), "437[]");
    assert_eq!(ack_with("/x", 7, 1, "{}"), "461-/x,7[{}]");
}

proptest::proptest! {
    #[test]
    fn random_text_is_read_or_rejected(text in "\\PC{0,64}") {
        let _packet = decode_socket(&text);
        let _name = event_name(&text);
    }

    /// Every byte of an accepted packet is read once: none is skipped or read twice.
    #[test]
    fn accepted_packet_is_read_completely(
        text in r#"[0-9](/[ab,?é]{0,5},?)?[0-9-]{0,9}(\[("[a:\\]{0,4}",?)?[0-9é]{0,3}]|\{\})?"#,
    ) {
        let written = match decode_socket(&text) {
            Ok(SocketPacket::Connect { namespace, payload }) => {
                connect_ok(namespace, payload.unwrap_or(""))
            }
            Ok(SocketPacket::Disconnect { namespace }) => disconnect(namespace),
            Ok(SocketPacket::Event { namespace, ack, json }) => {
                let ack = ack.map_or(String::new(), |ack| ack.to_string());
                head('2', namespace, 0) + &ack + json
            }
            Ok(SocketPacket::Ack { namespace, id, json }) => {
                super::ack(namespace, id, &json[1..json.len() - 1])
            }
            Ok(SocketPacket::BinaryEvent { .. } | SocketPacket::BinaryAck { .. }) | Err(_) => {
                return Ok(());
            }
        };
        // `/` and the comma at the end of a namespace are optional.
        let plain = |text: &str| {
            let (kind, rest) = text.split_at(1);
            let bare = rest.strip_prefix('/').filter(|rest| !rest.starts_with(['a', 'b', '/']));
            format!("{kind}{}", bare.unwrap_or(rest)).replace(',', "")
        };
        proptest::prop_assert_eq!(plain(&written[1..]), plain(&text));
    }

    #[test]
    fn written_event_is_read_back(name in "[a-z:]{1,20}", text in "\\PC{0,40}") {
        let payload = serde_json::Value::from(text).to_string();
        let encoded = event("/", &name, &payload);
        let expect = format!("[{},{payload}]", quoted(&name));
        proptest::prop_assert_eq!(
            decode_socket(&encoded[1..]),
            Ok(event_at("/", None, &expect))
        );
        proptest::prop_assert_eq!(event_name(&expect), Ok(name.as_str()));
    }
}
