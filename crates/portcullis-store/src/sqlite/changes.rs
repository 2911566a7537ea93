//! Changes of other programs, as the embedded store finds them.
//! Never: a call that blocks its caller.

use crate::changes::{ChangeStore, RecheckOutcome};
use crate::future::StoreFuture;
use crate::health::status::StoreStatus;
use crate::rows::authority::Authority;
use crate::sqlite::account_tables::authority::read_authority;
use crate::sqlite::store::SqliteStore;

impl ChangeStore for SqliteStore {
    fn recheck(&self) -> StoreFuture<'_, RecheckOutcome> {
        self.request_recheck()
    }

    fn authority(&self) -> StoreFuture<'_, Authority> {
        self.look_up(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            read_authority(&snapshot)
        })
    }

    fn status(&self) -> StoreStatus {
        self.health()
    }
}
