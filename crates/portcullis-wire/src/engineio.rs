//! Engine.IO v4 packets and request parameters, server side.
//! Never: polling payloads; one text frame is one packet.

use crate::socketio::PacketFault;

/// Most query parameters a request may carry.
const PARAMETERS_MAX: usize = 16;

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

/// The query of a request at the Engine.IO path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parameters<'a> {
    /// `transport`.
    pub transport: EngineTransport,
    /// `sid`, of a request for an existing session.
    pub sid: Option<&'a str>,
}

/// Why a query is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterFault {
    /// `transport` is missing or no transport of ours.
    Transport,
    /// `EIO` is not 4.
    Version,
    /// Doubled, unknown or malformed parameters, or too many.
    Malformed,
    /// A credential stands in the URL.
    Credential,
}

/// Reads the query: `EIO=4&transport=…`, then `sid` and the cache-buster `t` if they are there.
///
/// # Errors
/// [`ParameterFault`]; each parameter may stand once (T-174).
pub fn read_parameters(query: &str) -> Result<Parameters<'_>, ParameterFault> {
    let (mut version, mut transport, mut sid, mut buster) = (None, None, None, None);
    for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if index >= PARAMETERS_MAX {
            return Err(ParameterFault::Malformed);
        }
        let (name, value) = pair.split_once('=').ok_or(ParameterFault::Malformed)?;
        let slot = match name {
            "EIO" => &mut version,
            "transport" => &mut transport,
            "sid" => &mut sid,
            "t" => &mut buster,
            _ if is_credential(name) => return Err(ParameterFault::Credential),
            _ => return Err(ParameterFault::Malformed),
        };
        if slot.replace(value).is_some() {
            return Err(ParameterFault::Malformed);
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
        return Err(ParameterFault::Malformed);
    }
    Ok(Parameters { transport, sid })
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

    #[test]
    fn t174_parameters() {
        let websocket = |sid| Ok(Parameters { transport: EngineTransport::WebSocket, sid });
        let polling = Ok(Parameters { transport: EngineTransport::Polling, sid: None });
        let long = format!("EIO=4&transport=websocket&sid={}", "a".repeat(65));
        let same = "EIO=4&transport=websocket".to_owned() + &"&t=1".repeat(100);
        let many = "EIO=4&transport=websocket".to_owned() + &"&a=1".repeat(100);
        let cases = [
            ("EIO=4&transport=websocket", websocket(None)),
            ("transport=websocket&EIO=4&t=abc", websocket(None)),
            ("EIO=4&transport=websocket&sid=abc_-1", websocket(Some("abc_-1"))),
            ("EIO=4&transport=polling", polling),
            ("EIO=3&transport=websocket", Err(ParameterFault::Version)),
            ("EIO=4x&transport=websocket", Err(ParameterFault::Version)),
            ("transport=websocket", Err(ParameterFault::Version)),
            ("", Err(ParameterFault::Version)),
            ("EIO[]=4&transport=websocket", Err(ParameterFault::Malformed)),
            ("EIO=4&EIO=4&transport=websocket", Err(ParameterFault::Malformed)),
            ("EIO=4&transport=webtransport", Err(ParameterFault::Transport)),
            ("EIO=4&transport=__proto__", Err(ParameterFault::Transport)),
            ("EIO=4", Err(ParameterFault::Transport)),
            ("EIO=4&transport=polling&j=0", Err(ParameterFault::Malformed)),
            ("EIO=4&transport=polling&b64=1", Err(ParameterFault::Malformed)),
            ("EIO=4&transport=websocket&sid=", Err(ParameterFault::Malformed)),
            ("EIO=4&transport=websocket&sid=../x", Err(ParameterFault::Malformed)),
            ("EIO=4&transport=websocket&Token=x", Err(ParameterFault::Credential)),
            ("EIO=4&transport=websocket&access_token=x", Err(ParameterFault::Credential)),
            ("EIO=4&transport=websocket&%74oken=x", Err(ParameterFault::Malformed)),
            ("EIO=%34&transport=websocket", Err(ParameterFault::Version)),
            ("EIO=4&transport=websocket&sid", Err(ParameterFault::Malformed)),
            ("EIO=4&transport=websocket&sid=a&sid=a", Err(ParameterFault::Malformed)),
            ("EIO=4&transport=websocket&eio=4", Err(ParameterFault::Malformed)),
            (long.as_str(), Err(ParameterFault::Malformed)),
            (many.as_str(), Err(ParameterFault::Malformed)),
            (same.as_str(), Err(ParameterFault::Malformed)),
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

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,64}") {
            let _packet = decode(&text);
            let _parameters = read_parameters(&text);
        }

        #[test]
        fn near_misses_are_read_or_refused(
            query in "((EIO|transport|sid|t|token|j|)(=|\\[\\]=|)(4|3|websocket|polling|)(&|))*",
        ) {
            if let Ok(parameters) = read_parameters(&query) {
                proptest::prop_assert_eq!(query.matches("EIO=4").count(), 1);
                proptest::prop_assert!(parameters.sid.is_none_or(|sid| !sid.is_empty()));
                proptest::prop_assert!(!query.contains("token"));
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
