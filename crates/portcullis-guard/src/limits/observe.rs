//! Limits that are only observed: they count what they would have refused, and refuse nobody.
//! Never: the bound of memory; that one holds.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::Limit;

use crate::error::GateError;

/// Which limits only count, and how often each would have refused.
pub(crate) struct ObservedLimits {
    is: [bool; Limit::ALL.len()],
    would_refuse: [AtomicU64; Limit::ALL.len()],
}

impl ObservedLimits {
    pub(crate) fn parse(names: &[String]) -> Result<Self, GateError> {
        let mut is = [false; Limit::ALL.len()];
        for name in names {
            // Places of TCP connections are the memory there is: nobody can only count them.
            let limit = Limit::named(name).filter(|limit| *limit != Limit::HttpTotal);
            let limit = limit.ok_or_else(|| GateError::Observe(name.clone()))?;
            if let Some(place) = is.get_mut(limit.index()) {
                *place = true;
            }
        }
        Ok(Self { is, would_refuse: std::array::from_fn(|_| AtomicU64::new(0)) })
    }

    /// Whether the limit only counts.
    pub(crate) fn is(&self, limit: Limit) -> bool {
        self.is.get(limit.index()).copied().unwrap_or(false)
    }

    /// Whether the limit only counts; if so this was one that it would have refused.
    pub(crate) fn lets_pass(&self, limit: Limit) -> bool {
        let observed = self.is(limit);
        if observed && let Some(count) = self.would_refuse.get(limit.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        observed
    }

    /// How often each limit in observe mode would have rejected, since the start.
    pub(crate) fn rejections(&self) -> Vec<(Limit, u64)> {
        let counts = Limit::ALL.into_iter().zip(&self.would_refuse);
        counts.map(|(limit, count)| (limit, count.load(Ordering::Relaxed))).collect()
    }
}
