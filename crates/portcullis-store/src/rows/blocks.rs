//! Blocked networks.
//! Never: a decision about a client.

use portcullis_model::BlockScope;

/// A blocked network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRow {
    /// The network in canonical form, such as `203.0.113.0/24`.
    pub prefix: String,
    /// The clients that are rejected.
    pub scope: BlockScope,
    /// The reason that the administrator gave.
    pub reason: String,
    /// The name of the administrator, or `command line`.
    pub by: String,
    /// The time of the block, in milliseconds since 1970.
    pub created_unix_ms: i64,
    /// The end of the block, in milliseconds since 1970.
    pub until_unix_ms: i64,
}

/// The result of storing a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutBlockOutcome {
    /// It is stored, in place of an earlier block of the same network.
    Stored,
    /// The store has [`portcullis_model::limits::BLOCKS_MAX`] blocks that have not ended.
    Full,
}
