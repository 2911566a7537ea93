//! Changes of other programs, as the embedded store finds them.
//! Never: a call that blocks its caller.

use crate::changes::{ChangeStore, RecheckOutcome};
use crate::future::StoreFuture;
use crate::health::status::StoreStatus;
use crate::rows::access_snapshot::AccessSnapshot;
use crate::sqlite::account_tables::access_snapshot::read_access_snapshot;
use crate::sqlite::store::SqliteStore;

impl ChangeStore for SqliteStore {
    fn recheck(&self) -> StoreFuture<'_, RecheckOutcome> {
        self.request_recheck()
    }

    fn access_snapshot(&self) -> StoreFuture<'_, AccessSnapshot> {
        self.look_up(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            read_access_snapshot(&snapshot)
        })
    }

    fn status(&self) -> StoreStatus {
        self.health()
    }
}
