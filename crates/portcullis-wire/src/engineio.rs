//! Engine.IO v4 packets and request parameters, server side.
//! Never: more of a polling payload decoded than the next packet.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::socketio::PacketFault;

/// What stands between two packets of a polling payload.
pub const SEPARATOR: u8 = 0x1e;

/// Most query parameters a request may carry, those of the application included.
const PARAMETERS_MAX: usize = 64;

/// A packet of the engine.io-protocol, revision 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnginePacket<'a> {
    /// `0`: only a server sends it.
    Open,
    /// `1`: the peer ends the session.
    Close,
    /// `2`: only a server sends it, except for the probe of an upgrade.
    Ping(&'a str),
    /// `3`: the answer to our ping.
    Pong(&'a str),
    /// `4`: a message of the layer above.
    Message(&'a str),
    /// `5`: the transport changes.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

/// Reads one packet.
///
/// # Errors
/// A word that says what is wrong: `empty`, `engine_type`, `engine_data`.
pub fn decode(text: &str) -> Result<EnginePacket<'_>, PacketFault> {
    let Some(kind) = text.as_bytes().first() else {
        return Err(PacketFault("empty"));
    };
    let data = text.get(1..).ok_or(PacketFault("engine_type"))?;
    let bare = |packet| if data.is_empty() { Ok(packet) } else { Err(PacketFault("engine_data")) };
    match kind {
        b'0' => Ok(EnginePacket::Open),
        b'1' => bare(EnginePacket::Close),
        b'2' => Ok(EnginePacket::Ping(data)),
        b'3' => Ok(EnginePacket::Pong(data)),
        b'4' => Ok(EnginePacket::Message(data)),
        b'5' => bare(EnginePacket::Upgrade),
        b'6' => bare(EnginePacket::Noop),
        _ => Err(PacketFault("engine_type")),
    }
}

/// One packet of a polling payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled<'a> {
    /// A text packet.
    Text(EnginePacket<'a>),
    /// `b` and base64: a binary message.
    Binary(Vec<u8>),
}

/// Reads one packet of a polling payload.
///
/// # Errors
/// As [`decode`], and `base64` for a binary message that is none in its one spelling.
pub fn decode_polled(packet: &str) -> Result<Polled<'_>, PacketFault> {
    match packet.strip_prefix('b') {
        Some(base64) => {
            STANDARD.decode(base64).map(Polled::Binary).map_err(|_| PacketFault("base64"))
        }
        None => decode(packet).map(Polled::Text),
    }
}

/// The next packet of a polling payload and what follows it; `None` at its end.
///
/// An empty payload holds one empty packet, which [`decode_polled`] refuses.
#[must_use]
pub fn split_polled(payload: &str) -> (&str, Option<&str>) {
    match payload.split_once(char::from(SEPARATOR)) {
        Some((packet, rest)) => (packet, Some(rest)),
        None => (payload, None),
    }
}

/// Looks over a whole polling payload before any of its packets has an effect (T-092).
///
/// Linear in its bytes; nothing is kept.
///
/// # Errors
/// `packets` when there are more than `packets_max`, `size` when one is longer than
/// `message_max_bytes`, and what [`decode`] says of a packet no client may send at all.
pub fn check_polled(
    payload: &str,
    packets_max: usize,
    message_max_bytes: usize,
) -> Result<(), PacketFault> {
    let mut rest = Some(payload);
    let mut packets = 0;
    while let Some(text) = rest {
        let (packet, after) = split_polled(text);
        rest = after;
        packets += 1;
        if packets > packets_max {
            return Err(PacketFault("packets"));
        }
        // Four characters of base64 are three bytes.
        let longest = if packet.starts_with('b') {
            (message_max_bytes / 3 + 1).saturating_mul(4)
        } else {
            message_max_bytes
        };
        if packet.len() > longest.saturating_add(1) {
            return Err(PacketFault("size"));
        }
        match packet.as_bytes().first() {
            None => return Err(PacketFault("empty")),
            Some(b'1' | b'3' | b'4' | b'b') => {}
            Some(_) => return Err(PacketFault("engine_type")),
        }
    }
    Ok(())
}

/// Adds a packet to a polling payload that is being written.
pub fn push_polled(payload: &mut Vec<u8>, packet: &[u8]) {
    if !payload.is_empty() {
        payload.push(SEPARATOR);
    }
    payload.extend_from_slice(packet);
}

/// Adds a binary message to a polling payload that is being written.
pub fn push_polled_binary(payload: &mut Vec<u8>, message: &[u8]) {
    push_polled(payload, b"b");
    payload.extend_from_slice(STANDARD.encode(message).as_bytes());
}

/// What the open packet tells a client.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions<'a> {
    /// The session's secret id; base64url, nothing to escape.
    pub sid: &'a str,
    /// Transports the client may move to.
    pub upgrades: &'a [&'a str],
    /// Between two pings, in milliseconds.
    pub ping_interval_ms: u32,
    /// Until a missing pong ends the session, in milliseconds.
    pub ping_timeout_ms: u32,
    /// Largest message, in bytes.
    pub max_payload: u32,
}

/// The packet that opens a session: `0{"sid":…}`.
#[must_use]
pub fn open_packet(options: &OpenOptions<'_>) -> String {
    let mut upgrades = String::new();
    for name in options.upgrades {
        if !upgrades.is_empty() {
            upgrades.push(',');
        }
        upgrades.push_str(&crate::socketio::quoted(name));
    }
    let (interval, timeout) = (options.ping_interval_ms, options.ping_timeout_ms);
    let (sid, max) = (crate::socketio::quoted(options.sid), options.max_payload);
    let times = format!(r#""pingInterval":{interval},"pingTimeout":{timeout}"#);
    format!(r#"0{{"sid":{sid},"upgrades":[{upgrades}],{times},"maxPayload":{max}}}"#)
}

/// The transports of Engine.IO that we know by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineTransport {
    /// `transport=websocket`.
    #[default]
    WebSocket,
    /// `transport=polling`.
    Polling,
}

/// How binary messages travel to a client over WebSocket; long-polling always has base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BinaryForm {
    /// As binary frames.
    #[default]
    Native,
    /// As text frames `b…` in base64: the client asked for it by `b64`.
    Base64,
}

/// The query of a request at the Engine.IO path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parameters<'a> {
    /// `transport`.
    pub transport: EngineTransport,
    /// `sid`, of a request for an existing session.
    pub sid: Option<&'a str>,
    /// `b64`.
    pub binary: BinaryForm,
}

/// Why a query is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterFault {
    /// `transport` is missing or no transport of ours.
    Transport,
    /// `EIO` is not 4.
    Version,
    /// A parameter of the protocol is malformed, or there are too many; the word says which:
    /// `too_many`, `doubled`, `listed`, `empty`, `jsonp` or `sid`.
    Malformed(&'static str),
    /// A credential stands in the URL.
    Credential,
}

/// Reads the query: `EIO=4&transport=…`, then `sid`, `b64` and the cache-buster `t` if they are
/// there. Parameters of the application are ignored, as the reference server ignores them.
///
/// # Errors
/// [`ParameterFault`]; each parameter of the protocol may stand once (T-174).
pub fn read_parameters(query: &str) -> Result<Parameters<'_>, ParameterFault> {
    let malformed = |word| Err(ParameterFault::Malformed(word));
    let (mut version, mut transport, mut sid, mut buster) = (None, None, None, None);
    let mut binary = BinaryForm::Native;
    for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if index >= PARAMETERS_MAX {
            return malformed("too_many");
        }
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        };
        let slot = match name {
            "EIO" => &mut version,
            "transport" => &mut transport,
            "sid" => &mut sid,
            "t" => &mut buster,
            // Any value but an empty one, as the reference server reads it.
            "b64" => {
                if value.is_some_and(|value| !value.is_empty()) {
                    binary = BinaryForm::Base64;
                }
                continue;
            }
            // The client expects a script for an answer, and there is none.
            "j" => return malformed("jsonp"),
            _ if is_credential(name) => return Err(ParameterFault::Credential),
            _ if is_list(name) => return malformed("listed"),
            _ => continue,
        };
        let Some(value) = value else { return malformed("empty") };
        if slot.replace(value).is_some() {
            return malformed("doubled");
        }
    }
    match version {
        Some("4") => {}
        Some(_) | None => return Err(ParameterFault::Version),
    }
    let transport = match transport {
        Some("websocket") => EngineTransport::WebSocket,
        Some("polling") => EngineTransport::Polling,
        Some(_) | None => return Err(ParameterFault::Transport),
    };
    let id = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
    };
    if sid.is_some_and(|sid| !id(sid)) {
        return malformed("sid");
    }
    Ok(Parameters { transport, sid, binary })
}

/// Whether a name is one of the protocol's, written as a list: some parsers read `EIO[]` as `EIO`.
fn is_list(name: &str) -> bool {
    let protocol = ["EIO", "transport", "sid"];
    name.split_once('[').is_some_and(|(name, _)| protocol.contains(&name))
}

fn is_credential(name: &str) -> bool {
    ["token", "access_token", "ticket", "jwt", "auth"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets() {
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

    fn seen(payload: &str) -> Vec<Polled<'_>> {
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
    fn polled_packets() {
        let hello = Polled::Text(EnginePacket::Message("hello"));
        assert_eq!(seen("4hello"), std::slice::from_ref(&hello));
        let binary = Polled::Binary(vec![1, 2, 3, 4]);
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
    fn t_092_payloads_are_refused_before_any_packet_counts() {
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
    fn t174_parameters() {
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
            // Spelled otherwise it is the guard's to find, and no parameter of the protocol.
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
    fn open_packet_is_json() {
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

    const NEAR_MISSES: &str = concat!(
        "((EIO|transport|sid|t|token|j|b64|)(=|\\[\\]=|)",
        "(4|3|websocket|polling|)(&|))*",
    );

    proptest::proptest! {
        #[test]
        fn whatever_is_written_is_read(messages in proptest::collection::vec(
            proptest::collection::vec(proptest::num::u8::ANY, 0..20), 1..9,
        )) {
            let mut payload = Vec::new();
            for message in &messages {
                push_polled_binary(&mut payload, message);
            }
            let text = String::from_utf8(payload).unwrap();
            let expect: Vec<_> = messages.into_iter().map(Polled::Binary).collect();
            proptest::prop_assert_eq!(seen(&text), expect);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,64}") {
            let _packet = decode(&text);
            let _polled = decode_polled(&text);
            let _checked = check_polled(&text, 3, 20);
            let _parameters = read_parameters(&text);
        }

        #[test]
        fn near_misses_are_read_or_refused(
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
        fn messages_read_back(text in "\\PC{0,64}") {
            let packet = format!("4{text}");
            proptest::prop_assert_eq!(decode(&packet), Ok(EnginePacket::Message(&text)));
        }

        #[test]
        fn open_packets_are_json_whatever_the_sid(sid in "\\PC{0,30}") {
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
}
