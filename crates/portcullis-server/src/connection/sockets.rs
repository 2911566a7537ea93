//! The sockets of one connection: nearly always one, at most eight.
//! Never: an allocation for the first.

use std::rc::Rc;

use crate::connection::socket::Socket;

/// A list whose first entry costs no memory of its own.
#[derive(Default)]
pub(crate) struct Sockets {
    first: Option<Rc<Socket>>,
    more: Vec<Rc<Socket>>,
}

impl Sockets {
    pub(crate) fn add(&mut self, socket: Rc<Socket>) {
        if self.first.is_none() {
            self.first = Some(socket);
        } else {
            self.more.push(socket);
        }
    }

    pub(crate) fn remove(&mut self, socket: &Rc<Socket>) {
        let gone = |one: &Rc<Socket>| Rc::ptr_eq(one, socket);
        if self.first.as_ref().is_some_and(gone) {
            self.first = None;
        } else {
            self.more.retain(|one| !gone(one));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rc<Socket>> {
        self.first.iter().chain(&self.more)
    }

    pub(crate) fn find(&self, namespace: &str) -> Option<&Rc<Socket>> {
        self.iter().find(|socket| socket.namespace.as_str() == namespace)
    }

    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_empty()
    }
}
