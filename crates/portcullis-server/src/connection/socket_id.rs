//! The public id of a socket.
//! Never: a credential; the id grants nothing.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::Denial;

use crate::random::random_bytes;

const ID_BYTES: usize = 15;

/// The public id of a socket: 120 random bits, written as 20 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId([u8; ID_BYTES]);

impl SocketId {
    pub(crate) fn random() -> Result<Self, Denial> {
        random_bytes().map(Self)
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SocketId({self})")
    }
}
