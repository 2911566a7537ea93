//! Blocked networks of the embedded store: the queue of each call.
//! Never: a call that blocks its caller.

use crate::blocks::BlockStore;
use crate::future::StoreFuture;
use crate::health::monitor::WriteKind;
use crate::rows::blocks::{BlockRow, PutBlockOutcome};
use crate::sqlite::account_tables::blocks::list_blocks;
use crate::sqlite::store::SqliteStore;

impl BlockStore for SqliteStore {
    // Both are tried on a full disk too: a block protects the service, and its end a user.
    fn put_block(&self, block: BlockRow) -> StoreFuture<'_, PutBlockOutcome> {
        self.write(move |state, changes| {
            state.change_account(WriteKind::Removal, changes, |accounts| accounts.put_block(block))
        })
    }

    fn remove_block(&self, prefix: &str) -> StoreFuture<'_, bool> {
        let prefix = prefix.to_owned();
        self.write(move |state, changes| {
            state.change_account(WriteKind::Removal, changes, |accounts| {
                accounts.remove_block(&prefix)
            })
        })
    }

    fn list_blocks(&self, now_unix_ms: i64) -> StoreFuture<'_, Vec<BlockRow>> {
        self.look_up(move |connection| list_blocks(connection, now_unix_ms))
    }
}
