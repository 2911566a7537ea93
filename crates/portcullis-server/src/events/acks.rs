//! Questions the server has asked one client and that are not answered yet.
//! Never: more of them than the limit, or an answer taken from another namespace.

use std::cell::{OnceCell, RefCell};

use portcullis_model::limits::ACKS_PENDING_MAX;
use portcullis_model::{Namespace, Now};

use crate::delivery::broadcast::Answered;
use crate::delivery::gather::Ticket;

struct Pending {
    id: u64,
    namespace: Namespace,
    until_ms: u64,
    ticket: Ticket<Answered>,
}

/// The questions one connection was ever asked.
#[derive(Default)]
struct Asked {
    pending: Vec<Pending>,
    /// The highest id; ids grow.
    highest: u64,
}

/// The open questions of one connection; 8 bytes before the first.
#[derive(Default)]
pub(crate) struct Acks {
    asked: OnceCell<Box<RefCell<Asked>>>,
}

impl Acks {
    /// Opens a question; with too many open ones its ticket is dropped, which counts as missing.
    pub(crate) fn open(
        &self,
        id: u64,
        namespace: Namespace,
        ticket: Ticket<Answered>,
        now: Now,
        timeout_ms: u64,
    ) -> bool {
        let mut asked = self.asked.get_or_init(Box::default).borrow_mut();
        asked.highest = asked.highest.max(id);
        asked.pending.retain(|one| one.until_ms > now.monotonic_ms);
        if asked.pending.len() >= ACKS_PENDING_MAX {
            return false;
        }
        let until_ms = now.monotonic_ms.saturating_add(timeout_ms);
        asked.pending.push(Pending { id, namespace, until_ms, ticket });
        true
    }

    /// Whether a question of this id may have been asked: an answer may come too late, not before.
    pub(crate) fn may_have_asked(&self, id: u64) -> bool {
        let highest = self.asked.get().map_or(0, |asked| asked.borrow().highest);
        (1..=highest).contains(&id)
    }

    /// The ticket of a question, if it is open and was asked in this namespace; once.
    pub(crate) fn take(&self, id: u64, namespace: &str) -> Option<Ticket<Answered>> {
        let pending = &mut self.asked.get()?.borrow_mut().pending;
        let same = |one: &Pending| one.id == id && one.namespace.as_str() == namespace;
        let at = pending.iter().position(same)?;
        Some(pending.swap_remove(at).ticket)
    }

    /// Gives up the questions of a namespace.
    pub(crate) fn give_up(&self, namespace: &Namespace) {
        if let Some(asked) = self.asked.get() {
            asked.borrow_mut().pending.retain(|one| one.namespace != *namespace);
        }
    }

    /// Gives up every question.
    pub(crate) fn give_up_all(&self) {
        let pending = self.asked.get().map(|asked| std::mem::take(&mut asked.borrow_mut().pending));
        drop(pending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::gather::Gather;

    #[test]
    fn t_198_an_answer_counts_once_and_where_it_was_asked() {
        let gather = Gather::<Answered>::new(1);
        let acks = Acks::default();
        let other = Namespace::parse("/other").unwrap();
        let now = Now::default();
        assert!(acks.open(1, Namespace::MAIN, gather.ticket(), now, 100));
        assert!(acks.open(2, other.clone(), gather.ticket(), now, 100));
        assert!(acks.take(1, "/other").is_none() && acks.take(3, "/").is_none());
        assert!(acks.take(1, "/").is_some());
        assert!(acks.take(1, "/").is_none(), "a second answer is nobody's");
        assert!(acks.may_have_asked(2) && !acks.may_have_asked(3) && !acks.may_have_asked(0));
        acks.give_up(&other);
        assert!(acks.take(2, "/other").is_none());
    }

    #[test]
    fn questions_are_bounded_and_old_ones_make_room() {
        let gather = Gather::<Answered>::new(1);
        let acks = Acks::default();
        let at = |monotonic_ms| Now { monotonic_ms, ..Now::default() };
        for id in 0..ACKS_PENDING_MAX as u64 {
            assert!(acks.open(id, Namespace::MAIN, gather.ticket(), at(0), 100));
        }
        assert!(!acks.open(99, Namespace::MAIN, gather.ticket(), at(99), 100));
        assert!(acks.open(99, Namespace::MAIN, gather.ticket(), at(100), 100));
        assert!(acks.take(0, "/").is_none());
    }
}
