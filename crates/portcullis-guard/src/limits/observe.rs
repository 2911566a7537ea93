//! Limits in observe mode: they count the requests they would reject, and reject none.
//! Never: the limits that bound memory; those are always enforced.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::Limit;

use crate::error::GateError;

/// Which limits are in observe mode.
#[derive(Clone)]
pub(crate) struct ObservedLimits {
    is: [bool; Limit::ALL.len()],
}

impl ObservedLimits {
    pub(crate) fn parse(names: &[String]) -> Result<Self, GateError> {
        let mut is = [false; Limit::ALL.len()];
        for name in names {
            // TCP connections bound the memory in use, so their limit is always enforced.
            let limit = Limit::named(name).filter(|limit| *limit != Limit::HttpTotal);
            let limit = limit.ok_or_else(|| GateError::Observe(name.clone()))?;
            if let Some(place) = is.get_mut(limit.index()) {
                *place = true;
            }
        }
        Ok(Self { is })
    }

    /// Whether the limit is in observe mode.
    pub(crate) fn is(&self, limit: Limit) -> bool {
        self.is.get(limit.index()).copied().unwrap_or(false)
    }
}

/// How often each limit in observe mode would have rejected.
pub(crate) struct ObservedRejections {
    rejected: [AtomicU64; Limit::ALL.len()],
}

impl Default for ObservedRejections {
    fn default() -> Self {
        Self { rejected: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl ObservedRejections {
    /// Counts a rejection that a limit in observe mode would have made.
    pub(crate) fn count(&self, limit: Limit) {
        if let Some(count) = self.rejected.get(limit.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often each limit in observe mode would have rejected, since the start.
    pub(crate) fn rejections(&self) -> Vec<(Limit, u64)> {
        let counts = Limit::ALL.into_iter().zip(&self.rejected);
        counts.map(|(limit, count)| (limit, count.load(Ordering::Relaxed))).collect()
    }
}
