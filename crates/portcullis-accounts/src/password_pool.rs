//! A few threads that hash passwords, behind a short queue.
//! Never: a hash on a thread that carries connections, or a queue that grows.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use portcullis_model::{Denial, Secret};
use tokio::sync::oneshot;

use crate::password::{Password, PasswordHashing};

/// Hashes that may wait.
pub const QUEUE_MAX: usize = 64;

/// What a worker is asked, and where the answer goes.
enum Job {
    Hash { password: Password, salt: [u8; 16], reply: oneshot::Sender<Hashed> },
    Verify { password: Password, stored: Secret<String>, reply: oneshot::Sender<bool> },
    CheckNew { password: Password, username: String, reply: oneshot::Sender<Result<(), Denial>> },
}

type Hashed = Result<Secret<String>, Denial>;

/// The way to the hashing threads.
///
/// Worst-case memory: 19 MiB a thread, and about 2 KiB for each of the 64 that may wait. The
/// threads end when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct PasswordPool {
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
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
    pub fn start(hashing: &PasswordHashing, threads: usize) -> std::io::Result<Self> {
        let (pool, jobs) = Self::queue(QUEUE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads.max(1) {
            let (hashing, jobs) = (hashing.clone(), Arc::clone(&jobs));
            let waiting = Arc::clone(&pool.waiting);
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(&hashing, &jobs, &waiting))?;
        }
        Ok(pool)
    }

    fn queue(waiting_max: usize) -> (Self, Receiver<Job>) {
        let (jobs, queue) = sync_channel(waiting_max);
        (Self { jobs, waiting: Arc::default() }, queue)
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue is full, [`Denial::Internal`] when no thread is left.
    pub async fn hash(&self, password: Password, salt: [u8; 16]) -> Hashed {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Hash { password, salt, reply })?;
        answer.await.map_err(|_| Denial::Internal("password_pool"))?
    }

    /// Checks a password against a stored hash.
    ///
    /// # Errors
    /// As for [`PasswordPool::hash`].
    pub async fn verify(&self, password: Password, stored: Secret<String>) -> Result<bool, Denial> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Verify { password, stored, reply })?;
        answer.await.map_err(|_| Denial::Internal("password_pool"))
    }

    /// Checks what a new password may not be, which takes longer than a connection's turn.
    ///
    /// # Errors
    /// [`Denial::PasswordWeak`], or as for [`PasswordPool::hash`].
    pub async fn check_new(&self, password: Password, username: &str) -> Result<(), Denial> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::CheckNew { password, username: String::from(username), reply })?;
        answer.await.map_err(|_| Denial::Internal("password_pool"))?
    }

    /// How many wait for a thread.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn ask(&self, job: Job) -> Result<(), Denial> {
        // Counted first: a thread that is free takes it at once.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => Denial::Busy,
                TrySendError::Disconnected(_) => Denial::Internal("password_pool"),
            }
        })
    }
}

/// Runs for the life of a thread.
fn work(hashing: &PasswordHashing, jobs: &Mutex<Receiver<Job>>, waiting: &AtomicUsize) {
    loop {
        // The lock is held while waiting: one idle thread waits for a job, the others for it.
        let next = match jobs.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        match next {
            Ok(job) => {
                waiting.fetch_sub(1, Ordering::Relaxed);
                answer(hashing, job);
            }
            Err(_) => return,
        }
    }
}

/// Does a job, unless whoever asked has gone: an abandoned request costs no hash.
fn answer(hashing: &PasswordHashing, job: Job) {
    match job {
        Job::Hash { reply, .. } if reply.is_closed() => {}
        Job::Verify { reply, .. } if reply.is_closed() => {}
        Job::CheckNew { reply, .. } if reply.is_closed() => {}
        Job::CheckNew { password, username, reply } => {
            let _gone = reply.send(password.check_new(&[&username, "portcullis"]));
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

    #[tokio::test]
    async fn what_is_hashed_verifies() {
        let pool = PasswordPool::start(&PasswordHashing::for_tests(), 2).unwrap();
        let stored = pool.hash(password(), [3; 16]).await.unwrap();
        assert_eq!(pool.verify(password(), stored.clone()).await, Ok(true));
        let other = Password::new(String::from("other"));
        assert_eq!(pool.verify(other, stored).await, Ok(false));
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let (pool, jobs) = PasswordPool::queue(2);
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> =
            (0..2).map(|_| Box::pin(pool.hash(password(), [0; 16]))).collect();
        for ask in &mut waiting {
            assert!(ask.as_mut().poll(&mut context).is_pending());
        }
        let mut third = Box::pin(pool.hash(password(), [0; 16]));
        let Poll::Ready(Err(denial)) = third.as_mut().poll(&mut context) else {
            panic!("a third must not wait");
        };
        assert_eq!(denial, Denial::Busy);
        drop(waiting);
        // Those who asked have gone: the work is skipped.
        for job in [jobs.recv().unwrap(), jobs.recv().unwrap()] {
            let Job::Hash { ref reply, .. } = job else { panic!("hashes were asked for") };
            assert!(reply.is_closed());
            answer(&PasswordHashing::for_tests(), job);
        }
    }

    #[tokio::test]
    async fn without_threads_nobody_waits_for_ever() {
        let (pool, jobs) = PasswordPool::queue(2);
        drop(jobs);
        let outcome = pool.verify(password(), Secret::new(String::new())).await;
        assert_eq!(outcome, Err(Denial::Internal("password_pool")));
    }
}
