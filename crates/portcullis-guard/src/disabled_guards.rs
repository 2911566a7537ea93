//! `Danger`: guards that a program disables. Each one in use is logged at the start.
//! Never: on by default.

/// Guards a program switches off, for tests of the protocol and for closed networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Danger {
    /// Any page may connect, and clients that send no `Origin`.
    pub any_origin: bool,
    /// Any `Host` is accepted: pages of other names reach the server by DNS rebinding.
    pub any_host: bool,
    /// CONNECT needs no credential; each client is a new user.
    pub anonymous: bool,
}

impl Danger {
    /// The guarantees that are weakened, as texts for the log.
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
