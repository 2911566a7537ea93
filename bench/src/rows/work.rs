//! Every kind of work that is measured: its name, its unit, its target.
//! Never: how it is measured.

/// The work that every server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shared {
    FanOutOne,
    FanOutMany,
    EchoOne,
    EchoMany,
    Connect,
    Idle,
}

impl Shared {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::FanOutOne => "delivery to 1,000 members, window 1",
            Self::FanOutMany => "delivery to 1,000 members, window 32",
            Self::EchoOne => "echo, window 1",
            Self::EchoMany => "echo, window 16",
            Self::Connect => "connect",
            Self::Idle => "idle connection",
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Idle => "KB",
            _ => "µs",
        }
    }

    /// Part of its chart's file name.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::FanOutOne => "fan-out-1",
            Self::FanOutMany => "fan-out-32",
            Self::EchoOne => "echo-1",
            Self::EchoMany => "echo-16",
            Self::Connect => "connect",
            Self::Idle => "idle",
        }
    }

    /// The highest allowed cost of Portcullis.
    pub(crate) fn target(self) -> Target {
        match self {
            Self::FanOutOne => Target::Ratio(1.05),
            Self::FanOutMany => Target::Ratio(1.0),
            Self::EchoOne => Target::Ratio(1.3),
            Self::EchoMany => Target::Ratio(1.5),
            Self::Connect => Target::AtMost(60.0),
            Self::Idle => Target::AtMost(2.5),
        }
    }
}

/// Figures of Portcullis alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    ConnectEdDsa,
    IdleTls,
    RefusedHandshake,
    RefusedFlood,
    RefusedMemory,
    RefusedMessage,
    OffenderKnown,
    OffenderFlood,
    OffenderLoop,
    ChatSend,
    LookUp,
    LookUpBesideHistory,
    Yardstick,
    LeastRefused,
    LeastRefusedFlood,
}

impl Own {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ConnectEdDsa => "connect with an EdDSA token",
            Self::IdleTls => "idle connection over TLS",
            Self::RefusedHandshake => "rejected handshake (origin)",
            Self::RefusedFlood => "rejected handshake (origin), 32 at a time",
            Self::RefusedMemory => {
                "memory gained by a flood of rejected handshakes from 60,000 addresses"
            }
            Self::RefusedMessage => "rejected message (schema), with its answer",
            Self::OffenderKnown => "a rejection in the tables of offenders: known network and user",
            Self::OffenderFlood => "the same: new network and origin, full tables",
            Self::OffenderLoop => "baseline: the same loop without the tables",
            Self::ChatSend => "`chat:send`: guards, durable commit, 10 deliveries, answer",
            Self::LookUp => {
                "look-up in the database (`GET /auth/sessions`), median time of the answer"
            }
            Self::LookUpBesideHistory => {
                "the same while four connections read history without a pause"
            }
            Self::Yardstick => "baseline: an echo over bare TCP, no protocol",
            Self::LeastRefused => "baseline: accept, read, write and close, no protocol",
            Self::LeastRefusedFlood => "baseline: accept, read, write and close, 32 at a time",
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::IdleTls | Self::RefusedMemory => "KB",
            Self::OffenderKnown | Self::OffenderFlood | Self::OffenderLoop => "ns",
            _ => "µs",
        }
    }

    pub(crate) fn target(self) -> Option<Target> {
        match self {
            Self::ConnectEdDsa => Some(Target::AtMost(130.0)),
            Self::IdleTls => Some(Target::AtMost(12.0)),
            Self::RefusedHandshake | Self::RefusedFlood => Some(Target::AtMost(50.0)),
            Self::RefusedMemory => Some(Target::AtMost(1_024.0)),
            Self::RefusedMessage => Some(Target::AtMost(5.0)),
            Self::OffenderKnown
            | Self::OffenderFlood
            | Self::OffenderLoop
            | Self::ChatSend
            | Self::LookUp
            | Self::LookUpBesideHistory
            | Self::Yardstick
            | Self::LeastRefused
            | Self::LeastRefusedFlood => None,
        }
    }
}

/// The largest allowed deviation of a cost from its middle as work grows.
pub(crate) const FLAT: f64 = 0.15;

/// The promised bound of a cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// Times the reference, in the same round.
    Ratio(f64),
    /// In the work's own unit.
    AtMost(f64),
}
