//! permessage-deflate (RFC 7692), server side, without context takeover in either direction.
//! Never: more output than a message may have, or memory that a peer only announces.

mod agreement; // offers of a client and the answer
mod inflater; // decompresses messages
mod deflater; // compresses messages
#[cfg(test)]
mod tests; // offers, messages and bombs

pub use agreement::{Agreement, negotiate};
pub use deflater::Deflater;
pub use inflater::Inflater;
