//! The open connections of a private listener: bounded, with space for the next one at any time.
//! Never: a request that waits because other connections are silent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::task::AbortHandle;

/// Connections of one listener at a time. Each costs a file and at most a head of memory.
const PRIVATE_CONNECTIONS_MAX: usize = 64;
/// The listener of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrivateListener {
    /// `listen.private`: health, readiness, metrics, operators' requests.
    Operators,
    /// `listen.probe`: health and readiness, each in one word.
    Probes,
}

/// The progress of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Its head is not complete.
    Silent,
    /// Its request is being answered.
    Answered,
}

/// The open connections of one listener, in the order of their arrival.
#[derive(Default)]
pub(crate) struct PrivateConnections {
    next: u64,
    open: BTreeMap<u64, (Option<AbortHandle>, Progress)>,
}

impl PrivateConnections {
    /// Adds a connection; a full listener evicts another one.
    fn enter(&mut self) -> u64 {
        if self.open.len() >= PRIVATE_CONNECTIONS_MAX {
            self.evict();
        }
        let id = self.next;
        self.next += 1;
        self.open.insert(id, (None, Progress::Silent));
        id
    }

    /// Ends the oldest connection that has sent no request; otherwise the oldest one.
    fn evict(&mut self) {
        let is_silent = |(_, (_, progress)): &(&u64, &(_, Progress))| *progress == Progress::Silent;
        let silent = self.open.iter().find(is_silent).or_else(|| self.open.iter().next());
        let Some(id) = silent.map(|(id, _)| *id) else { return };
        if let Some((Some(task), _)) = self.open.remove(&id) {
            task.abort();
        }
    }
}

/// A connection's entry; removed when the connection ends.
pub(crate) struct PrivateConnection {
    connections: Rc<RefCell<PrivateConnections>>,
    id: u64,
}

impl PrivateConnection {
    /// Adds a connection to those of its listener.
    pub(crate) fn begin(connections: &Rc<RefCell<PrivateConnections>>) -> Self {
        let id = connections.borrow_mut().enter();
        Self { connections: Rc::clone(connections), id }
    }

    /// Sets the task that an eviction ends.
    pub(crate) fn set_task(
        connections: &Rc<RefCell<PrivateConnections>>,
        id: u64,
        task: AbortHandle,
    ) {
        if let Some((handle, _)) = connections.borrow_mut().open.get_mut(&id) {
            *handle = Some(task);
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Records that the complete head has arrived.
    pub(crate) fn set_answered(&self) {
        if let Some((_, progress)) = self.connections.borrow_mut().open.get_mut(&self.id) {
            *progress = Progress::Answered;
        }
    }
}

impl Drop for PrivateConnection {
    fn drop(&mut self) {
        self.connections.borrow_mut().open.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_listener_evicts_the_oldest_silent_connection_first() {
        let mut connections = PrivateConnections::default();
        let ids: Vec<u64> = (0..PRIVATE_CONNECTIONS_MAX).map(|_| connections.enter()).collect();
        // The two oldest are being answered.
        for id in &ids[..2] {
            connections.open.get_mut(id).unwrap().1 = Progress::Answered;
        }
        let newest = connections.enter();
        assert_eq!(connections.open.len(), PRIVATE_CONNECTIONS_MAX);
        assert!(!connections.open.contains_key(&ids[2]), "the oldest silent one is evicted");
        assert!(connections.open.contains_key(&ids[0]) && connections.open.contains_key(&newest));
        for (_, progress) in connections.open.values_mut() {
            *progress = Progress::Answered;
        }
        connections.enter();
        assert_eq!(connections.open.len(), PRIVATE_CONNECTIONS_MAX);
        assert!(!connections.open.contains_key(&ids[0]), "otherwise the oldest of all");
    }
}
