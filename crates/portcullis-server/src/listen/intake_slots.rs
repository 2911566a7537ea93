//! The slots of one shard for TCP connections in the HTTP stage.
//! Never: a slot above the limit; each slot is freed on drop.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use portcullis_model::{Denial, Limit};

use crate::admin::metrics::Metrics;

/// The slots of a shard.
pub(crate) struct IntakeSlots {
    used: Cell<usize>,
    max: usize,
    metrics: Arc<Metrics>,
}

impl IntakeSlots {
    pub(crate) fn new(max: usize, metrics: Arc<Metrics>) -> Rc<Self> {
        Rc::new(Self { used: Cell::new(0), max, metrics })
    }

    /// Takes a slot, if one is free.
    pub(crate) fn take(self: &Rc<Self>) -> Option<IntakeSlot> {
        let used = self.used.get();
        if used >= self.max {
            return None;
        }
        self.used.set(used + 1);
        self.metrics.http_open.inc();
        Some(IntakeSlot(Rc::clone(self)))
    }

    /// Whether three quarters of the slots are used.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.used.get() >= self.max / 4 * 3
    }
}

/// One slot; dropping it frees it.
pub(crate) struct IntakeSlot(Rc<IntakeSlots>);

impl IntakeSlot {
    /// The denial when no slot is free.
    pub(crate) const NONE_FREE: Denial =
        Denial::Limit { limit: Limit::HttpTotal, retry_after_ms: 0 };
}

impl Drop for IntakeSlot {
    fn drop(&mut self) {
        self.0.used.set(self.0.used.get().saturating_sub(1));
        self.0.metrics.http_open.dec();
    }
}
