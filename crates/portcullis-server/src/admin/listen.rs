//! The listeners of operators and of probes: bounded, with room for the next request at any time.
//! Never: a request that waits because other connections stay silent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::admin::private::Private;

/// Connections of one listener at a time. Each costs a file and at most a head of memory.
const VISITS_MAX: usize = 64;
/// From the first byte that is waited for to the last one sent.
const DEADLINE: Duration = Duration::from_secs(5);
/// After a failed accept, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Which listener a request came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrivateEntrance {
    /// `listen.private`: health, readiness, metrics, operators' requests.
    Operators,
    /// `listen.probe`: health and readiness, each in one word.
    Probes,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Its head is not complete.
    Silent,
    /// It is being answered.
    Answered,
}

/// The open connections of one listener, in the order they came.
#[derive(Default)]
struct Visits {
    next: u64,
    open: BTreeMap<u64, (Option<AbortHandle>, Progress)>,
}

impl Visits {
    fn enter(&mut self) -> u64 {
        if self.open.len() >= VISITS_MAX {
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
pub(crate) struct Visit {
    visits: Rc<RefCell<Visits>>,
    id: u64,
}

impl Visit {
    /// Notes that the whole head has arrived.
    pub(crate) fn has_asked(&self) {
        if let Some((_, progress)) = self.visits.borrow_mut().open.get_mut(&self.id) {
            *progress = Progress::Answered;
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.visits.borrow_mut().open.remove(&self.id);
    }
}

impl Private {
    /// Answers on one listener until the server has stopped.
    pub(crate) async fn serve(self, listener: std::net::TcpListener, entrance: PrivateEntrance) {
        let Ok(listener) = TcpListener::from_std(listener) else {
            tracing::error!("a private listener could not be registered with the runtime");
            return;
        };
        let visits = Rc::new(RefCell::new(Visits::default()));
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _closed = stop.wait_for(|stopped| *stopped) => return,
            };
            match accepted {
                Ok((socket, peer)) => self.welcome(&visits, socket, peer, entrance),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
            // A request that is there already is read before the next connection can end it.
            tokio::task::yield_now().await;
        }
    }

    fn welcome(
        &self,
        visits: &Rc<RefCell<Visits>>,
        socket: TcpStream,
        peer: SocketAddr,
        entrance: PrivateEntrance,
    ) {
        let id = visits.borrow_mut().enter();
        let visit = Visit { visits: Rc::clone(visits), id };
        let private = self.clone();
        let task = tokio::task::spawn_local(async move {
            if timeout(DEADLINE, private.answer(socket, peer, entrance, &visit)).await.is_err() {
                tracing::debug!(%peer, "a request on a private listener took too long");
            }
        });
        if let Some((handle, _)) = visits.borrow_mut().open.get_mut(&id) {
            *handle = Some(task.abort_handle());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_listener_evicts_the_oldest_silent_connection_first() {
        let mut visits = Visits::default();
        let ids: Vec<u64> = (0..VISITS_MAX).map(|_| visits.enter()).collect();
        // The two oldest are being answered.
        for id in &ids[..2] {
            visits.open.get_mut(id).unwrap().1 = Progress::Answered;
        }
        let newest = visits.enter();
        assert_eq!(visits.open.len(), VISITS_MAX);
        assert!(!visits.open.contains_key(&ids[2]), "the oldest silent one has to go");
        assert!(visits.open.contains_key(&ids[0]) && visits.open.contains_key(&newest));
        for (_, progress) in visits.open.values_mut() {
            *progress = Progress::Answered;
        }
        visits.enter();
        assert_eq!(visits.open.len(), VISITS_MAX);
        assert!(!visits.open.contains_key(&ids[0]), "otherwise the oldest of all");
    }
}
