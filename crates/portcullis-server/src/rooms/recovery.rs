//! Places of lost connections, kept for a short time for those who come back.
//! Never: a place for anyone but its user, or one without a new check of the credential.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_guard::{LastActivity, User};
use portcullis_model::{ConnectionId, Denial, Namespace, Now, RoomId, UserId};
use tokio::sync::oneshot;

use crate::connection::socket::{Socket, SocketId};

/// How long a place is kept.
const KEPT_MS: u64 = 120_000;
/// Places kept at a time, over all shards. Worst case with 128 rooms each: 40 MB.
const PLACES_MAX: usize = 10_000;

pub(crate) type RecoverFuture = Pin<Box<dyn Future<Output = Result<Recovered, Denial>>>>;

/// A socket that wants its place again; its user has just been authenticated anew.
#[derive(Debug, Clone)]
pub struct Recovering {
    /// The new connection; [`crate::Delta::Resume`] has to name it.
    pub connection: ConnectionId,
    /// Where.
    pub namespace: Namespace,
    /// Who.
    pub user: Arc<User>,
    /// The rooms it heard. Whether it still may is the hook's to check.
    pub rooms: Vec<RoomId>,
    /// The offset of the last event it received.
    pub offset: u64,
}

/// What a product says to a socket that wants its place again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// It can have it: [`crate::Delta::Resume`] is handed to the hub.
    Resumed,
    /// It cannot: too much was missed, or nothing is known. It gets a fresh place.
    Fresh,
}

/// A place that waits for its user.
#[derive(Debug, Clone)]
pub(crate) struct Parked {
    pub(crate) user: UserId,
    /// The session (`sid`) it was opened with, if its credential named one.
    pub(crate) session: Option<Box<str>>,
    pub(crate) namespace: Namespace,
    pub(crate) socket: SocketId,
    pub(crate) rooms: Vec<RoomId>,
}

/// A place whose connection is open.
pub(crate) struct Occupied {
    pub(crate) user: UserId,
    /// The session (`sid`) it was opened with, if its credential named one.
    pub(crate) session: Option<Box<str>>,
    pub(crate) namespace: Namespace,
    pub(crate) connection: ConnectionId,
    pub(crate) last_heard: LastActivity,
}

/// Who asks for a place.
pub(crate) struct Comer<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) session: Option<&'a str>,
}

/// All places that wait or whose connections are open, shared by the shards.
#[derive(Default)]
pub(crate) struct Parking {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    places: HashMap<Box<str>, (u64, Parked)>,
    /// Private ids in the order they were parked, with when they end.
    order: VecDeque<(u64, Box<str>)>,
    /// Places whose connections are open, by private id: as many as there are sockets.
    occupied: HashMap<Box<str>, (Occupied, Vec<oneshot::Sender<()>>)>,
}

impl State {
    fn forget_old(&mut self, now_ms: u64) {
        while let Some((until_ms, pid)) = self.order.front() {
            if *until_ms > now_ms && self.order.len() <= PLACES_MAX {
                return;
            }
            // A place that was taken and parked again stands in the list a second time.
            if self.places.get(pid).is_some_and(|(kept, _)| kept == until_ms) {
                self.places.remove(pid);
            }
            self.order.pop_front();
        }
    }
}

impl Parking {
    /// Keeps a place under its private id; the oldest goes when there are too many.
    pub(crate) fn park(&self, pid: Box<str>, place: Parked, now: Now) {
        let mut state = self.state.lock();
        let heirs = state.occupied.remove(&pid).map(|(_, heirs)| heirs);
        let until_ms = now.monotonic_ms + KEPT_MS;
        state.places.insert(pid.clone(), (until_ms, place));
        state.order.push_back((until_ms, pid));
        state.forget_old(now.monotonic_ms);
        drop(state);
        tell(heirs);
    }

    /// Notes that a socket is in a place.
    pub(crate) fn enter(&self, pid: Box<str>, occupied: Occupied) {
        self.state.lock().occupied.insert(pid, (occupied, Vec::new()));
    }

    /// Notes that a socket has left its place for good.
    pub(crate) fn leave(&self, pid: &str) {
        let heirs = self.state.lock().occupied.remove(pid).map(|(_, heirs)| heirs);
        tell(heirs);
    }

    /// The open connection of a place and when it was last heard, for its user in the same session.
    pub(crate) fn connection_of(
        &self,
        pid: &str,
        comer: &Comer<'_>,
        namespace: &Namespace,
    ) -> Option<(ConnectionId, LastActivity)> {
        let state = self.state.lock();
        let (place, _) = state.occupied.get(pid)?;
        let same = place.user == *comer.user && place.session.as_deref() == comer.session;
        let there = (place.connection, place.last_heard.clone());
        (same && place.namespace == *namespace).then_some(there)
    }

    /// Hears when the socket has left its place.
    pub(crate) fn wait_for(&self, pid: &str) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state.lock();
        let (_, heirs) = state.occupied.get_mut(pid)?;
        heirs.retain(|heir| !heir.is_closed());
        let (sender, receiver) = oneshot::channel();
        heirs.push(sender);
        Some(receiver)
    }

    /// Forgets every place that waits.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        state.places = HashMap::new();
        state.order = VecDeque::new();
    }

    /// Gives a place back to its user in the same session; a stranger who shows the id changes
    /// nothing.
    pub(crate) fn take(
        &self,
        pid: &str,
        principal: &Comer<'_>,
        namespace: &Namespace,
        now: Now,
    ) -> Option<Parked> {
        let mut state = self.state.lock();
        state.forget_old(now.monotonic_ms);
        let (_, place) = state.places.get(pid)?;
        let same = place.user == *principal.user && place.session.as_deref() == principal.session;
        if !same || place.namespace != *namespace {
            return None;
        }
        state.places.remove(pid).map(|(_, place)| place)
    }
}

fn tell(heirs: Option<Vec<oneshot::Sender<()>>>) {
    for heir in heirs.into_iter().flatten() {
        // One that waits no longer needs no answer.
        let _gone = heir.send(());
    }
}

/// A place that is being taken again: everything is ready but what was missed.
pub(crate) struct Resuming {
    pub(crate) socket: Rc<Socket>,
    /// The answer to the CONNECT.
    pub(crate) answer: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, ..Now::default() }
    }

    fn place(user: &str) -> Parked {
        Parked {
            user: UserId::parse(user).unwrap(),
            session: Some(Box::from("s1")),
            namespace: Namespace::MAIN,
            socket: SocketId::random().unwrap(),
            rooms: Vec::new(),
        }
    }

    #[test]
    fn t_147_a_place_is_its_users_once_and_for_two_minutes() {
        let parking = Parking::default();
        let (ann, bob) = (UserId::parse("ann").unwrap(), UserId::parse("bob").unwrap());
        let other = Namespace::parse("/other").unwrap();
        parking.park("p".into(), place("ann"), at(0));
        let take_in = |session, pid: &str, user, namespace, ms| {
            let comer = Comer { user, session };
            parking.take(pid, &comer, namespace, at(ms)).is_some()
        };
        let take = |pid: &str, user, namespace, ms| take_in(Some("s1"), pid, user, namespace, ms);
        assert!(!take("q", &ann, &Namespace::MAIN, 1));
        assert!(!take("p", &bob, &Namespace::MAIN, 1));
        assert!(!take("p", &ann, &other, 1));
        assert!(!take_in(Some("s2"), "p", &ann, &Namespace::MAIN, 1), "after another log-in");
        assert!(!take_in(None, "p", &ann, &Namespace::MAIN, 1));
        assert!(take("p", &ann, &Namespace::MAIN, 1));
        assert!(!take("p", &ann, &Namespace::MAIN, 1), "reused");
        parking.park("p".into(), place("ann"), at(1000));
        assert!(take("p", &ann, &Namespace::MAIN, 120_999), "the first end is not the second's");
        parking.park("p".into(), place("ann"), at(1000));
        assert!(!take("p", &ann, &Namespace::MAIN, 121_000));
    }

    #[test]
    fn t_147_parked_places_are_bounded() {
        let parking = Parking::default();
        for number in 0..PLACES_MAX + 50 {
            parking.park(number.to_string().into(), place("ann"), at(0));
        }
        let state = parking.state.lock();
        assert_eq!((state.places.len(), state.order.len()), (PLACES_MAX, PLACES_MAX));
        assert!(!state.places.contains_key("0"));
    }
}
