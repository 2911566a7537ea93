//! The deadline of the request that runs on this thread.
//! Never: waits; callers compare the deadline with the clock.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::clock::Moment;

thread_local! {
    static CURRENT: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// When a request must be answered.
///
/// The server sets it once for each request ([`Deadline::scope`]). Everything the request waits
/// for reads it with [`Deadline::current`], so that no part waits longer than the whole. A task
/// that the request starts gets it by [`Deadline::inherit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    at: Moment,
    accepted: Moment,
}

impl Deadline {
    /// A deadline after this time.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        let now = Moment::now();
        Self::of_request(now, now.plus(time))
    }

    /// The deadline of a request that was accepted at an earlier moment.
    #[must_use]
    pub fn of_request(accepted: Moment, at: Moment) -> Self {
        Self { at, accepted }
    }

    /// The time at which the request was accepted.
    #[must_use]
    pub fn accepted(self) -> Moment {
        self.accepted
    }

    /// The deadline of the request that is polled on this thread; `None` outside of requests.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// The time left; zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.at.since(Moment::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Runs `work` with this as the current deadline.
    pub fn enter<A>(self, work: impl FnOnce() -> A) -> A {
        within(Some(self), work)
    }

    /// Polls a future with this as the current deadline.
    pub fn scope<F: Future>(self, future: F) -> DeadlineFuture<F> {
        DeadlineFuture { deadline: Some(self), future: Box::pin(future) }
    }

    /// Polls a future with the current deadline, also in a separate task.
    pub fn inherit<F: Future>(future: F) -> DeadlineFuture<F> {
        DeadlineFuture { deadline: Self::current(), future: Box::pin(future) }
    }
}

fn within<A>(deadline: Option<Deadline>, work: impl FnOnce() -> A) -> A {
    /// Restores the outer deadline, also when `work` panics.
    struct Restore(Option<Deadline>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(deadline));
    work()
}

/// A future that is polled with a deadline.
#[derive(Debug)]
pub struct DeadlineFuture<F> {
    deadline: Option<Deadline>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for DeadlineFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let future = this.future.as_mut();
        within(this.deadline, || future.poll(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn deadline_is_current_only_while_its_future_is_polled() {
        let deadline = Deadline::after(Duration::from_secs(60));
        let mut scoped = deadline.scope(std::future::poll_fn(|_| Poll::Ready(Deadline::current())));
        assert_eq!(Deadline::current(), None);
        assert_eq!(poll_once(&mut scoped), Poll::Ready(Some(deadline)));
        assert_eq!(Deadline::current(), None);
    }

    #[test]
    fn inherited_deadline_goes_with_the_future() {
        let deadline = Deadline::after(Duration::from_secs(60));
        let read = || std::future::poll_fn(|_| Poll::Ready(Deadline::current()));
        let mut inherited = deadline.enter(|| Deadline::inherit(read()));
        assert_eq!(poll_once(&mut inherited), Poll::Ready(Some(deadline)));
        assert_eq!(poll_once(&mut Deadline::inherit(read())), Poll::Ready(None));
    }

    #[test]
    fn panic_restores_the_outer_deadline() {
        let outer = Deadline::after(Duration::from_secs(60));
        outer.enter(|| {
            let inner = Deadline::after(Duration::from_secs(1));
            let panicked = std::panic::catch_unwind(|| inner.enter(|| panic!("planned")));
            assert!(panicked.is_err());
            assert_eq!(Deadline::current(), Some(outer));
        });
    }

    #[test]
    fn passed_deadline_leaves_no_time() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.has_passed() && deadline.remaining().is_zero());
        let later = Deadline::after(Duration::from_secs(60));
        assert!(!later.has_passed() && later > deadline);
    }
}
