//! Queues in which connections and log-ins wait for a slot: bounded, for a short time.
//! Never: a promise; a client that is not called in time is rejected.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_guard::{Gate, LoadState};
use portcullis_model::{Clock, Denial};
use tokio::sync::Notify;

/// The capacity and the timeouts of the admission queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Connections of returning clients.
    pub returning_max: u32,
    /// Connections of unauthenticated clients.
    pub unauthenticated_max: u32,
    /// Log-ins from unknown devices.
    pub logins_max: u32,
    /// The longest wait of returning clients, in ms.
    pub returning_ms: u64,
    /// The longest wait of all other clients, in ms.
    pub others_ms: u64,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            returning_max: 1_000,
            unauthenticated_max: 500,
            logins_max: 200,
            returning_ms: 5_000,
            others_ms: 2_000,
        }
    }
}

/// The most administrators that may wait.
const ADMINS_MAX: u32 = 100;

/// The length and the capacity of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueCount {
    pub(crate) queue: &'static str,
    pub(crate) now: usize,
    pub(crate) max: usize,
}

/// The admission queues of a server, shared by its threads.
pub struct AdmissionQueues {
    /// Whether the server drains: there are no slots any more.
    closed: AtomicBool,
    clock: Arc<dyn Clock>,
    /// For administrators, who have reserved slots.
    pub(crate) admins: AdmissionQueue,
    pub(crate) returning: AdmissionQueue,
    pub(crate) unauthenticated: AdmissionQueue,
    pub(crate) logins: AdmissionQueue,
}

impl AdmissionQueues {
    /// Empty queues.
    #[must_use]
    pub fn new(limits: &QueueLimits, clock: Arc<dyn Clock>) -> Self {
        let QueueLimits { returning_ms, others_ms, .. } = *limits;
        Self {
            closed: AtomicBool::new(false),
            clock,
            admins: AdmissionQueue::new(ADMINS_MAX, returning_ms),
            returning: AdmissionQueue::new(limits.returning_max, returning_ms),
            unauthenticated: AdmissionQueue::new(limits.unauthenticated_max, others_ms),
            logins: AdmissionQueue::new(limits.logins_max, others_ms),
        }
    }

    /// Calls the next client of each queue; a client that gets a slot calls the one behind it.
    pub(crate) fn call(&self, load: LoadState) {
        // A loaded server calls the newest first: clients that have waited long are likely gone.
        let newest_first = load >= LoadState::Elevated;
        self.admins.call();
        self.returning.call();
        for queue in [&self.unauthenticated, &self.logins] {
            queue.newest_first.store(newest_first, Ordering::Relaxed);
            queue.call();
        }
    }

    /// Calls all clients: a server that drains has no slots to wait for.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for queue in [&self.admins, &self.returning, &self.unauthenticated, &self.logins] {
            queue.state.lock().waiting.iter().for_each(|waiter| waiter.called.notify_one());
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The lengths of the queues.
    pub(crate) fn counts(&self) -> [QueueCount; 4] {
        let queues = [
            ("admins", &self.admins),
            ("returning", &self.returning),
            ("unauthenticated", &self.unauthenticated),
            ("logins", &self.logins),
        ];
        queues.map(|(queue, of)| QueueCount {
            queue,
            now: of.state.lock().waiting.len(),
            max: of.max,
        })
    }

    /// Takes the slot of a log-in from an unknown device; waits until one is free.
    ///
    /// # Errors
    /// The denial of the last attempt.
    pub(crate) async fn take_login_slot(&self, gate: &Gate) -> Result<(), Denial> {
        let may_wait = |_: &Denial| gate.load() < LoadState::Critical;
        let mut tried = false;
        let attempt = || match std::mem::replace(&mut tried, true) {
            false => gate.limits().take_login_slot(self.clock.now()),
            true => gate.limits().retry_login_slot(self.clock.now()),
        };
        self.logins.enter(may_wait, attempt).await
    }
}

/// One admission queue.
pub(crate) struct AdmissionQueue {
    state: Mutex<QueueState>,
    newest_first: AtomicBool,
    max: usize,
    timeout: Duration,
}

#[derive(Default)]
struct QueueState {
    /// The oldest first.
    waiting: VecDeque<Arc<Waiter>>,
    /// The denial of the last one of them.
    denial: Option<Denial>,
}

/// A client that waits.
#[derive(Default)]
struct Waiter {
    called: Notify,
    /// Whether a newer client has taken its entry.
    evicted: AtomicBool,
}

/// An entry of a queue; removed on drop.
struct QueueEntry<'q> {
    queue: &'q AdmissionQueue,
    waiter: Arc<Waiter>,
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.waiting.retain(|other| !Arc::ptr_eq(other, &self.waiter));
    }
}

impl AdmissionQueue {
    fn new(max: u32, timeout_ms: u64) -> Self {
        Self {
            state: Mutex::default(),
            newest_first: AtomicBool::new(false),
            max: max as usize,
            timeout: Duration::from_millis(timeout_ms),
        }
    }

    fn is_newest_first(&self) -> bool {
        self.newest_first.load(Ordering::Relaxed)
    }

    fn call(&self) {
        let state = self.state.lock();
        let next =
            if self.is_newest_first() { state.waiting.back() } else { state.waiting.front() };
        if let Some(next) = next {
            next.called.notify_one();
        }
    }

    /// The denial of a new client while others wait before it.
    fn denial_of_waiting(&self) -> Option<Denial> {
        let state = self.state.lock();
        let is_behind = !self.is_newest_first() && !state.waiting.is_empty();
        if is_behind { state.denial.clone() } else { None }
    }

    /// Makes an attempt. If its denial may pass, waits to be called and makes it again.
    ///
    /// Clients are served in the order of their arrival; a loaded server serves the newest first.
    ///
    /// # Errors
    /// The denial of the last attempt.
    pub(crate) async fn enter<T>(
        &self,
        may_wait: impl Fn(&Denial) -> bool,
        mut attempt: impl FnMut() -> Result<T, Denial>,
    ) -> Result<T, Denial> {
        let mut denial = match self.denial_of_waiting() {
            Some(denial) => denial,
            None => match attempt() {
                Err(denial) if may_wait(&denial) => denial,
                outcome => return outcome,
            },
        };
        let Some(entry) = self.add(&denial) else { return Err(denial) };
        let deadline = tokio::time::sleep(self.timeout);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                () = entry.waiter.called.notified() => {}
                () = &mut deadline => return Err(denial),
            }
            if entry.waiter.evicted.load(Ordering::Relaxed) {
                return Err(denial);
            }
            match attempt() {
                Err(again) if may_wait(&again) => denial = again,
                outcome => {
                    drop(entry);
                    if outcome.is_ok() {
                        self.call();
                    }
                    return outcome;
                }
            }
        }
    }

    /// Adds an entry at the end of the queue, if there is space.
    fn add(&self, denial: &Denial) -> Option<QueueEntry<'_>> {
        let mut state = self.state.lock();
        if state.waiting.len() >= self.max {
            let oldest =
                if self.is_newest_first() { state.waiting.pop_front()? } else { return None };
            oldest.evicted.store(true, Ordering::Relaxed);
            oldest.called.notify_one();
        }
        let waiter = Arc::new(Waiter::default());
        state.waiting.push_back(Arc::clone(&waiter));
        state.denial = Some(denial.clone());
        Some(QueueEntry { queue: self, waiter })
    }
}

#[cfg(test)]
mod tests;
