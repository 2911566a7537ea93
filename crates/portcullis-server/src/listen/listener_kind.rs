//! The kind of the listener that accepted a connection: for clients, or for redirects.
//! Never: the listener itself.

/// The kind of the listener that accepted a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenerKind {
    /// The listener for clients.
    Public,
    /// The plain-text listener, which redirects to the public one.
    Redirect,
}
