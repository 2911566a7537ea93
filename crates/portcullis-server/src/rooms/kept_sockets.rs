//! The table of recovery: sockets of closed connections, kept so that their clients recover them.
//! Never: a socket given to another user, or without a new authentication.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_guard::{LastActivity, User};
use portcullis_model::{ConnectionId, Denial, Namespace, Now, RoomId, UserId};
use tokio::sync::oneshot;

use crate::connection::socket_id::SocketId;

/// How long a socket is kept.
const KEPT_MS: u64 = 120_000;
/// Sockets kept at a time, over all shards. Worst case with 128 rooms each: 40 MB.
const KEPT_MAX: usize = 10_000;

pub(crate) type RecoveryFuture = Pin<Box<dyn Future<Output = Result<RecoveryOutcome, Denial>>>>;

/// A socket to recover; its user has just been authenticated again.
#[derive(Debug, Clone)]
pub struct RecoveryRequest {
    /// The new connection; [`crate::Delta::Resume`] has to name it.
    pub connection: ConnectionId,
    /// The namespace.
    pub namespace: Namespace,
    /// The user.
    pub user: Arc<User>,
    /// The rooms it was in. The hook has to check whether the user may still be in them.
    pub rooms: Vec<RoomId>,
    /// The offset of the last event it received.
    pub offset: u64,
}

/// The product's answer to a [`RecoveryRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryOutcome {
    /// The socket is recovered: [`crate::Delta::Resume`] was passed to the hub.
    Resumed,
    /// The client gets a new socket: it missed too much, or the product does not know the offset.
    Fresh,
}

/// A socket that is kept for its user.
#[derive(Debug, Clone)]
pub(crate) struct KeptSocket {
    pub(crate) user: UserId,
    /// The session (`sid`) that its credential named, if any.
    pub(crate) session: Option<Box<str>>,
    pub(crate) namespace: Namespace,
    pub(crate) socket: SocketId,
    pub(crate) rooms: Vec<RoomId>,
}

/// A recoverable socket whose connection is open.
pub(crate) struct LiveSocket {
    pub(crate) user: UserId,
    /// The session (`sid`) that its credential named, if any.
    pub(crate) session: Option<Box<str>>,
    pub(crate) namespace: Namespace,
    pub(crate) connection: ConnectionId,
    pub(crate) last_activity: LastActivity,
}

/// The user and session that claim a socket.
pub(crate) struct Claimant<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) session: Option<&'a str>,
}

/// All recoverable sockets by private id, shared by the shards.
#[derive(Default)]
pub(crate) struct RecoveryTable {
    state: Mutex<TableState>,
}

#[derive(Default)]
struct TableState {
    kept: HashMap<Box<str>, (u64, KeptSocket)>,
    /// Private ids in the order in which they were kept, each with its expiry.
    order: VecDeque<(u64, Box<str>)>,
    /// Sockets whose connections are open, each with the tasks that wait for its end.
    live: HashMap<Box<str>, (LiveSocket, Vec<oneshot::Sender<()>>)>,
}

impl TableState {
    fn expire(&mut self, now_ms: u64) {
        while let Some((until_ms, pid)) = self.order.front() {
            if *until_ms > now_ms && self.order.len() <= KEPT_MAX {
                return;
            }
            // A socket that was recovered and kept again is in the list a second time.
            if self.kept.get(pid).is_some_and(|(kept_ms, _)| kept_ms == until_ms) {
                self.kept.remove(pid);
            }
            self.order.pop_front();
        }
    }
}

impl RecoveryTable {
    /// The number of kept sockets, and how many are kept at most.
    pub(crate) fn usage(&self) -> (usize, usize) {
        (self.state.lock().kept.len(), KEPT_MAX)
    }

    /// Keeps a socket under its private id; a full table evicts the oldest one.
    pub(crate) fn keep(&self, pid: Box<str>, socket: KeptSocket, now: Now) {
        let mut state = self.state.lock();
        let waiters = state.live.remove(&pid).map(|(_, waiters)| waiters);
        let until_ms = now.monotonic_ms + KEPT_MS;
        state.kept.insert(pid.clone(), (until_ms, socket));
        state.order.push_back((until_ms, pid));
        state.expire(now.monotonic_ms);
        drop(state);
        notify(waiters);
    }

    /// Adds an open, recoverable socket.
    pub(crate) fn add_live(&self, pid: Box<str>, socket: LiveSocket) {
        self.state.lock().live.insert(pid, (socket, Vec::new()));
    }

    /// Removes a socket that has ended and is not kept.
    pub(crate) fn remove_live(&self, pid: &str) {
        let waiters = self.state.lock().live.remove(pid).map(|(_, waiters)| waiters);
        notify(waiters);
    }

    /// The open connection of a socket and its last activity, for the same user and session.
    pub(crate) fn live_connection(
        &self,
        pid: &str,
        claimant: &Claimant<'_>,
        namespace: &Namespace,
    ) -> Option<(ConnectionId, LastActivity)> {
        let state = self.state.lock();
        let (socket, _) = state.live.get(pid)?;
        let is_same =
            socket.user == *claimant.user && socket.session.as_deref() == claimant.session;
        let found = (socket.connection, socket.last_activity.clone());
        (is_same && socket.namespace == *namespace).then_some(found)
    }

    /// A receiver that is notified when the socket has ended.
    pub(crate) fn watch_end(&self, pid: &str) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state.lock();
        let (_, waiters) = state.live.get_mut(pid)?;
        waiters.retain(|waiter| !waiter.is_closed());
        let (sender, receiver) = oneshot::channel();
        waiters.push(sender);
        Some(receiver)
    }

    /// Removes all kept sockets.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        state.kept = HashMap::new();
        state.order = VecDeque::new();
    }

    /// Takes a kept socket out, for the same user and session. The id has no effect for other
    /// users.
    pub(crate) fn claim(
        &self,
        pid: &str,
        claimant: &Claimant<'_>,
        namespace: &Namespace,
        now: Now,
    ) -> Option<KeptSocket> {
        let mut state = self.state.lock();
        state.expire(now.monotonic_ms);
        let (_, socket) = state.kept.get(pid)?;
        let is_same =
            socket.user == *claimant.user && socket.session.as_deref() == claimant.session;
        if !is_same || socket.namespace != *namespace {
            return None;
        }
        state.kept.remove(pid).map(|(_, socket)| socket)
    }
}

fn notify(waiters: Option<Vec<oneshot::Sender<()>>>) {
    for waiter in waiters.into_iter().flatten() {
        // A waiter that was cancelled needs no notification.
        let _closed = waiter.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, ..Now::default() }
    }

    fn socket(user: &str) -> KeptSocket {
        KeptSocket {
            user: UserId::parse(user).unwrap(),
            session: Some(Box::from("s1")),
            namespace: Namespace::MAIN,
            socket: SocketId::random().unwrap(),
            rooms: Vec::new(),
        }
    }

    #[test]
    fn t_147_kept_socket_is_claimed_once_by_its_user_within_two_minutes() {
        let table = RecoveryTable::default();
        let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
        let other = Namespace::parse("/other").unwrap();
        table.keep("p".into(), socket("ann"), at(0));
        let claim_in = |session, pid: &str, user, namespace, ms| {
            let claimant = Claimant { user, session };
            table.claim(pid, &claimant, namespace, at(ms)).is_some()
        };
        let claim = |pid: &str, user, namespace, ms| claim_in(Some("s1"), pid, user, namespace, ms);
        assert!(!claim("q", &ann, &Namespace::MAIN, 1));
        assert!(!claim("p", &bob, &Namespace::MAIN, 1));
        assert!(!claim("p", &ann, &other, 1));
        assert!(!claim_in(Some("s2"), "p", &ann, &Namespace::MAIN, 1), "after another log-in");
        assert!(!claim_in(None, "p", &ann, &Namespace::MAIN, 1));
        assert!(claim("p", &ann, &Namespace::MAIN, 1));
        assert!(!claim("p", &ann, &Namespace::MAIN, 1), "claimed twice");
        table.keep("p".into(), socket("ann"), at(1000));
        assert!(claim("p", &ann, &Namespace::MAIN, 120_999), "the first expiry does not count");
        table.keep("p".into(), socket("ann"), at(1000));
        assert!(!claim("p", &ann, &Namespace::MAIN, 121_000));
    }

    #[test]
    fn t_147_full_table_evicts_the_oldest_socket() {
        let table = RecoveryTable::default();
        for number in 0..KEPT_MAX + 50 {
            table.keep(number.to_string().into(), socket("ann"), at(0));
        }
        let state = table.state.lock();
        assert_eq!((state.kept.len(), state.order.len()), (KEPT_MAX, KEPT_MAX));
        assert!(!state.kept.contains_key("0"));
    }
}
