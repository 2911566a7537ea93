//! The messages of a client: Socket.IO packets, or bare frames with as many bytes.
//! Never: bytes on the wire.

/// Length of the text in every message.
const TEXT_BYTES: usize = 100;

/// The protocol between a client and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Engine.IO 4 and Socket.IO 5.
    SocketIo,
    /// Text frames, nothing above them.
    Bare,
}

impl Dialect {
    /// Asks for the same text back.
    pub(crate) fn echo(self) -> String {
        match self {
            Self::SocketIo => format!(r#"421["echo",{}]"#, payload()),
            // As many bytes as the packet above.
            Self::Bare => format!("echo-------{}", payload()),
        }
    }

    /// The prefix of the answer to an echo request.
    pub(crate) fn echoed(self) -> &'static [u8] {
        match self {
            Self::SocketIo => b"431",
            Self::Bare => b"echo",
        }
    }

    /// Subscribes to published messages.
    pub(crate) fn join(self) -> &'static str {
        match self {
            Self::SocketIo => r#"421["join",{}]"#,
            Self::Bare => "join",
        }
    }

    /// The prefix of the answer to a subscription.
    pub(crate) fn joined(self) -> &'static [u8] {
        match self {
            Self::SocketIo => b"431",
            Self::Bare => b"join",
        }
    }

    /// Publishes a text to everyone who joined.
    pub(crate) fn publish(self) -> String {
        match self {
            Self::SocketIo => format!(r#"42["publish",{}]"#, payload()),
            Self::Bare => format!("publish----{}", payload()),
        }
    }

    /// The prefix of a published message on arrival.
    pub(crate) fn published(self) -> &'static [u8] {
        match self {
            Self::SocketIo => b"42[\"news\"",
            Self::Bare => b"publish",
        }
    }
}

fn payload() -> String {
    format!(r#"{{"text":"{}"}}"#, "x".repeat(TEXT_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_carry_as_much() {
        let [packets, frames] = [Dialect::SocketIo, Dialect::Bare];
        assert!(packets.echo().len().abs_diff(frames.echo().len()) <= 2);
        assert!(packets.publish().len().abs_diff(frames.publish().len()) <= 3);
    }
}
