//! Acknowledgements that the server awaits from one client.
//! Never: more of them than the limit, or one accepted from another namespace.

use std::cell::{OnceCell, RefCell};

use portcullis_model::limits::ACKS_PENDING_MAX;
use portcullis_model::{Namespace, Now};

use crate::delivery::collector::ResponseSlot;
use crate::delivery::operation::AckResponse;

struct PendingAck {
    id: u64,
    namespace: Namespace,
    until_ms: u64,
    slot: ResponseSlot<AckResponse>,
}

#[derive(Default)]
struct AckState {
    pending: Vec<PendingAck>,
    /// The highest id that was sent; ids grow.
    highest: u64,
}

/// The acknowledgements that one connection owes. Memory: 8 bytes before the first one.
#[derive(Default)]
pub(crate) struct PendingAcks {
    state: OnceCell<Box<RefCell<AckState>>>,
}

impl PendingAcks {
    /// Expects an acknowledgement. Returns false at the limit; the slot is then dropped, which
    /// counts as a missing response.
    pub(crate) fn expect(
        &self,
        id: u64,
        namespace: Namespace,
        slot: ResponseSlot<AckResponse>,
        now: Now,
        timeout_ms: u64,
    ) -> bool {
        let mut state = self.state.get_or_init(Box::default).borrow_mut();
        state.highest = state.highest.max(id);
        state.pending.retain(|ack| ack.until_ms > now.monotonic_ms);
        if state.pending.len() >= ACKS_PENDING_MAX {
            return false;
        }
        let until_ms = now.monotonic_ms.saturating_add(timeout_ms);
        state.pending.push(PendingAck { id, namespace, until_ms, slot });
        true
    }

    /// Whether an event with this id may have been sent: a late acknowledgement is valid input.
    pub(crate) fn may_be_known(&self, id: u64) -> bool {
        let highest = self.state.get().map_or(0, |state| state.borrow().highest);
        (1..=highest).contains(&id)
    }

    /// Takes the slot of an acknowledgement that is pending in this namespace.
    pub(crate) fn take(&self, id: u64, namespace: &str) -> Option<ResponseSlot<AckResponse>> {
        let pending = &mut self.state.get()?.borrow_mut().pending;
        let is_same = |ack: &PendingAck| ack.id == id && ack.namespace.as_str() == namespace;
        let at = pending.iter().position(is_same)?;
        Some(pending.swap_remove(at).slot)
    }

    /// Drops the pending acknowledgements of a namespace.
    pub(crate) fn cancel(&self, namespace: &Namespace) {
        if let Some(state) = self.state.get() {
            state.borrow_mut().pending.retain(|ack| ack.namespace != *namespace);
        }
    }

    /// Drops all pending acknowledgements.
    pub(crate) fn cancel_all(&self) {
        let pending = self.state.get().map(|state| std::mem::take(&mut state.borrow_mut().pending));
        drop(pending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::collector::ResponseCollector;

    #[test]
    fn t_198_acknowledgement_counts_once_and_in_its_namespace() {
        let collector = ResponseCollector::<AckResponse>::new(1);
        let acks = PendingAcks::default();
        let other = Namespace::parse("/other").unwrap();
        let now = Now::default();
        assert!(acks.expect(1, Namespace::MAIN, collector.expect_one(), now, 100));
        assert!(acks.expect(2, other.clone(), collector.expect_one(), now, 100));
        assert!(acks.take(1, "/other").is_none() && acks.take(3, "/").is_none());
        assert!(acks.take(1, "/").is_some());
        assert!(acks.take(1, "/").is_none(), "a second acknowledgement is not pending");
        assert!(acks.may_be_known(2) && !acks.may_be_known(3) && !acks.may_be_known(0));
        acks.cancel(&other);
        assert!(acks.take(2, "/other").is_none());
    }

    #[test]
    fn full_list_rejects_acknowledgements_until_old_ones_expire() {
        let collector = ResponseCollector::<AckResponse>::new(1);
        let acks = PendingAcks::default();
        let at = |monotonic_ms| Now { monotonic_ms, ..Now::default() };
        for id in 0..ACKS_PENDING_MAX as u64 {
            assert!(acks.expect(id, Namespace::MAIN, collector.expect_one(), at(0), 100));
        }
        assert!(!acks.expect(99, Namespace::MAIN, collector.expect_one(), at(99), 100));
        assert!(acks.expect(99, Namespace::MAIN, collector.expect_one(), at(100), 100));
        assert!(acks.take(0, "/").is_none());
    }
}
