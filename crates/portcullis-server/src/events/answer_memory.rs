//! Answers of events that carried a `mid`: a copy gets the same answer and runs no handler.
//! Never: a second run of a handler while the answer of the first one is kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_model::{Denial, Mid, Namespace, Now, UserId};

use crate::events::reply::Reply;

/// How long an answer is kept.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// Answers of one user; a newer one evicts the oldest.
const PER_USER_MAX: usize = 256;
/// Bytes of the answers of one user; the newest one is kept whatever its size.
const PER_USER_MAX_BYTES: usize = 256 * 1024;
/// Answers of all users; worst case with their keys about 32 MiB, beside the bytes below.
const TOTAL_MAX: usize = 65_536;
/// Bytes of the answers of all users.
const TOTAL_MAX_BYTES: usize = 64 * 1024 * 1024;

type Outcome = Result<Reply, Denial>;

/// The message of one user that an answer belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AnswerKey {
    pub(crate) namespace: Namespace,
    pub(crate) event: &'static str,
    pub(crate) mid: Mid,
}

/// The outcome of a message with a `mid`.
pub(crate) enum MidOutcome {
    /// It is the first: the handler runs, and its answer is kept.
    Run(RunningAnswer),
    /// It is a copy.
    Copy(Outcome),
}

struct Entry {
    digest: Option<[u8; 32]>,
    /// None while the handler runs.
    outcome: Option<Outcome>,
}

#[derive(Default)]
struct UserAnswers {
    entries: HashMap<AnswerKey, Entry>,
    /// The stored answers, the oldest first.
    answered: VecDeque<StoredAnswer>,
    bytes: usize,
}

struct StoredAnswer {
    number: u64,
    at_ms: u64,
    bytes: usize,
    key: AnswerKey,
}

#[derive(Default)]
struct State {
    users: HashMap<UserId, UserAnswers>,
    /// The user of each stored answer, the oldest first.
    order: BTreeMap<u64, UserId>,
    bytes: usize,
    next_number: u64,
}

/// The answers of all shards of a server, in memory: a restart clears them.
#[derive(Default)]
pub(crate) struct AnswerMemory {
    state: Mutex<State>,
}

impl AnswerMemory {
    /// The number of kept answers, and how many are kept at most.
    pub(crate) fn usage(&self) -> (usize, usize) {
        (self.state.lock().order.len(), TOTAL_MAX)
    }

    /// Decides whether a message runs its handler or is a copy of an earlier one.
    ///
    /// # Errors
    /// [`Denial::MidConflict`] for other content under the same key, [`Denial::MidPending`] while
    /// the handler of the first copy runs.
    pub(crate) fn begin(
        self: &Arc<Self>,
        user: &UserId,
        key: AnswerKey,
        digest: Option<[u8; 32]>,
        now: Now,
    ) -> Result<MidOutcome, Denial> {
        let mut state = self.state.lock();
        state.evict_old(now);
        let answers = state.users.entry(user.clone()).or_default();
        match answers.entries.get(&key) {
            Some(entry) if entry.digest != digest => Err(Denial::MidConflict),
            Some(Entry { outcome: None, .. }) => Err(Denial::MidPending),
            Some(Entry { outcome: Some(outcome), .. }) => Ok(MidOutcome::Copy(outcome.clone())),
            None => {
                answers.entries.insert(key.clone(), Entry { digest, outcome: None });
                let memory = Arc::clone(self);
                let user = user.clone();
                Ok(MidOutcome::Run(RunningAnswer {
                    memory,
                    user,
                    key: Some(key),
                    started_ms: now.monotonic_ms,
                }))
            }
        }
    }
}

/// A handler that runs for a message with a `mid`.
///
/// If it is dropped without an answer, the outcome is unknown. A copy then gets `outcome_unknown`
/// and does not run the handler again.
pub(crate) struct RunningAnswer {
    memory: Arc<AnswerMemory>,
    user: UserId,
    key: Option<AnswerKey>,
    started_ms: u64,
}

impl RunningAnswer {
    /// Keeps the answer for copies.
    pub(crate) fn finish(mut self, outcome: &Outcome) {
        self.keep(outcome.clone());
    }

    fn keep(&mut self, outcome: Outcome) {
        if let Some(key) = self.key.take() {
            self.memory.state.lock().keep(&self.user, key, outcome, self.started_ms);
        }
    }
}

impl Drop for RunningAnswer {
    fn drop(&mut self) {
        self.keep(Err(Denial::OutcomeUnknown));
    }
}

impl State {
    fn keep(&mut self, user: &UserId, key: AnswerKey, outcome: Outcome, at_ms: u64) {
        let bytes = size_bytes(&outcome);
        let number = self.next_number;
        self.next_number += 1;
        let answers = self.users.entry(user.clone()).or_default();
        if let Some(entry) = answers.entries.get_mut(&key) {
            entry.outcome = Some(outcome);
        }
        answers.answered.push_back(StoredAnswer { number, at_ms, bytes, key });
        answers.bytes += bytes;
        self.bytes += bytes;
        self.order.insert(number, user.clone());
        while self.users.get(user).is_some_and(UserAnswers::is_over_limit) && self.evict(user) {}
        while self.order.len() > TOTAL_MAX || self.bytes > TOTAL_MAX_BYTES {
            if !self.evict_oldest() {
                return;
            }
        }
    }

    fn evict_old(&mut self, now: Now) {
        while let Some((_, user)) = self.order.first_key_value() {
            let oldest = self.users.get(user).and_then(|answers| answers.answered.front());
            if oldest.is_some_and(|answer| now.monotonic_ms < answer.at_ms + KEPT_MS) {
                return;
            }
            if !self.evict_oldest() {
                return;
            }
        }
    }

    fn evict_oldest(&mut self) -> bool {
        let user = self.order.first_key_value().map(|(_, user)| user.clone());
        user.is_some_and(|user| self.evict(&user))
    }

    /// Removes the oldest answer of a user; false when the user has none.
    fn evict(&mut self, user: &UserId) -> bool {
        let Some(answers) = self.users.get_mut(user) else { return false };
        let Some(oldest) = answers.answered.pop_front() else { return false };
        answers.entries.remove(&oldest.key);
        answers.bytes -= oldest.bytes;
        self.bytes -= oldest.bytes;
        self.order.remove(&oldest.number);
        if answers.entries.is_empty() {
            self.users.remove(user);
        }
        true
    }
}

impl UserAnswers {
    fn is_over_limit(&self) -> bool {
        let is_too_large = self.bytes > PER_USER_MAX_BYTES && self.answered.len() > 1;
        self.answered.len() > PER_USER_MAX || is_too_large
    }
}

fn size_bytes(outcome: &Outcome) -> usize {
    match outcome {
        Ok(reply) => {
            let payload = reply.payload();
            let attached = payload.attachments().iter().map(|bytes| bytes.len()).sum::<usize>();
            payload.arguments().len() + attached
        }
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    struct World(Arc<AnswerMemory>);

    impl World {
        fn begin(&self, user: &str, mid: u32, digest: u8, ms: u64) -> Result<MidOutcome, Denial> {
            let mid = Mid::parse(&format!("m{mid}")).unwrap();
            let key = AnswerKey { namespace: Namespace::MAIN, event: "pay", mid };
            self.0.begin(&UserId::parse(user).unwrap(), key, Some([digest; 32]), at(ms))
        }

        /// Returns `run`, `copy` with the answer, or the denial.
        fn send(&self, user: &str, mid: u32, digest: u8, ms: u64) -> String {
            match self.begin(user, mid, digest, ms) {
                Ok(MidOutcome::Run(running)) => {
                    running.finish(&Ok(Reply::fields(&serde_json::json!({"at": ms}))));
                    String::from("run")
                }
                Ok(MidOutcome::Copy(Ok(reply))) => format!("copy {}", reply.value()["at"]),
                Ok(MidOutcome::Copy(Err(denial))) | Err(denial) => denial.to_string(),
            }
        }
    }

    #[test]
    fn copy_within_a_day_gets_the_first_answer() {
        let world = World(Arc::default());
        assert_eq!(world.send("ann", 1, 1, 5), "run");
        assert_eq!(world.send("ann", 1, 1, 6), "copy 5");
        assert_eq!(world.send("ann", 1, 2, 7), "mid (mid)", "other content");
        assert_eq!(world.send("bob", 1, 2, 7), "run", "another user");
        assert_eq!(world.send("ann", 1, 1, 4 + KEPT_MS), "copy 5");
        assert_eq!(world.send("ann", 1, 1, 5 + KEPT_MS), "run");
    }

    #[test]
    fn running_or_interrupted_handler_is_not_run_again() {
        let world = World(Arc::default());
        let running = world.begin("ann", 1, 1, 5).ok();
        assert_eq!(world.send("ann", 1, 1, 6), "mid_pending (mid_pending)");
        assert_eq!(world.send("ann", 1, 2, 6), "mid (mid)");
        drop(running);
        assert_eq!(world.send("ann", 1, 1, 6), "outcome_unknown (outcome_unknown)");
    }

    #[test]
    fn memory_is_bounded_for_each_user_and_in_total() {
        let world = World(Arc::default());
        let mids = u32::try_from(PER_USER_MAX).unwrap();
        let running = world.begin("ann", 1_000, 1, 0).ok();
        for mid in 0..=mids {
            assert_eq!(world.send("ann", mid, 1, 1), "run");
        }
        assert_eq!(world.send("ann", 1, 1, 2), "copy 1");
        assert_eq!(world.send("ann", 0, 1, 2), "run", "the oldest one was evicted");
        assert_eq!(world.send("ann", 1_000, 1, 2), "mid_pending (mid_pending)");
        drop(running);
        let users = u32::try_from(TOTAL_MAX / PER_USER_MAX).unwrap();
        for user in 0..=users {
            for mid in 0..mids {
                world.send(&format!("user-{user}"), mid, 1, 3);
            }
        }
        let state = world.0.state.lock();
        assert_eq!(state.order.len(), TOTAL_MAX);
        let kept = state.users.values().map(|answers| answers.entries.len()).sum::<usize>();
        assert_eq!(kept, TOTAL_MAX);
    }

    #[test]
    fn large_answer_evicts_older_answers_of_the_same_user() {
        let world = World(Arc::default());
        let send = |user: &str, mid| match world.begin(user, mid, 1, 1) {
            Ok(MidOutcome::Run(running)) => {
                let reply = Reply::ok().attach("file", vec![0; PER_USER_MAX_BYTES]);
                running.finish(&Ok(reply));
                true
            }
            Ok(MidOutcome::Copy(_)) | Err(_) => false,
        };
        assert!(send("bob", 1) && send("ann", 1) && send("ann", 2));
        assert!(!send("ann", 2), "the newest one is kept");
        assert!(send("ann", 1) && !send("bob", 1));
        for user in 0..300 {
            send(&format!("user-{user}"), 1);
        }
        assert!(world.0.state.lock().bytes <= TOTAL_MAX_BYTES);
    }
}
