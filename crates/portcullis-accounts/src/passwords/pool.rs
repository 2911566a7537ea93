//! The threads that hash passwords, with two bounded queues.
//! Never: a hash on a thread that serves connections, or an unbounded queue.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use portcullis_model::{Denial, Secret};
use tokio::sync::oneshot;

use super::hashing::{PasswordHashing, PasswordMatch};
use super::password::Password;
use super::policy::PasswordPolicy;

/// Most requests that wait in a queue.
pub const QUEUE_MAX: usize = 64;

/// The queue of a request. Returning clients are served first, so a flood of unauthenticated
/// clients does not delay them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordQueue {
    /// Clients that are signed in, or use a known device of the account.
    Returning,
    /// All other clients: logins from unknown devices, registrations.
    Unauthenticated,
}

/// A request to a thread, with the channel for the reply.
enum HashJob {
    Hash { password: Password, salt: [u8; 16], reply: oneshot::Sender<HashResult> },
    Verify { password: Password, stored: Secret<String>, reply: oneshot::Sender<PasswordMatch> },
    CheckNew { password: Password, username: String, reply: oneshot::Sender<Result<(), Denial>> },
}

type HashResult = Result<Secret<String>, Denial>;

/// A handle to the hashing threads.
///
/// Worst-case memory: 19 MiB a thread, and about 2 KiB for each of the 64 requests in a queue.
/// The threads end when the last handle is dropped.
#[derive(Clone)]
pub struct PasswordPool(Arc<PoolHandle>);

/// Ends the threads when it is dropped.
struct PoolHandle(Arc<JobQueues>);

impl Drop for PoolHandle {
    fn drop(&mut self) {
        self.0.queues.lock().closed = true;
        self.0.wake.notify_all();
    }
}

/// The requests that wait for a thread.
#[derive(Default)]
struct JobQueues {
    queues: Mutex<Queues>,
    wake: Condvar,
}

#[derive(Default)]
struct Queues {
    returning: VecDeque<HashJob>,
    unauthenticated: VecDeque<HashJob>,
    closed: bool,
}

impl Queues {
    fn of(&mut self, queue: PasswordQueue) -> &mut VecDeque<HashJob> {
        match queue {
            PasswordQueue::Returning => &mut self.returning,
            PasswordQueue::Unauthenticated => &mut self.unauthenticated,
        }
    }
}

impl JobQueues {
    /// Waits for the next request; `None` after the last handle was dropped.
    fn next(&self) -> Option<HashJob> {
        let mut queues = self.queues.lock();
        loop {
            let returning = queues.returning.pop_front();
            let next = returning.or_else(|| queues.unauthenticated.pop_front());
            if next.is_some() || queues.closed {
                return next;
            }
            self.wake.wait(&mut queues);
        }
    }
}

impl PasswordPool {
    /// All cores but one, so that connections are served while attackers guess passwords.
    #[must_use]
    pub fn threads_default() -> usize {
        thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1).max(1)
    }

    /// Starts the threads, at least one.
    ///
    /// # Errors
    /// The error of the system when it cannot start a thread.
    pub fn start(
        hashing: &PasswordHashing,
        policy: &Arc<PasswordPolicy>,
        threads: usize,
    ) -> std::io::Result<Self> {
        let pool = Self::without_threads();
        for number in 0..threads.max(1) {
            let (hashing, policy) = (hashing.clone(), Arc::clone(policy));
            let jobs = Arc::clone(&pool.0.0);
            thread::Builder::new().name(format!("password-{number}")).spawn(move || {
                while let Some(job) = jobs.next() {
                    run(&hashing, &policy, job);
                }
            })?;
        }
        Ok(pool)
    }

    fn without_threads() -> Self {
        Self(Arc::new(PoolHandle(Arc::default())))
    }

    /// A pool that is busy: the queue of unauthenticated clients is full as long as the other
    /// value exists.
    #[cfg(test)]
    pub(crate) fn busy() -> (Self, impl Sized) {
        let pool = Self::without_threads();
        let request = |_| {
            let (reply, result) = oneshot::channel();
            let password = Password::new(String::from("kLq9#vw2"));
            pool.enqueue(
                PasswordQueue::Unauthenticated,
                HashJob::Hash { password, salt: [0; 16], reply },
            )
            .expect("space in the queue");
            result
        };
        let waiting: Vec<_> = (0..QUEUE_MAX).map(request).collect();
        (pool, waiting)
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue is full, [`Denial::Internal`] when no thread replies.
    pub async fn hash(
        &self,
        queue: PasswordQueue,
        password: Password,
        salt: [u8; 16],
    ) -> HashResult {
        let (reply, result) = oneshot::channel();
        self.enqueue(queue, HashJob::Hash { password, salt, reply })?;
        result.await.map_err(|_| Denial::Internal("password_pool"))?
    }

    /// Verifies a password against a stored hash.
    ///
    /// # Errors
    /// As for [`PasswordPool::hash`].
    pub async fn verify(
        &self,
        queue: PasswordQueue,
        password: Password,
        stored: Secret<String>,
    ) -> Result<PasswordMatch, Denial> {
        let (reply, result) = oneshot::channel();
        self.enqueue(queue, HashJob::Verify { password, stored, reply })?;
        result.await.map_err(|_| Denial::Internal("password_pool"))
    }

    /// Checks a new password against the rules, which takes too long for a connection thread.
    ///
    /// # Errors
    /// [`Denial::PasswordWeak`], or as for [`PasswordPool::hash`].
    pub async fn check_new(
        &self,
        queue: PasswordQueue,
        password: Password,
        username: &str,
    ) -> Result<(), Denial> {
        let (reply, result) = oneshot::channel();
        self.enqueue(
            queue,
            HashJob::CheckNew { password, username: String::from(username), reply },
        )?;
        result.await.map_err(|_| Denial::Internal("password_pool"))?
    }

    /// How many requests wait in a queue.
    #[must_use]
    pub fn waiting(&self, queue: PasswordQueue) -> usize {
        self.0.0.queues.lock().of(queue).len()
    }

    fn enqueue(&self, queue: PasswordQueue, job: HashJob) -> Result<(), Denial> {
        let jobs = &self.0.0;
        let mut queues = jobs.queues.lock();
        let waiting = queues.of(queue);
        if waiting.len() >= QUEUE_MAX {
            // Requests of clients that have disconnected make space.
            waiting.retain(|job| !job.is_abandoned());
        }
        if waiting.len() >= QUEUE_MAX {
            return Err(Denial::Busy);
        }
        waiting.push_back(job);
        drop(queues);
        jobs.wake.notify_one();
        Ok(())
    }
}

impl HashJob {
    /// Whether the client has disconnected.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { reply, .. } => reply.is_closed(),
            Self::Verify { reply, .. } => reply.is_closed(),
            Self::CheckNew { reply, .. } => reply.is_closed(),
        }
    }
}

/// Runs a request, unless its client has disconnected: an abandoned request costs no hash.
fn run(hashing: &PasswordHashing, policy: &PasswordPolicy, job: HashJob) {
    if job.is_abandoned() {
        return;
    }
    match job {
        HashJob::CheckNew { password, username, reply } => {
            let checked = policy.check(&password, &username);
            let _disconnected = reply.send(checked.map_err(Denial::PasswordWeak));
        }
        HashJob::Hash { password, salt, reply } => {
            let _disconnected = reply.send(hashing.hash(&password, &salt));
        }
        HashJob::Verify { password, stored, reply } => {
            let _disconnected = reply.send(hashing.verify(&password, &stored));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn password() -> Password {
        Password::new(String::from("kLq9#vw2"))
    }

    use PasswordQueue::{Returning, Unauthenticated};

    #[tokio::test]
    async fn hashed_password_verifies() {
        let pool = PasswordPool::start(&PasswordHashing::for_tests(), &Arc::default(), 2).unwrap();
        let stored = pool.hash(Unauthenticated, password(), [3; 16]).await.unwrap();
        let same = pool.verify(Returning, password(), stored.clone()).await;
        assert_eq!(same, Ok(PasswordMatch::Yes));
        let other = Password::new(String::from("other"));
        let wrong = pool.verify(Unauthenticated, other, stored).await;
        assert_eq!(wrong, Ok(PasswordMatch::No));
    }

    #[test]
    fn full_queue_rejects_at_once_and_leaves_the_other_queue_open() {
        let pool = PasswordPool::without_threads();
        let mut context = Context::from_waker(Waker::noop());
        let mut enqueue = |queue| {
            let mut request = Box::pin(pool.hash(queue, password(), [0; 16]));
            match request.as_mut().poll(&mut context) {
                Poll::Pending => Ok(request),
                Poll::Ready(outcome) => Err(outcome.err()),
            }
        };
        let mut waiting: Vec<_> = (0..QUEUE_MAX).map(|_| enqueue(Unauthenticated).ok()).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert_eq!(enqueue(Unauthenticated).err(), Some(Some(Denial::Busy)));
        let returning = enqueue(Returning).ok();
        assert!(returning.is_some());
        assert_eq!((pool.waiting(Unauthenticated), pool.waiting(Returning)), (QUEUE_MAX, 1));
        // One client has disconnected: there is space for another, and its request is skipped.
        waiting.pop();
        let another = enqueue(Unauthenticated).ok();
        assert!(another.is_some());
        assert_eq!(pool.waiting(Unauthenticated), QUEUE_MAX);
        // The returning client is served first, however long the others have waited.
        drop(returning);
        let jobs = &pool.0.0;
        assert!(jobs.next().is_some_and(|job| job.is_abandoned()));
        assert!(jobs.next().is_some_and(|job| !job.is_abandoned()));
    }

    #[test]
    fn threads_end_when_the_last_handle_is_dropped() {
        let pool = PasswordPool::without_threads();
        let jobs = Arc::clone(&pool.0.0);
        let worker = thread::spawn(move || jobs.next().is_none());
        drop(pool);
        assert!(worker.join().unwrap());
    }
}
