//! Responses collected from every shard: which are expected, received and missing.
//! Never: a response that arrives after the wait has ended.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The responses to one request. Memory: each response is bounded by the limit of a message.
pub(crate) struct ResponseCollector<T> {
    state: Mutex<CollectorState<T>>,
    done: Notify,
}

struct CollectorState<T> {
    /// Shards that have not yet reported how many responses they expect.
    shards_left: usize,
    /// Responses that are still expected.
    expected: usize,
    responses: Vec<T>,
    missing: usize,
    closed: bool,
}

impl<T> CollectorState<T> {
    fn is_done(&self) -> bool {
        self.shards_left == 0 && self.expected == 0
    }
}

impl<T> ResponseCollector<T> {
    pub(crate) fn new(shards: usize) -> Arc<Self> {
        let state = CollectorState {
            shards_left: shards,
            expected: 0,
            responses: Vec::new(),
            missing: 0,
            closed: false,
        };
        Arc::new(Self { state: Mutex::new(state), done: Notify::new() })
    }

    /// Expects one more response; a dropped slot counts as a missing response.
    pub(crate) fn expect_one(self: &Arc<Self>) -> ResponseSlot<T> {
        self.state.lock().expected += 1;
        ResponseSlot { collector: Some(Arc::clone(self)) }
    }

    /// Adds responses that are available at once.
    pub(crate) fn add(&self, responses: impl IntoIterator<Item = T>) {
        let mut state = self.state.lock();
        if !state.closed {
            state.responses.extend(responses);
        }
    }

    /// Records that one shard expects no further responses.
    pub(crate) fn shard_done(&self) {
        let mut state = self.state.lock();
        state.shards_left = state.shards_left.saturating_sub(1);
        self.notify(&state);
    }

    fn notify(&self, state: &CollectorState<T>) {
        if state.is_done() {
            self.done.notify_one();
        }
    }

    /// Waits for all responses, for `limit` at most.
    ///
    /// Returns the responses and the number of missing ones.
    pub(crate) async fn wait(&self, limit: Duration) -> (Vec<T>, usize) {
        let all = async {
            while !self.state.lock().is_done() {
                self.done.notified().await;
            }
        };
        let _late_ones_are_missing = timeout(limit, all).await;
        let mut state = self.state.lock();
        state.closed = true;
        let missing = state.missing + state.expected;
        (std::mem::take(&mut state.responses), missing)
    }
}

/// The right to send one response.
pub(crate) struct ResponseSlot<T> {
    collector: Option<Arc<ResponseCollector<T>>>,
}

impl<T> ResponseSlot<T> {
    pub(crate) fn send(mut self, response: T) {
        let Some(collector) = self.collector.take() else { return };
        let mut state = collector.state.lock();
        state.expected = state.expected.saturating_sub(1);
        if !state.closed {
            state.responses.push(response);
        }
        collector.notify(&state);
    }
}

impl<T> Drop for ResponseSlot<T> {
    fn drop(&mut self) {
        let Some(collector) = self.collector.take() else { return };
        let mut state = collector.state.lock();
        state.expected = state.expected.saturating_sub(1);
        state.missing += 1;
        collector.notify(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(collector: &ResponseCollector<u8>, limit: Duration) -> (Vec<u8>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(collector.wait(limit))
    }

    #[test]
    fn every_expected_response_is_received_or_missing() {
        let collector = ResponseCollector::new(2);
        let (first, second, third) =
            (collector.expect_one(), collector.expect_one(), collector.expect_one());
        collector.shard_done();
        drop(collector.expect_one());
        first.send(1);
        drop(second);
        collector.shard_done();
        third.send(3);
        assert_eq!(wait(&collector, Duration::from_secs(60)), (vec![1, 3], 2));
    }

    #[test]
    fn late_response_is_missing_and_not_kept() {
        let collector = ResponseCollector::new(1);
        let late = collector.expect_one();
        collector.shard_done();
        assert_eq!(wait(&collector, Duration::ZERO), (Vec::new(), 1));
        late.send(7);
        assert!(collector.state.lock().responses.is_empty());
    }

    #[test]
    fn request_without_recipients_ends_at_once() {
        let collector = ResponseCollector::<u8>::new(1);
        collector.shard_done();
        assert_eq!(wait(&collector, Duration::from_secs(60)), (Vec::new(), 0));
    }
}
