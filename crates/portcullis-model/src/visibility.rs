//! Who may find a room and join it without an invitation.
//! Never: who is in the room.

/// Who may find a room and join it without an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Every user.
    Public,
    /// Its members only.
    Private,
}
