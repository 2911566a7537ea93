//! Blocked networks.
//! Never: more of them than the guard can hold.

use portcullis_model::BlockScope;
use portcullis_model::limits::BLOCKS_MAX;
use rusqlite::{Connection, Row};

use crate::changes::Change;
use crate::error::StoreError;
use crate::rows::blocks::{BlockRow, PutBlockOutcome};
use crate::sqlite::account_tables::transaction::{AccountTransaction, STEP_ROWS};

impl AccountTransaction<'_> {
    /// Stores a block; see [`crate::BlockStore::put_block`].
    pub(crate) fn put_block(&mut self, block: BlockRow) -> Result<PutBlockOutcome, StoreError> {
        let others: i64 = self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM blocks WHERE until_unix_ms > ?1 AND prefix <> ?2",
            )?
            .query_row((block.created_unix_ms, &block.prefix), |row| row.get(0))?;
        if usize::try_from(others).unwrap_or(usize::MAX) >= BLOCKS_MAX {
            return Ok(PutBlockOutcome::Full);
        }
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO blocks
                 (prefix, scope, reason, created_by, created_unix_ms, until_unix_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                &block.prefix,
                block.scope.name(),
                &block.reason,
                &block.by,
                block.created_unix_ms,
                block.until_unix_ms,
            ))?;
        self.changes.push(Change::Blocked(block));
        Ok(PutBlockOutcome::Stored)
    }

    /// Removes a block; see [`crate::BlockStore::remove_block`].
    pub(crate) fn remove_block(&mut self, prefix: &str) -> Result<bool, StoreError> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM blocks WHERE prefix = ?1")?
            .execute([prefix])?;
        if removed > 0 {
            self.changes.push(Change::Unblocked { prefix: String::from(prefix) });
        }
        Ok(removed > 0)
    }

    /// Removes some of the blocks that have ended. The guard ignores them already.
    pub(super) fn remove_ended_blocks(&mut self, now_unix_ms: i64) -> Result<(), StoreError> {
        let statement = format!(
            "DELETE FROM blocks WHERE prefix IN
             (SELECT prefix FROM blocks WHERE until_unix_ms <= ?1 LIMIT ?2)
             RETURNING {BLOCK}"
        );
        let mut delete = self.connection.prepare_cached(&statement)?;
        let ended = delete.query_map((now_unix_ms, STEP_ROWS), block_row)?;
        for block in ended {
            self.changes.push(Change::BlockEnded(block?));
        }
        Ok(())
    }
}

/// The columns of [`block_row`].
const BLOCK: &str = "prefix, scope, reason, created_by, created_unix_ms, until_unix_ms";

/// Reads the blocks that end later than a moment.
pub(crate) fn list_blocks(
    connection: &Connection,
    now_unix_ms: i64,
) -> Result<Vec<BlockRow>, StoreError> {
    let statement = format!("SELECT {BLOCK} FROM blocks WHERE until_unix_ms > ?1 ORDER BY prefix");
    let mut select = connection.prepare_cached(&statement)?;
    let rows = select.query_map([now_unix_ms], block_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn block_row(row: &Row<'_>) -> Result<BlockRow, rusqlite::Error> {
    let (prefix, scope): (String, String) = (row.get(0)?, row.get(1)?);
    Ok(BlockRow {
        scope: BlockScope::named(&scope).unwrap_or_else(|| {
            tracing::error!(
                prefix,
                "the stored scope of a block is damaged, so the block is in force for all clients: \
                 add it again with its scope, or remove it (portcullis block)"
            );
            BlockScope::All
        }),
        prefix,
        reason: row.get(2)?,
        by: row.get(3)?,
        created_unix_ms: row.get(4)?,
        until_unix_ms: row.get(5)?,
    })
}
