//! The clients of a blocked network that are rejected.
//! Never: the network; `directory/blocks.rs` of the guard has the blocks.

/// The clients of a blocked network that are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockScope {
    /// Unauthenticated clients; signed-in users and returning clients are not affected.
    Unauthenticated,
    /// All clients.
    All,
}

impl BlockScope {
    /// All scopes.
    pub const ALL: [Self; 2] = [Self::Unauthenticated, Self::All];

    /// The word in requests, records and the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::All => "all",
        }
    }

    /// The scope with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}
