//! Answers gathered from every shard: who was asked, who has answered, who will not.
//! Never: waits for more than it was told to expect, or keeps what comes after the end.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Answers of one question. Memory: the answers, each bounded by the limit for a message.
pub(crate) struct Gather<T> {
    state: Mutex<State<T>>,
    done: Notify,
}

struct State<T> {
    /// Shards that have not yet said whom they asked.
    shards_left: usize,
    /// Answers that may still come.
    open: usize,
    answers: Vec<T>,
    missing: usize,
    closed: bool,
}

impl<T> State<T> {
    fn is_done(&self) -> bool {
        self.shards_left == 0 && self.open == 0
    }
}

impl<T> Gather<T> {
    pub(crate) fn new(shards: usize) -> Arc<Self> {
        let state =
            State { shards_left: shards, open: 0, answers: Vec::new(), missing: 0, closed: false };
        Arc::new(Self { state: Mutex::new(state), done: Notify::new() })
    }

    /// One more will answer; dropping the ticket says it will not.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket<T> {
        self.state.lock().open += 1;
        Ticket { gather: Some(Arc::clone(self)) }
    }

    /// Answers that are there at once.
    pub(crate) fn add(&self, answers: impl IntoIterator<Item = T>) {
        let mut state = self.state.lock();
        if !state.closed {
            state.answers.extend(answers);
        }
    }

    /// One shard has asked everyone it has.
    pub(crate) fn shard_done(&self) {
        let mut state = self.state.lock();
        state.shards_left = state.shards_left.saturating_sub(1);
        self.tell(&state);
    }

    fn tell(&self, state: &State<T>) {
        if state.is_done() {
            self.done.notify_one();
        }
    }

    /// Waits until everyone has answered or never will, at most `limit`.
    ///
    /// Gives the answers, and how many are missing.
    pub(crate) async fn wait(&self, limit: Duration) -> (Vec<T>, usize) {
        let all = async {
            while !self.state.lock().is_done() {
                self.done.notified().await;
            }
        };
        let _late_ones_are_missing = timeout(limit, all).await;
        let mut state = self.state.lock();
        state.closed = true;
        let missing = state.missing + state.open;
        (std::mem::take(&mut state.answers), missing)
    }
}

/// The right to answer once.
pub(crate) struct Ticket<T> {
    gather: Option<Arc<Gather<T>>>,
}

impl<T> Ticket<T> {
    pub(crate) fn answer(mut self, answer: T) {
        let Some(gather) = self.gather.take() else { return };
        let mut state = gather.state.lock();
        state.open = state.open.saturating_sub(1);
        if !state.closed {
            state.answers.push(answer);
        }
        gather.tell(&state);
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        let Some(gather) = self.gather.take() else { return };
        let mut state = gather.state.lock();
        state.open = state.open.saturating_sub(1);
        state.missing += 1;
        gather.tell(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(gather: &Gather<u8>, limit: Duration) -> (Vec<u8>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(gather.wait(limit))
    }

    #[test]
    fn everyone_answers_or_is_missing() {
        let gather = Gather::new(2);
        let (first, second, third) = (gather.ticket(), gather.ticket(), gather.ticket());
        gather.shard_done();
        drop(gather.ticket());
        first.answer(1);
        drop(second);
        gather.shard_done();
        third.answer(3);
        assert_eq!(waited(&gather, Duration::from_secs(60)), (vec![1, 3], 2));
    }

    #[test]
    fn who_is_late_is_missing_and_not_kept() {
        let gather = Gather::new(1);
        let late = gather.ticket();
        gather.shard_done();
        assert_eq!(waited(&gather, Duration::ZERO), (Vec::new(), 1));
        late.answer(7);
        assert!(gather.state.lock().answers.is_empty());
    }

    #[test]
    fn nobody_to_ask_is_an_answer() {
        let gather = Gather::<u8>::new(1);
        gather.shard_done();
        assert_eq!(waited(&gather, Duration::from_secs(60)), (Vec::new(), 0));
    }
}
