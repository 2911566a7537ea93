//! The contract of every backend for blocked networks.
//! Never: a check of the network; the guard has made it.

use crate::changes::ChangeStore;
use crate::future::StoreFuture;
use crate::rows::blocks::{BlockRow, PutBlockOutcome};

/// Blocked networks.
///
/// [`crate::Store`] states order, atomicity, durability and delivery. The feed receives every
/// change. [`crate::AccountStore::remove_ended`] removes and reports blocks that have ended.
pub trait BlockStore: ChangeStore {
    /// Stores a block, in place of an earlier block of the same network.
    fn put_block(&self, block: BlockRow) -> StoreFuture<'_, PutBlockOutcome>;

    /// Removes the block of a network; `false` if there is none.
    fn remove_block(&self, prefix: &str) -> StoreFuture<'_, bool>;

    /// Reads the blocks that have not ended, in the order of their networks' texts.
    fn list_blocks(&self, now_unix_ms: i64) -> StoreFuture<'_, Vec<BlockRow>>;
}
