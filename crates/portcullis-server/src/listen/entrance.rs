//! The listener through which a connection came.
//! Never: the listener itself.

/// The listener through which a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The listener for clients.
    Public,
    /// The plain-text listener, which redirects to the public one.
    Redirect,
}
