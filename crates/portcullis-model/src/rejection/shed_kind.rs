//! The requests that an overloaded server rejects.
//! Never: the load level at which it does so.

/// The kind of a request that an overloaded server rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShedKind {
    /// A connection of an unauthenticated client.
    UnauthenticatedConnection,
    /// A connection of a returning client, above the rate of such connections.
    ReturningConnection,
    /// A page or request of an unauthenticated client.
    Request,
    /// A log-in from an unknown device.
    Login,
}
