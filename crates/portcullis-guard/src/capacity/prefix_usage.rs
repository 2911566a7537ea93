//! The connections of one address prefix.
//! Never: a limit; `capacity.rs` compares.

/// What a prefix can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pool {
    Http,
    PreAuth,
    Authenticated,
}

/// What one address prefix holds at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrefixUsage {
    /// TCP connections that are not sockets yet.
    pub http: u32,
    /// Connections of unauthenticated clients.
    pub pre_auth: u32,
    /// Connections of users.
    pub authenticated: u32,
}

impl PrefixUsage {
    pub(crate) fn of(&mut self, pool: Pool) -> &mut u32 {
        match pool {
            Pool::Http => &mut self.http,
            Pool::PreAuth => &mut self.pre_auth,
            Pool::Authenticated => &mut self.authenticated,
        }
    }

    /// All sockets of the prefix.
    pub(crate) fn sockets(&self) -> u32 {
        self.pre_auth.saturating_add(self.authenticated)
    }
}
