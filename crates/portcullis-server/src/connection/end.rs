//! Why a connection ends, and what follows from it.
//! Never: a record or an answer; those are made where it ends.

use portcullis_model::Denial;

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer closed, or its socket broke.
    Peer,
    /// We refuse to go on.
    Refused(Denial),
    /// We refuse to go on, and the peer has been told and the refusal recorded.
    Told(Denial),
    /// The client said goodbye.
    Goodbye,
    /// The client is gone without a word: it came back on another connection, or does not answer.
    Replaced,
}

impl End {
    /// Why a socket left, in the words of Socket.IO.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Peer | Self::Goodbye | Self::Replaced => "transport close",
            Self::Refused(denial) | Self::Told(denial) => match denial {
                Denial::PingTimeout => "ping timeout",
                Denial::Draining => "server shutting down",
                Denial::SessionEnded(_) => "server namespace disconnect",
                _ => "forced close",
            },
        }
    }

    /// Whether the place is kept for its client: not after an end that is final.
    pub(crate) fn may_come_back(&self) -> bool {
        match self {
            Self::Peer | Self::Goodbye | Self::Replaced => true,
            Self::Refused(denial) | Self::Told(denial) => {
                matches!(denial, Denial::PingTimeout | Denial::Draining | Denial::SlowConsumer)
            }
        }
    }
}
