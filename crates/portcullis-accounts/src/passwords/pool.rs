//! A few threads that hash passwords, behind a short queue.
//! Never: a hash on a thread that carries connections, or a queue that grows.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use portcullis_model::{Denial, Secret};
use tokio::sync::oneshot;

use crate::passwords::password::{Password, PasswordHashing, PasswordMatch};
use crate::passwords::policy::PasswordPolicy;

/// Hashes that may wait, in each lane.
pub const QUEUE_MAX: usize = 64;

/// Who asks. Those who are known are served first, so that strangers keep nobody waiting but
/// strangers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordLane {
    /// Whoever is signed in, or shows a device this account has logged in from.
    Known,
    /// Anybody: log-ins from unknown devices, registrations.
    Strangers,
}

/// What a worker is asked, and where the answer goes.
enum Job {
    Hash { password: Password, salt: [u8; 16], reply: oneshot::Sender<Hashed> },
    Verify { password: Password, stored: Secret<String>, reply: oneshot::Sender<PasswordMatch> },
    CheckNew { password: Password, username: String, reply: oneshot::Sender<Result<(), Denial>> },
}

type Hashed = Result<Secret<String>, Denial>;

/// The way to the hashing threads.
///
/// Worst-case memory: 19 MiB a thread, and about 2 KiB for each of the 64 that may wait in a lane.
/// The threads end when the last handle is dropped.
#[derive(Clone)]
pub struct PasswordPool(Arc<Handle>);

/// Ends the threads when it is dropped.
struct Handle(Arc<Jobs>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lanes.lock().closed = true;
        self.0.more.notify_all();
    }
}

/// What waits for a thread.
#[derive(Default)]
struct Jobs {
    lanes: Mutex<Lanes>,
    more: Condvar,
}

#[derive(Default)]
struct Lanes {
    known: VecDeque<Job>,
    strangers: VecDeque<Job>,
    closed: bool,
}

impl Lanes {
    fn of(&mut self, lane: PasswordLane) -> &mut VecDeque<Job> {
        match lane {
            PasswordLane::Known => &mut self.known,
            PasswordLane::Strangers => &mut self.strangers,
        }
    }
}

impl Jobs {
    /// The next job; `None` when nobody will ask any more.
    fn next(&self) -> Option<Job> {
        let mut lanes = self.lanes.lock();
        loop {
            let next = lanes.known.pop_front().or_else(|| lanes.strangers.pop_front());
            if next.is_some() || lanes.closed {
                return next;
            }
            self.more.wait(&mut lanes);
        }
    }
}

impl PasswordPool {
    /// All cores but one, so that connections are served while passwords are guessed.
    #[must_use]
    pub fn threads_default() -> usize {
        thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1).max(1)
    }

    /// Starts the threads, at least one.
    ///
    /// # Errors
    /// What the system said when it refused a thread.
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
                    answer(&hashing, &policy, job);
                }
            })?;
        }
        Ok(pool)
    }

    fn without_threads() -> Self {
        Self(Arc::new(Handle(Arc::default())))
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the lane is full, [`Denial::Internal`] when no thread answers.
    pub async fn hash(&self, lane: PasswordLane, password: Password, salt: [u8; 16]) -> Hashed {
        let (reply, answer) = oneshot::channel();
        self.ask(lane, Job::Hash { password, salt, reply })?;
        answer.await.map_err(|_| Denial::Internal("password_pool"))?
    }

    /// Checks a password against a stored hash.
    ///
    /// # Errors
    /// As for [`PasswordPool::hash`].
    pub async fn verify(
        &self,
        lane: PasswordLane,
        password: Password,
        stored: Secret<String>,
    ) -> Result<PasswordMatch, Denial> {
        let (reply, answer) = oneshot::channel();
        self.ask(lane, Job::Verify { password, stored, reply })?;
        answer.await.map_err(|_| Denial::Internal("password_pool"))
    }

    /// Checks what a new password may not be, which takes longer than a connection's turn.
    ///
    /// # Errors
    /// [`Denial::PasswordWeak`], or as for [`PasswordPool::hash`].
    pub async fn check_new(
        &self,
        lane: PasswordLane,
        password: Password,
        username: &str,
    ) -> Result<(), Denial> {
        let (reply, answer) = oneshot::channel();
        self.ask(lane, Job::CheckNew { password, username: String::from(username), reply })?;
        answer.await.map_err(|_| Denial::Internal("password_pool"))?
    }

    /// How many wait in a lane.
    #[must_use]
    pub fn waiting(&self, lane: PasswordLane) -> usize {
        self.0.0.lanes.lock().of(lane).len()
    }

    fn ask(&self, lane: PasswordLane, job: Job) -> Result<(), Denial> {
        let jobs = &self.0.0;
        let mut lanes = jobs.lanes.lock();
        let waiting = lanes.of(lane);
        if waiting.len() >= QUEUE_MAX {
            // Who has gone meanwhile keeps nobody out.
            waiting.retain(|job| !job.is_abandoned());
        }
        if waiting.len() >= QUEUE_MAX {
            return Err(Denial::Busy);
        }
        waiting.push_back(job);
        drop(lanes);
        jobs.more.notify_one();
        Ok(())
    }
}

impl Job {
    /// Whether whoever asked has gone.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { reply, .. } => reply.is_closed(),
            Self::Verify { reply, .. } => reply.is_closed(),
            Self::CheckNew { reply, .. } => reply.is_closed(),
        }
    }
}

/// Does a job, unless whoever asked has gone: an abandoned request costs no hash.
fn answer(hashing: &PasswordHashing, policy: &PasswordPolicy, job: Job) {
    if job.is_abandoned() {
        return;
    }
    match job {
        Job::CheckNew { password, username, reply } => {
            let checked = policy.check(&password, &username);
            let _gone = reply.send(checked.map_err(Denial::PasswordWeak));
        }
        Job::Hash { password, salt, reply } => {
            let _gone = reply.send(hashing.hash(&password, &salt));
        }
        Job::Verify { password, stored, reply } => {
            let _gone = reply.send(hashing.verify(&password, &stored));
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

    use PasswordLane::{Known, Strangers};

    #[tokio::test]
    async fn what_is_hashed_verifies() {
        let pool = PasswordPool::start(&PasswordHashing::for_tests(), &Arc::default(), 2).unwrap();
        let stored = pool.hash(Strangers, password(), [3; 16]).await.unwrap();
        let same = pool.verify(Known, password(), stored.clone()).await;
        assert_eq!(same, Ok(PasswordMatch::Yes));
        let other = Password::new(String::from("other"));
        let wrong = pool.verify(Strangers, other, stored).await;
        assert_eq!(wrong, Ok(PasswordMatch::No));
    }

    #[test]
    fn a_full_lane_refuses_at_once_and_keeps_nobody_out_of_the_other() {
        let pool = PasswordPool::without_threads();
        let mut context = Context::from_waker(Waker::noop());
        let mut ask = |lane| {
            let mut asked = Box::pin(pool.hash(lane, password(), [0; 16]));
            match asked.as_mut().poll(&mut context) {
                Poll::Pending => Ok(asked),
                Poll::Ready(outcome) => Err(outcome.err()),
            }
        };
        let mut waiting: Vec<_> = (0..QUEUE_MAX).map(|_| ask(Strangers).ok()).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert_eq!(ask(Strangers).err(), Some(Some(Denial::Busy)));
        let known = ask(Known).ok();
        assert!(known.is_some());
        assert_eq!((pool.waiting(Strangers), pool.waiting(Known)), (QUEUE_MAX, 1));
        // One of them has gone: there is room for another, and its work is skipped.
        waiting.pop();
        let another = ask(Strangers).ok();
        assert!(another.is_some());
        assert_eq!(pool.waiting(Strangers), QUEUE_MAX);
        // Who is known comes first, however long the others have waited.
        drop(known);
        let jobs = &pool.0.0;
        assert!(jobs.next().is_some_and(|job| job.is_abandoned()));
        assert!(jobs.next().is_some_and(|job| !job.is_abandoned()));
    }

    #[test]
    fn threads_end_with_the_last_handle() {
        let pool = PasswordPool::without_threads();
        let jobs = Arc::clone(&pool.0.0);
        let worker = thread::spawn(move || jobs.next().is_none());
        drop(pool);
        assert!(worker.join().unwrap());
    }
}
