//! Engine.IO packets, polled bodies, and the parameters of a handshake.
//! Never: a session.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::engineio::{
    EnginePacket, check_polled, decode, decode_polled, push_polled, read_parameters, split_polled,
};

fuzz_target!(|text: &str| {
    if let Ok(EnginePacket::Message(rest) | EnginePacket::Ping(rest) | EnginePacket::Pong(rest)) =
        decode(text)
    {
        assert_eq!(&text[1..], rest);
    }
    // A body that was looked over holds packets a client may send, and no more than it may.
    if check_polled(text, 8, 100).is_ok() {
        let mut written = Vec::new();
        let mut rest = Some(text);
        let mut packets = 0;
        while let Some(body) = rest {
            let (packet, after) = split_polled(body);
            rest = after;
            packets += 1;
            assert!(!packet.is_empty() && packet.len() <= 137);
            let _decoded = decode_polled(packet);
            push_polled(&mut written, packet.as_bytes());
        }
        assert!(packets <= 8 && written == text.as_bytes());
    }
    if let Ok(parameters) = read_parameters(text) {
        assert!(parameters.sid.is_none_or(|sid| text.contains(sid)));
    }
});
