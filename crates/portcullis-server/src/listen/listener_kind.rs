//! The listener that accepted a connection.
//! Never: the listener itself.

/// The listener that accepted a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The listener for clients.
    Public,
    /// The plain-text listener, which redirects to the public one.
    Redirect,
}
