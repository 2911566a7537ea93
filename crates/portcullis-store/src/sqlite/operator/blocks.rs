//! Blocked networks, as an operator's command sees them.
//! Never: a feed; the server finds the changes by its recheck.

use crate::blocks::BlockStore;
use crate::future::StoreFuture;
use crate::rows::blocks::{BlockRow, PutBlockOutcome};
use crate::rows::operator::OperatorActionKind;
use crate::sqlite::account_tables::blocks::list_blocks;
use crate::sqlite::account_tables::operator_actions::ActionNote;
use crate::sqlite::operator::accounts::completed;
use crate::sqlite::operator::store::SqliteOperatorStore;

impl BlockStore for SqliteOperatorStore {
    fn put_block(&self, block: BlockRow) -> StoreFuture<'_, PutBlockOutcome> {
        let lasting_s = (block.until_unix_ms - block.created_unix_ms) / 1_000;
        let what = format!(
            "blocked {} {} for {lasting_s} s: {}",
            block.prefix,
            block.scope.name(),
            block.reason
        );
        let note = |outcome: &PutBlockOutcome| match outcome {
            PutBlockOutcome::Stored => Some(ActionNote::general(OperatorActionKind::Block, what)),
            PutBlockOutcome::Full => None,
        };
        completed(self.write(|accounts| accounts.put_block(block), note))
    }

    fn remove_block(&self, prefix: &str) -> StoreFuture<'_, bool> {
        let what = format!("unblocked {prefix}");
        let note =
            |found: &bool| found.then(|| ActionNote::general(OperatorActionKind::Block, what));
        completed(self.write(|accounts| accounts.remove_block(prefix), note))
    }

    fn list_blocks(&self, now_unix_ms: i64) -> StoreFuture<'_, Vec<BlockRow>> {
        completed(list_blocks(&self.connection(), now_unix_ms))
    }
}
