//! Engine.IO packets, and the parameters of a handshake.
//! Never: a session.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::engineio::{EnginePacket, decode, read_parameters};

fuzz_target!(|text: &str| {
    if let Ok(EnginePacket::Message(rest) | EnginePacket::Ping(rest) | EnginePacket::Pong(rest)) =
        decode(text)
    {
        assert_eq!(&text[1..], rest);
    }
    if let Ok(parameters) = read_parameters(text) {
        assert!(parameters.sid.is_none_or(|sid| text.contains(sid)));
    }
});
