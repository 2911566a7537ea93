//! Errors of SQLite as errors of the store.
//! Never: a text of SQLite that a client reads.

use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::error::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly) => Self::Failed(Arc::new(error)),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(Arc::new(error))
            }
            // The other codes are faults of a statement, and the enum may grow.
            Some(_) | None => Self::Database(Arc::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;
    use crate::health::monitor::WriteFault;

    #[test]
    fn sqlite_codes_map_to_the_failed_part() {
        let of =
            |code| StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(matches!(of(ffi::SQLITE_BUSY), StoreError::Busy));
        assert!(matches!(of(ffi::SQLITE_BUSY_SNAPSHOT), StoreError::Busy));
        assert!(matches!(of(ffi::SQLITE_FULL), StoreError::Full));
        assert!(matches!(of(ffi::SQLITE_IOERR_FSYNC), StoreError::Failed(_)));
        assert!(matches!(of(ffi::SQLITE_CORRUPT_VTAB), StoreError::Damaged(_)));
        assert!(matches!(of(ffi::SQLITE_NOTADB), StoreError::Damaged(_)));
        assert!(matches!(of(ffi::SQLITE_CONSTRAINT), StoreError::Database(_)));
        assert_eq!(of(ffi::SQLITE_FULL).write_fault(), Some(WriteFault::Full));
        assert_eq!(of(ffi::SQLITE_BUSY).write_fault(), None);
    }
}
