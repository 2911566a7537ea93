//! Why a connection ends, and what follows from the reason.
//! Never: a record or a message to the client; the closing code writes those.

use portcullis_model::{ClosedBy, Denial};

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The peer closed its socket, or the socket failed.
    PeerClosed,
    /// The server ends it: the client still has to be informed, and the denial recorded.
    Denied(Denial),
    /// The server ends it: the client has been informed and the denial recorded.
    DeniedAndSent(Denial),
    /// The client sent a close packet or frame.
    ClientClosed,
    /// The client does not answer any more, or has returned on another connection.
    Replaced,
}

impl EndReason {
    /// The reason of a socket's disconnect, as Socket.IO names it.
    pub(crate) fn socket_io_reason(&self) -> &'static str {
        match self {
            Self::PeerClosed | Self::ClientClosed | Self::Replaced => "transport close",
            Self::Denied(denial) | Self::DeniedAndSent(denial) => match denial {
                Denial::PingTimeout => "ping timeout",
                Denial::Draining => "server shutting down",
                Denial::SessionEnded(_) => "server namespace disconnect",
                _ => "forced close",
            },
        }
    }

    /// The status code of the WebSocket close frame.
    pub(crate) fn close_code(&self) -> u16 {
        match self {
            Self::PeerClosed | Self::ClientClosed | Self::Replaced => 1000,
            Self::Denied(Denial::Internal("handler_panic")) => 1011,
            Self::Denied(denial) | Self::DeniedAndSent(denial) => match denial.answer().closed_by {
                ClosedBy::Code(code) => code,
                ClosedBy::Nothing => 1008,
            },
        }
    }

    /// Whether the socket is kept for recovery: not after an end that is final.
    pub(crate) fn is_recoverable(&self) -> bool {
        match self {
            Self::PeerClosed | Self::ClientClosed | Self::Replaced => true,
            Self::Denied(denial) | Self::DeniedAndSent(denial) => {
                matches!(denial, Denial::PingTimeout | Denial::Draining | Denial::SlowConsumer)
            }
        }
    }

    /// Whether the close notice is kept for a long-polling client that is between two polls.
    pub(crate) fn waits_for_poll(&self) -> bool {
        match self {
            Self::PeerClosed | Self::ClientClosed | Self::Replaced => false,
            Self::Denied(denial) | Self::DeniedAndSent(denial) => !matches!(
                denial,
                Denial::SlowConsumer
                    | Denial::PingTimeout
                    | Denial::ConnectTimeout
                    | Denial::Polling(_)
                    | Denial::Utf8
                    | Denial::BodyTimeout
            ),
        }
    }
}
