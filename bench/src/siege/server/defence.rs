//! The kinds of servers under siege, and the needs of experiments.
//! Never: how a server is started.

/// The budget of records of unauthenticated clients, and the most that it may be.
const DAY_KEY: &str = "unauthenticated_mib_per_day";
const DAY_MAX_MIB: u32 = 65_536;

/// The attacked server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defence {
    /// Ours, as it comes.
    Priorities,
    /// Ours, kept to its normal state, with no places or turns of their own for those it knows:
    /// `launch.rs` says what is taken away, and the page repeats it.
    Flat,
    /// Ours, without the limit that the experiment is about: [`Needs::without`].
    Unguarded,
    /// Socket.IO on Node with what its documentation says to do, and limits as tight as ours: ten
    /// connections a minute of an address, 120 messages a minute of a user.
    SocketIo,
}

impl Defence {
    pub(crate) const ALL: [Self; 4] =
        [Self::Priorities, Self::Flat, Self::Unguarded, Self::SocketIo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Priorities => "Portcullis",
            Self::Flat => "without priorities",
            Self::Unguarded => "without the guard",
            Self::SocketIo => "Socket.IO on Node",
        }
    }
}

/// Whether alert rules evaluate records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum AlertEngine {
    #[default]
    On,
    /// All rules of the server are disabled, so no record reaches the engine; its thread stays.
    Off,
}

impl AlertEngine {
    /// The lines of `[alert]`.
    pub(crate) fn configuration(self) -> String {
        match self {
            Self::On => String::new(),
            Self::Off => {
                let disabled = |name| format!("[alert.rule.{name}]\nenabled = false\n");
                portcullis_audit::rule_names().into_iter().map(disabled).collect()
            }
        }
    }
}

/// The settings that experiments need beyond the defaults of a server.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// Its configured memory, in MiB; it is loaded with memory pressure that can grow.
    pub(crate) memory_limit_mib: Option<u32>,
    /// The lines of `[rate]` that take away the guard an experiment is about.
    pub(crate) without: &'static str,
    /// Mebibytes a day that records of unauthenticated clients may take; without the guard as many
    /// as can be configured.
    pub(crate) day_mib: Option<u32>,
    /// The lines of `[rate]` that change limits with every defence.
    pub(crate) limits: &'static str,
    pub(crate) engine: AlertEngine,
}

impl Needs {
    /// Nothing beyond the defaults.
    pub(crate) const NOTHING: Self = Self {
        memory_limit_mib: None,
        without: "",
        day_mib: None,
        limits: "",
        engine: AlertEngine::On,
    };
    /// Nothing but that users may send a message a second.
    pub(crate) const TALKATIVE: Self = Self {
        limits: "message_per_user = \"120/60s\"\n\
                 event_per_user = { \"chat:send\" = \"120/60s\" }\n",
        ..Self::NOTHING
    };

    /// The line of `[audit]`.
    pub(crate) fn budget(self, defence: Defence) -> String {
        match (self.day_mib, defence) {
            (None, _) => String::new(),
            (Some(_), Defence::Unguarded) => format!("{DAY_KEY} = {DAY_MAX_MIB}\n"),
            (Some(mib), Defence::Priorities | Defence::Flat | Defence::SocketIo) => {
                format!("{DAY_KEY} = {mib}\n")
            }
        }
    }
}
