//! Socket.IO packets: what is read is part of the text, and can be answered.
//! Never: the JSON inside; that is the target `json`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_wire::socketio::{SocketPacket, ack, decode_socket, event, event_name};

fuzz_target!(|text: &str| {
    match decode_socket(text) {
        Ok(SocketPacket::Event { namespace, ack: id, json }) => {
            assert!(text.ends_with(json) && namespace.len() <= 128);
            if let Ok(name) = event_name(json) {
                assert!((1..=128).contains(&name.len()) && json.contains(name));
                // The server's own form of the event reads back as the same name.
                let written = event(namespace, name, "{}");
                let Ok(SocketPacket::Event { namespace: again, json, .. }) =
                    decode_socket(&written[1..])
                else {
                    panic!("{written} does not read back")
                };
                assert_eq!((again, event_name(json)), (namespace, Ok(name)));
            }
            if let Some(id) = id {
                assert!(id < 1 << 53);
                let written = ack(namespace, id, "{}");
                assert!(matches!(
                    decode_socket(&written[1..]),
                    Ok(SocketPacket::Ack { id: again, .. }) if again == id
                ));
            }
        }
        Ok(SocketPacket::Ack { namespace, id, json }) => {
            assert!(text.ends_with(json) && namespace.len() <= 128 && id < 1 << 53);
        }
        Ok(SocketPacket::Connect { namespace, payload }) => {
            assert!(namespace.len() <= 128);
            assert!(payload.is_none_or(|payload| text.ends_with(payload)));
        }
        Ok(SocketPacket::Disconnect { namespace }) => assert!(namespace.len() <= 128),
        Ok(
            SocketPacket::BinaryEvent { namespace, attachments, json, .. }
            | SocketPacket::BinaryAck { namespace, attachments, json, .. },
        ) => {
            assert!(text.ends_with(json) && namespace.len() <= 128);
            assert!((1..=10).contains(&attachments));
        }
        Err(_) => {}
    }
});
