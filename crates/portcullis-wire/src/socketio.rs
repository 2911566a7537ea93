//! Socket.IO v5 packets, default parser.
//! Never: looks inside the JSON further than its first string.

/// What is wrong with a packet, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketFault(pub &'static str);

/// Longest namespace and longest event name, in bytes.
const NAME_MAX_BYTES: usize = 128;
/// Most attachments one packet may announce.
const ATTACHMENTS_MAX: usize = 10;
/// Largest acknowledgement id: exact in every JSON reader.
const ACK_MAX: u64 = 9_007_199_254_740_991;

/// A packet from a client (socket.io-protocol, revision 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketPacket<'a> {
    /// Asks to join a namespace.
    Connect {
        /// The namespace, `/` when the packet names none.
        namespace: &'a str,
        /// A JSON object as text.
        payload: Option<&'a str>,
    },
    /// Leaves a namespace.
    Disconnect {
        /// The namespace.
        namespace: &'a str,
    },
    /// An event.
    Event {
        /// The namespace.
        namespace: &'a str,
        /// The id the acknowledgement has to carry.
        ack: Option<u64>,
        /// The whole JSON array as text; not yet parsed.
        json: &'a str,
    },
    /// An acknowledgement.
    Ack {
        /// The namespace.
        namespace: &'a str,
        /// The id.
        id: u64,
        /// The whole JSON array as text; not yet parsed.
        json: &'a str,
    },
    /// An event whose attachments follow as binary messages.
    BinaryEvent {
        /// The namespace.
        namespace: &'a str,
        /// The id the acknowledgement has to carry.
        ack: Option<u64>,
        /// How many attachments follow: 1 to 10.
        attachments: usize,
        /// The whole JSON array as text; not yet parsed.
        json: &'a str,
    },
    /// An acknowledgement whose attachments follow as binary messages.
    BinaryAck {
        /// The namespace.
        namespace: &'a str,
        /// The id.
        id: u64,
        /// How many attachments follow: 1 to 10.
        attachments: usize,
        /// The whole JSON array as text; not yet parsed.
        json: &'a str,
    },
}

/// Reads one packet.
///
/// # Errors
/// A word that says what is wrong.
pub fn decode_socket(text: &str) -> Result<SocketPacket<'_>, PacketFault> {
    let kind = *text.as_bytes().first().ok_or(PacketFault("empty"))?;
    let rest = text.get(1..).ok_or(PacketFault("packet_type"))?;
    let (attachments, rest) = match kind {
        b'5' | b'6' => read_attachments(rest)?,
        _ => (0, rest),
    };
    let (namespace, rest) = read_namespace(rest)?;
    match kind {
        b'0' => {
            let payload = Some(rest).filter(|rest| !rest.is_empty());
            if payload.is_some_and(|text| !is_wrapped(text, '{', '}')) {
                return Err(PacketFault("connect_payload"));
            }
            Ok(SocketPacket::Connect { namespace, payload })
        }
        b'1' if rest.is_empty() => Ok(SocketPacket::Disconnect { namespace }),
        b'1' => Err(PacketFault("disconnect_payload")),
        b'2' => {
            let (ack, json) = read_ack(rest)?;
            read_array(json)?;
            Ok(SocketPacket::Event { namespace, ack, json })
        }
        b'3' => {
            let (id, json) = read_ack(rest)?;
            read_array(json)?;
            let id = id.ok_or(PacketFault("ack_id"))?;
            Ok(SocketPacket::Ack { namespace, id, json })
        }
        b'4' => Err(PacketFault("connect_error")),
        b'5' => {
            let (ack, json) = read_ack(rest)?;
            read_array(json)?;
            Ok(SocketPacket::BinaryEvent { namespace, ack, attachments, json })
        }
        b'6' => {
            let (id, json) = read_ack(rest)?;
            read_array(json)?;
            let id = id.ok_or(PacketFault("ack_id"))?;
            Ok(SocketPacket::BinaryAck { namespace, id, attachments, json })
        }
        _ => Err(PacketFault("packet_type")),
    }
}

/// How many attachments a binary packet announces: one or two digits and a hyphen.
fn read_attachments(text: &str) -> Result<(usize, &str), PacketFault> {
    let fault = PacketFault("attachments");
    let (digits, rest) = match text.bytes().take(3).position(|byte| byte == b'-') {
        Some(at) => (text.get(..at).ok_or(fault)?, text.get(at + 1..).ok_or(fault)?),
        None => return Err(fault),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let count: usize = digits.parse().map_err(|_| fault)?;
    if plain && count <= ATTACHMENTS_MAX { Ok((count, rest)) } else { Err(fault) }
}

fn read_namespace(text: &str) -> Result<(&str, &str), PacketFault> {
    if !text.starts_with('/') {
        return Ok(("/", text));
    }
    // No further than the longest name, so that a packet of one huge name costs nothing.
    let comma = text.bytes().take(NAME_MAX_BYTES + 1).position(|byte| byte == b',');
    let (name, rest) = match comma {
        Some(at) => (text.get(..at), text.get(at + 1..)),
        None => (Some(text), Some("")),
    };
    let (Some(name), Some(rest)) = (name, rest) else {
        return Err(PacketFault("namespace"));
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
    if name.len() > NAME_MAX_BYTES || !name.bytes().all(allowed) {
        return Err(PacketFault("namespace"));
    }
    Ok((name, rest))
}

fn read_ack(text: &str) -> Result<(Option<u64>, &str), PacketFault> {
    let digits = text.bytes().take(17).take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((None, text));
    }
    let (Some(number), Some(rest)) = (text.get(..digits), text.get(digits..)) else {
        return Err(PacketFault("ack_id"));
    };
    if digits > 16 || (digits > 1 && number.starts_with('0')) {
        return Err(PacketFault("ack_id"));
    }
    let id: u64 = number.parse().map_err(|_| PacketFault("ack_id"))?;
    if id > ACK_MAX {
        return Err(PacketFault("ack_id"));
    }
    Ok((Some(id), rest))
}

fn read_array(text: &str) -> Result<(), PacketFault> {
    if is_wrapped(text, '[', ']') { Ok(()) } else { Err(PacketFault("payload")) }
}

fn is_wrapped(text: &str, open: char, close: char) -> bool {
    text.len() >= 2 && text.starts_with(open) && text.ends_with(close)
}

/// The event's name: the first element of the array, a string without escapes.
///
/// # Errors
/// `event_name` when it is anything else (T-193); nothing behind it is looked at.
pub fn event_name(json: &str) -> Result<&str, PacketFault> {
    let fault = PacketFault("event_name");
    let rest = json.strip_prefix('[').ok_or(fault)?.trim_ascii_start();
    let rest = rest.strip_prefix('"').ok_or(fault)?;
    let end = rest.bytes().take(NAME_MAX_BYTES + 1).position(|byte| byte == b'"').ok_or(fault)?;
    let name = rest.get(..end).ok_or(fault)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(fault);
    }
    Ok(name)
}

/// Whether the name belongs to the protocol's own life cycle (T-194).
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "connect"
            | "connect_error"
            | "connection"
            | "disconnect"
            | "disconnecting"
            | "error"
            | "newListener"
            | "removeListener"
    )
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn head(kind: char, namespace: &str, capacity: usize) -> String {
    let mut text = String::with_capacity(namespace.len() + capacity + 4);
    text.push('4');
    text.push(kind);
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
    text
}

/// An accepted CONNECT. `payload_json` is one JSON object.
#[must_use]
pub fn connect_ok(namespace: &str, payload_json: &str) -> String {
    let mut text = head('0', namespace, payload_json.len());
    text.push_str(payload_json);
    text
}

/// A refused CONNECT. `payload_json` is one JSON object.
#[must_use]
pub fn connect_error(namespace: &str, payload_json: &str) -> String {
    let mut text = head('4', namespace, payload_json.len());
    text.push_str(payload_json);
    text
}

/// An event with one argument. `payload_json` is one JSON value.
#[must_use]
pub fn event(namespace: &str, name: &str, payload_json: &str) -> String {
    let mut text = head('2', namespace, name.len() + payload_json.len() + 8);
    text.push('[');
    text.push_str(&quoted(name));
    text.push(',');
    text.push_str(payload_json);
    text.push(']');
    text
}

/// An acknowledgement with one argument. `payload_json` is one JSON value.
#[must_use]
pub fn ack(namespace: &str, id: u64, payload_json: &str) -> String {
    let mut text = head('3', namespace, payload_json.len() + 24);
    text.push_str(&id.to_string());
    text.push('[');
    text.push_str(payload_json);
    text.push(']');
    text
}

/// What stands before the arguments of an event that is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct EventHead<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The event's name.
    pub name: &'a str,
    /// Asks for an acknowledgement under this id.
    pub ack: Option<u64>,
    /// How many binary messages follow.
    pub attachments: usize,
}

/// An event with any arguments: JSON values with commas between them.
#[must_use]
pub fn event_with(event: &EventHead<'_>, arguments_json: &str) -> String {
    let kind = if event.attachments == 0 { '2' } else { '5' };
    let mut text =
        String::with_capacity(event.namespace.len() + event.name.len() + arguments_json.len() + 32);
    push_head(&mut text, kind, event.attachments, event.namespace);
    if let Some(id) = event.ack {
        text.push_str(&id.to_string());
    }
    text.push('[');
    text.push_str(&quoted(event.name));
    if !arguments_json.is_empty() {
        text.push(',');
        text.push_str(arguments_json);
    }
    text.push(']');
    text
}

/// An acknowledgement with any arguments: JSON values with commas between them.
#[must_use]
pub fn ack_with(namespace: &str, id: u64, attachments: usize, arguments_json: &str) -> String {
    let kind = if attachments == 0 { '3' } else { '6' };
    let mut text = String::with_capacity(namespace.len() + arguments_json.len() + 32);
    push_head(&mut text, kind, attachments, namespace);
    text.push_str(&id.to_string());
    text.push('[');
    text.push_str(arguments_json);
    text.push(']');
    text
}

fn push_head(text: &mut String, kind: char, attachments: usize, namespace: &str) {
    text.push('4');
    text.push(kind);
    if attachments > 0 {
        text.push_str(&attachments.to_string());
        text.push('-');
    }
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
}

/// The server ends the client's place in a namespace.
#[must_use]
pub fn disconnect(namespace: &str) -> String {
    head('1', namespace, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_at<'a>(namespace: &'a str, ack: Option<u64>, json: &'a str) -> SocketPacket<'a> {
        SocketPacket::Event { namespace, ack, json }
    }

    #[test]
    fn packets() {
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
    fn t191_t192_t198_t200_malformed_packets() {
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
    fn t193_event_names() {
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
    fn encoding_escapes_names_and_names_namespaces() {
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
        fn any_text_is_read_or_refused(text in "\\PC{0,64}") {
            let _packet = decode_socket(&text);
            let _name = event_name(&text);
        }

        /// Every byte of an accepted packet is accounted for: nothing is skipped or read twice.
        #[test]
        fn accepted_packets_are_used_up(
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
            // `/` may be written or left out, and so may the comma at the end of a namespace.
            let plain = |text: &str| {
                let (kind, rest) = text.split_at(1);
                let bare = rest.strip_prefix('/').filter(|rest| !rest.starts_with(['a', 'b', '/']));
                format!("{kind}{}", bare.unwrap_or(rest)).replace(',', "")
            };
            proptest::prop_assert_eq!(plain(&written[1..]), plain(&text));
        }

        #[test]
        fn our_events_read_back(name in "[a-z:]{1,20}", text in "\\PC{0,40}") {
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
}
