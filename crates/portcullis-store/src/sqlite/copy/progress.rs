//! How far a copy of the database is, as other threads see it.
//! Never: a page of the copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::StoreError;

/// The state of a copy.
#[derive(Debug, Clone, Default)]
pub enum CopyState {
    /// The writer copies, or is about to.
    #[default]
    Running,
    /// The copy is complete, as of the commit before its last turn.
    Complete,
    /// The copy ended early; its file is of no use.
    Failed(StoreError),
}

/// The progress of a copy, shared by the writer and its callers.
#[derive(Debug, Default)]
pub struct CopyProgress {
    state: Mutex<CopyState>,
    copied: AtomicU64,
    total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl CopyProgress {
    /// The state.
    #[must_use]
    pub fn state(&self) -> CopyState {
        self.state.lock().clone()
    }

    /// The pages that are copied, and all pages.
    #[must_use]
    pub fn pages(&self) -> (u64, u64) {
        (self.copied.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Ends the copy before its next turn; it has failed from now on, and another one can start.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
        self.end(Err(StoreError::Closed));
    }

    /// Whether the copy is to end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    /// Reports how far the copy is.
    pub(super) fn report(&self, copied: u64, total: u64) {
        self.copied.store(copied, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Ends the copy with a result; later results are ignored.
    pub(crate) fn end(&self, result: Result<(), StoreError>) {
        let mut state = self.state.lock();
        if matches!(*state, CopyState::Running) {
            *state = match result {
                Ok(()) => CopyState::Complete,
                Err(error) => CopyState::Failed(error),
            };
        }
    }
}

/// Ends a copy as failed, unless it has another result, when the writer drops it.
pub(crate) struct CopyEnd(pub(crate) Arc<CopyProgress>);

impl Drop for CopyEnd {
    fn drop(&mut self) {
        self.0.end(Err(StoreError::Closed));
    }
}
