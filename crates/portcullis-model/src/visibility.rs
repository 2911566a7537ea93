//! Visibility of a room: whether users find and join it without an invitation.
//! Never: the members of the room.

/// The users that can find a room and join it without an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Every user.
    Public,
    /// Its members only.
    Private,
}
