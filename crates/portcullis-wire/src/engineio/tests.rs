//! Packets, polling payloads and queries, in tables.
//! Never: a connection.

use super::*;

#[test]
fn valid_packet_is_read() {
    let cases = [
        ("", Err("empty")),
        ("0", Ok(EnginePacket::Open)),
        ("1", Ok(EnginePacket::Close)),
        ("1x", Err("engine_data")),
        ("2probe", Ok(EnginePacket::Ping("probe"))),
        ("3", Ok(EnginePacket::Pong(""))),
        ("4hello", Ok(EnginePacket::Message("hello"))),
        ("5", Ok(EnginePacket::Upgrade)),
        ("6", Ok(EnginePacket::Noop)),
        ("7", Err("engine_type")),
        ("\u{e9}", Err("engine_type")),
        ("b4AQ", Err("engine_type")),
    ];
    for (text, expect) in cases {
        assert_eq!(decode(text).map_err(|fault| fault.0), expect, "{text:?}");
    }
}

fn seen(payload: &str) -> Vec<PolledPacket<'_>> {
    let mut packets = Vec::new();
    let mut rest = Some(payload);
    while let Some(text) = rest {
        let (packet, after) = split_polled(text);
        packets.push(decode_polled(packet).unwrap());
        rest = after;
    }
    packets
}

#[test]
fn packets_of_a_payload_are_read_in_order() {
    let hello = PolledPacket::Text(EnginePacket::Message("hello"));
    assert_eq!(seen("4hello"), std::slice::from_ref(&hello));
    let binary = PolledPacket::Binary(vec![1, 2, 3, 4]);
    assert_eq!(seen("4hello\u{1e}bAQIDBA==\u{1e}4hello"), [hello.clone(), binary, hello]);
    for bad in ["bAQIDBA", "bAQIDBB==", "b=", "bAQ ID", ""] {
        assert!(decode_polled(bad).is_err(), "{bad:?}");
    }
    let mut written = Vec::new();
    push_polled(&mut written, b"4a");
    push_polled_binary(&mut written, &[1, 2, 3, 4]);
    assert_eq!(written, b"4a\x1ebAQIDBA==");
}

#[test]
fn t_092_invalid_payload_is_rejected_before_any_packet_counts() {
    let check = |payload: &str| check_polled(payload, 128, 100).map_err(|fault| fault.0);
    let separators = "\u{1e}".repeat(65_536);
    let noops = "6\u{1e}".repeat(32_768);
    let pings = "2\u{1e}".repeat(32_768);
    let many = "4x\u{1e}".repeat(30_000);
    let most = "4x\u{1e}".repeat(127) + "4x";
    let long = format!("4{}", "x".repeat(101));
    let longest = format!("4{}", "x".repeat(100));
    let binary = format!("b{}", "A".repeat(137));
    let cases = [
        ("", Err("empty")),
        (separators.as_str(), Err("empty")),
        ("4a\u{1e}", Err("empty")),
        ("4a\u{1e}\u{1e}4b", Err("empty")),
        (noops.as_str(), Err("engine_type")),
        (pings.as_str(), Err("engine_type")),
        ("abc", Err("engine_type")),
        (many.as_str(), Err("packets")),
        (most.as_str(), Ok(())),
        (long.as_str(), Err("size")),
        (longest.as_str(), Ok(())),
        (binary.as_str(), Err("size")),
        ("1", Ok(())),
        ("3\u{1e}4a\u{1e}bAQ==", Ok(())),
    ];
    for (payload, expect) in cases {
        assert_eq!(check(payload), expect, "{:.40}", payload);
    }
}

#[test]
fn t174_invalid_parameters_are_rejected() {
    let native = BinaryForm::Native;
    let websocket =
        |sid| Ok(Parameters { transport: EngineTransport::WebSocket, sid, binary: native });
    let polling =
        |binary| Ok(Parameters { transport: EngineTransport::Polling, sid: None, binary });
    let malformed = |word| Err(ParameterFault::Malformed(word));
    let application = "EIO=4&transport=websocket".to_owned() + &"&a=1".repeat(62);
    let long = format!("EIO=4&transport=websocket&sid={}", "a".repeat(65));
    let same = "EIO=4&transport=websocket".to_owned() + &"&t=1".repeat(100);
    let many = "EIO=4&transport=websocket".to_owned() + &"&a=1".repeat(100);
    let cases = [
        ("EIO=4&transport=websocket", websocket(None)),
        ("transport=websocket&EIO=4&t=abc", websocket(None)),
        ("EIO=4&transport=websocket&sid=abc_-1", websocket(Some("abc_-1"))),
        ("EIO=4&transport=polling", polling(native)),
        ("EIO=4&transport=polling&b64=1", polling(BinaryForm::Base64)),
        ("transport=polling&b64=1&EIO=4", polling(BinaryForm::Base64)),
        ("EIO=4&transport=polling&b64=1&b64=1", polling(BinaryForm::Base64)),
        ("EIO=4&transport=polling&b64=", polling(native)),
        ("EIO=4&transport=polling&b64", polling(native)),
        ("EIO=4&transport=polling&deviceId=d-1&appVersion=2.3.1", polling(native)),
        ("EIO=4&transport=polling&tag=a&tag=b&list[]=1&list[]=2", polling(native)),
        ("EIO=4&transport=polling&name=%D0%90%D0%B4%D0%B0&x&=&==", polling(native)),
        ("EIO=4&transport=polling&__proto__=1&constructor=2", polling(native)),
        (application.as_str(), websocket(None)),
        ("EIO=3&transport=websocket", Err(ParameterFault::Version)),
        ("EIO=4x&transport=websocket", Err(ParameterFault::Version)),
        ("transport=websocket", Err(ParameterFault::Version)),
        ("", Err(ParameterFault::Version)),
        ("EIO[]=4&transport=websocket", malformed("listed")),
        ("EIO=4&transport=polling&sid[0]=x", malformed("listed")),
        ("EIO=4&EIO=4&transport=websocket", malformed("doubled")),
        ("EIO=4&transport=websocket&t=1&t=2", malformed("doubled")),
        ("EIO&transport=websocket", malformed("empty")),
        ("EIO=4&transport=webtransport", Err(ParameterFault::Transport)),
        ("EIO=4&transport=__proto__", Err(ParameterFault::Transport)),
        ("EIO=4", Err(ParameterFault::Transport)),
        ("EIO=4&transport=polling&j=0", malformed("jsonp")),
        ("EIO=4&transport=websocket&sid=", malformed("sid")),
        ("EIO=4&transport=websocket&sid=../x", malformed("sid")),
        ("EIO=4&transport=websocket&Token=x", Err(ParameterFault::Credential)),
        ("EIO=4&transport=websocket&access_token=x", Err(ParameterFault::Credential)),
        // In another spelling it is not a parameter of the protocol; the guard finds it.
        ("EIO=4&transport=websocket&%74oken=x", websocket(None)),
        ("EIO=%34&transport=websocket", Err(ParameterFault::Version)),
        ("EIO=4&transport=websocket&sid", malformed("empty")),
        ("EIO=4&transport=websocket&sid=a&sid=a", malformed("doubled")),
        ("EIO=4&transport=websocket&eio=3", websocket(None)),
        (long.as_str(), malformed("sid")),
        (many.as_str(), malformed("too_many")),
        (same.as_str(), malformed("doubled")),
    ];
    for (query, expect) in cases {
        assert_eq!(read_parameters(query), expect, "{query:?}");
    }
}

#[test]
fn open_packet_is_valid_json() {
    let text = open_packet(&OpenOptions {
        sid: "abc",
        upgrades: &["websocket"],
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        max_payload: 12_288,
    });
    let value: serde_json::Value = serde_json::from_str(&text[1..]).unwrap();
    assert_eq!(value["upgrades"][0], "websocket");
    assert_eq!(value["maxPayload"], 12_288);
}

const NEAR_MISSES: &str =
    concat!("((EIO|transport|sid|t|token|j|b64|)(=|\\[\\]=|)", "(4|3|websocket|polling|)(&|))*",);

proptest::proptest! {
    #[test]
    fn written_payload_is_read_back(messages in proptest::collection::vec(
        proptest::collection::vec(proptest::num::u8::ANY, 0..20), 1..9,
    )) {
        let mut payload = Vec::new();
        for message in &messages {
            push_polled_binary(&mut payload, message);
        }
        let text = String::from_utf8(payload).unwrap();
        let expect: Vec<_> = messages.into_iter().map(PolledPacket::Binary).collect();
        proptest::prop_assert_eq!(seen(&text), expect);
    }

    #[test]
    fn random_text_is_read_or_rejected(text in "\\PC{0,64}") {
        let _packet = decode(&text);
        let _polled = decode_polled(&text);
        let _checked = check_polled(&text, 3, 20);
        let _parameters = read_parameters(&text);
    }

    #[test]
    fn nearly_valid_text_is_read_or_rejected(
        query in NEAR_MISSES,
    ) {
        if let Ok(parameters) = read_parameters(&query) {
            let names = |name: &str| {
                let found = query.split('&').map(|pair| pair.split('=').next());
                found.filter(|found| *found == Some(name)).count()
            };
            proptest::prop_assert_eq!((names("EIO"), names("transport")), (1, 1));
            proptest::prop_assert_eq!((names("token"), names("j")), (0, 0));
            proptest::prop_assert!(parameters.sid.is_none_or(|sid| !sid.is_empty()));
            let base64 = parameters.binary == BinaryForm::Base64;
            proptest::prop_assert!(!base64 || names("b64") > 0);
        }
    }

    #[test]
    fn message_is_read_back(text in "\\PC{0,64}") {
        let packet = format!("4{text}");
        proptest::prop_assert_eq!(decode(&packet), Ok(EnginePacket::Message(&text)));
    }

    #[test]
    fn open_packet_is_json_for_any_sid(sid in "\\PC{0,30}") {
        let text = open_packet(&OpenOptions {
            sid: &sid,
            upgrades: &["websocket", "a\"b"],
            ping_interval_ms: 1,
            ping_timeout_ms: 2,
            max_payload: 3,
        });
        let value: serde_json::Value = serde_json::from_str(&text[1..]).unwrap();
        proptest::prop_assert_eq!(&value["sid"], &serde_json::Value::from(sid));
        proptest::prop_assert_eq!(&value["upgrades"][1], "a\"b");
    }
}
