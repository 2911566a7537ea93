//! What follows a request.
//! Never: the response.

use crate::websocket::upgrade::Upgrade;

/// What follows a request.
pub(crate) enum Next {
    KeepAlive,
    Close,
    /// As `Close`, after a request that was received completely.
    CloseAtOnce,
    Upgrade(Box<Upgrade>),
    /// The request's session lives on another shard.
    Move(u16),
}
