//! The connections of one shard: open ones, those of each user, and closing ones.
//! Never: a connection of another shard.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::rc::Rc;

use portcullis_model::{ConnectionId, UserId};

use crate::connection::state::Connection;
use crate::shard::connection_numbers::ConnectionNumbers;

/// The connections of a shard, by number.
pub(crate) struct Connections {
    shard: u16,
    next_number: Cell<u64>,
    /// In the order of their numbers, so that a listing can continue after a number.
    open: RefCell<BTreeMap<u64, Rc<Connection>>>,
    users: RefCell<HashMap<UserId, ConnectionNumbers>>,
    /// Connections that have ended and wait, for a bounded time, for the peer to close.
    closing: RefCell<HashMap<u64, Rc<Connection>>>,
}

impl Connections {
    pub(crate) fn new(shard: u16) -> Self {
        Self {
            shard,
            next_number: Cell::new(1),
            open: RefCell::default(),
            users: RefCell::default(),
            closing: RefCell::default(),
        }
    }

    /// The id of the next connection.
    pub(crate) fn next_id(&self) -> ConnectionId {
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        ConnectionId { shard: self.shard, number }
    }

    pub(crate) fn add(&self, connection: &Rc<Connection>) {
        self.open.borrow_mut().insert(connection.id.number, Rc::clone(connection));
    }

    /// Removes an open connection; false when it was removed before.
    pub(crate) fn remove(&self, connection: &Connection) -> bool {
        self.open.borrow_mut().remove(&connection.id.number).is_some()
    }

    /// A connection of this shard that has not ended.
    pub(crate) fn open(&self, id: ConnectionId) -> Option<Rc<Connection>> {
        if id.shard != self.shard {
            return None;
        }
        let found = self.open.borrow().get(&id.number).cloned();
        found.filter(|found| !found.is_ending())
    }

    /// An open or closing connection.
    pub(crate) fn find(&self, number: u64) -> Option<Rc<Connection>> {
        let open = self.open.borrow().get(&number).cloned();
        open.or_else(|| self.closing.borrow().get(&number).cloned())
    }

    /// All open connections.
    pub(crate) fn all(&self) -> Vec<Rc<Connection>> {
        self.open.borrow().values().cloned().collect()
    }

    /// The first open connections with a greater number, `count` at most.
    pub(crate) fn after(&self, number: u64, count: usize) -> Vec<Rc<Connection>> {
        let open = self.open.borrow();
        let rest = open.range((Bound::Excluded(number), Bound::Unbounded));
        rest.take(count).map(|(_, connection)| Rc::clone(connection)).collect()
    }

    /// The same among the connections of a user.
    pub(crate) fn of_user_after(
        &self,
        user: &UserId,
        number: u64,
        count: usize,
    ) -> Vec<Rc<Connection>> {
        let mut found = self.of_user(user);
        found.retain(|connection| connection.id.number > number);
        found.sort_unstable_by_key(|connection| connection.id.number);
        found.truncate(count);
        found
    }

    /// The open connections of a user.
    pub(crate) fn of_user(&self, user: &UserId) -> Vec<Rc<Connection>> {
        let users = self.users.borrow();
        let open = self.open.borrow();
        let numbers = users.get(user).into_iter().flat_map(ConnectionNumbers::iter);
        numbers.filter_map(|number| open.get(&number).cloned()).collect()
    }

    /// Adds a connection to those of its user.
    pub(crate) fn sign_in(&self, connection: &Connection, user: &UserId) {
        let mut users = self.users.borrow_mut();
        users.entry(user.clone()).or_default().add(connection.id.number);
    }

    /// Removes a connection from those of its user.
    pub(crate) fn sign_out(&self, connection: &Connection, user: &UserId) {
        let mut users = self.users.borrow_mut();
        if let Some(numbers) = users.get_mut(user) {
            numbers.remove(connection.id.number);
            if numbers.is_empty() {
                users.remove(user);
            }
        }
    }

    /// Adds a closing connection; false when there are `max` already.
    pub(crate) fn add_closing(&self, connection: &Rc<Connection>, max: usize) -> bool {
        let mut closing = self.closing.borrow_mut();
        if closing.len() >= max {
            return false;
        }
        closing.insert(connection.id.number, Rc::clone(connection));
        true
    }

    /// Removes a closing connection; false when it was not among them.
    pub(crate) fn remove_closing(&self, connection: &Connection) -> bool {
        self.closing.borrow_mut().remove(&connection.id.number).is_some()
    }

    /// Whether no connection is open or closing.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty() && self.closing.borrow().is_empty()
    }
}
