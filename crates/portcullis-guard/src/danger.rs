//! What weakens the doors. Every use is named at the start.
//! Never: on unless a program asks for it by this name.

/// Guards a program switches off, for tests of the protocol and for closed networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Danger {
    /// Any page may connect, and clients that send no `Origin`.
    pub any_origin: bool,
    /// Any `Host` is taken for ours: pages of other names reach the server by DNS rebinding.
    pub any_host: bool,
    /// CONNECT needs no credential; whoever comes is a user of its own.
    pub anonymous: bool,
}

impl Danger {
    /// The promises that are weakened, in words for the log.
    #[must_use]
    pub fn words(&self) -> Vec<&'static str> {
        let all = [
            (self.any_origin, "any origin may connect"),
            (self.any_host, "any Host header is believed"),
            (self.anonymous, "no credential is asked for"),
        ];
        all.into_iter().filter(|(on, _)| *on).map(|(_, words)| words).collect()
    }
}
