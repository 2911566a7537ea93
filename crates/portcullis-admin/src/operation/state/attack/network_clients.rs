//! Connections and signed-in users of networks, counted at most once in five seconds.
//! Never: a wait for a shard that does not answer, or a count of a part of the shards.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use portcullis_model::{Clock, UserId};
use portcullis_server::{ConnectionFilter, Services, inspect_connections};
use tokio::time::timeout;

use crate::operation::desk::Desk;

/// The next count starts this time after the end of the last one, complete or not.
const COUNT_EVERY_MS: u64 = 5_000;
/// A count is shown for this time after its end.
const SHOWN_FOR_MS: u64 = 30_000;
/// The longest time of a count; it is dropped then.
const COUNT_TIMEOUT: Duration = Duration::from_millis(500);
/// The longest wait of the caller who starts a count while there is none to show.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Most connections of one part of a count, which is 1 MiB.
const PART_MAX: usize = 4_096;
/// Most parts of a count.
const PARTS_MAX: usize = 256;

/// The clients of one network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Clients {
    /// Open connections.
    pub(crate) connections: usize,
    /// Users who are signed in on them.
    pub(crate) users: usize,
}

pub(crate) type NetworkClients = HashMap<IpNet, Clients>;

/// The last counts.
#[derive(Debug, Default)]
struct LastCounts {
    /// The end of the last count, complete or not.
    ended_ms: Option<u64>,
    /// The end of the last complete count.
    at_ms: u64,
    clients: NetworkClients,
}

impl LastCounts {
    fn is_due(&self, now_ms: u64) -> bool {
        self.ended_ms.is_none_or(|ended_ms| now_ms >= ended_ms.saturating_add(COUNT_EVERY_MS))
    }

    /// The counts of these networks; those that were not counted are missing.
    fn shown(&self, networks: &BTreeSet<IpNet>, now_ms: u64) -> NetworkClients {
        if now_ms >= self.at_ms.saturating_add(SHOWN_FOR_MS) {
            return NetworkClients::new();
        }
        let counted = self.clients.iter().filter(|(network, _)| networks.contains(*network));
        counted.map(|(network, clients)| (*network, *clients)).collect()
    }

    fn end(&mut self, counted: Option<NetworkClients>, now_ms: u64) {
        self.ended_ms = Some(now_ms);
        if let Some(clients) = counted {
            (self.at_ms, self.clients) = (now_ms, clients);
        }
    }
}

/// The counts that all callers share; at most one count runs.
#[derive(Debug, Default)]
pub(crate) struct ClientCounts {
    last: Mutex<LastCounts>,
    /// Held during a count.
    running: Arc<tokio::sync::Mutex<()>>,
}

impl ClientCounts {
    fn last(&self) -> MutexGuard<'_, LastCounts> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last counts, at once. Starts the next count when it is due and no other one runs.
    ///
    /// The caller who starts it waits for it for a moment while there is nothing to show.
    async fn read(
        self: &Arc<Self>,
        networks: &BTreeSet<IpNet>,
        clock: &Arc<dyn Clock>,
        count: impl Future<Output = Option<NetworkClients>> + Send + 'static,
    ) -> NetworkClients {
        let now_ms = clock.now().monotonic_ms;
        let shown = self.last().shown(networks, now_ms);
        let Ok(running) = Arc::clone(&self.running).try_lock_owned() else { return shown };
        if !self.last().is_due(now_ms) {
            return shown;
        }
        let (counts, of_count) = (Arc::clone(self), Arc::clone(clock));
        let counting = tokio::spawn(async move {
            let counted = timeout(COUNT_TIMEOUT, count).await.ok().flatten();
            counts.last().end(counted, of_count.now().monotonic_ms);
            drop(running);
        });
        if !shown.is_empty() || timeout(FIRST_WAIT, counting).await.is_err() {
            return shown;
        }
        self.last().shown(networks, clock.now().monotonic_ms)
    }
}

/// The users of each network, and its connections.
struct Tally(HashMap<IpNet, (usize, HashSet<UserId>)>);

impl Tally {
    fn new(networks: &BTreeSet<IpNet>) -> Self {
        Self(networks.iter().map(|network| (*network, Default::default())).collect())
    }

    fn add(&mut self, address: IpAddr, user: Option<&UserId>) {
        let address = address.to_canonical();
        let counts = self.0.iter_mut().filter(|(network, _)| network.contains(&address));
        for (_, (connections, users)) in counts {
            *connections += 1;
            if let Some(user) = user.filter(|user| !users.contains(*user)) {
                users.insert(user.clone());
            }
        }
    }

    fn clients(&self) -> NetworkClients {
        let clients = self.0.iter().map(|(network, (connections, users))| {
            (*network, Clients { connections: *connections, users: users.len() })
        });
        clients.collect()
    }
}

/// The clients of networks. A network has none while no count has its number: a shard does not
/// answer, or the server has more connections than the parts can compare.
pub(crate) async fn network_clients(
    desk: &Desk,
    services: &Arc<Services>,
    networks: BTreeSet<IpNet>,
) -> NetworkClients {
    if networks.is_empty() {
        return NetworkClients::new();
    }
    let count = count(Arc::clone(services), networks.clone());
    desk.client_counts().read(&networks, &services.clock, count).await
}

/// Counts all open connections from these networks; none when a shard cannot be reached.
async fn count(services: Arc<Services>, networks: BTreeSet<IpNet>) -> Option<NetworkClients> {
    let filter =
        ConnectionFilter { networks: networks.iter().copied().collect(), ..Default::default() };
    let (mut tally, mut after) = (Tally::new(&networks), None);
    for _ in 0..PARTS_MAX {
        let page = inspect_connections(&services.hub, filter.clone(), after, PART_MAX).await;
        let page = page.ok()?;
        for found in page.connections {
            tally.add(found.address, found.user.as_ref().map(|user| &user.id));
        }
        after = page.next;
        if after.is_none() {
            return Some(tally.clients());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use portcullis_model::Now;

    use super::*;

    fn networks(texts: &[&str]) -> BTreeSet<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn users_of_a_network_are_counted_once_and_connections_each() {
        let [v4, wide, v6] = ["203.0.113.0/24", "203.0.0.0/16", "2001:db8:1::/48"];
        let mut tally = Tally::new(&networks(&[v4, wide, v6]));
        let users = ["ann", "bob"].map(|name| UserId::parse(name).unwrap());
        for (address, user) in [
            ("203.0.113.7", Some(&users[0])),
            ("::ffff:203.0.113.8", Some(&users[0])),
            ("203.0.113.7", Some(&users[1])),
            ("203.0.113.7", None),
            ("203.0.114.1", None),
            ("198.51.100.1", Some(&users[0])),
            ("2001:db8:1:2::1", None),
        ] {
            tally.add(address.parse().unwrap(), user);
        }
        let clients = tally.clients();
        for (network, connections, users) in [(v4, 4, 2), (wide, 5, 2), (v6, 1, 0)] {
            let expect = Clients { connections, users };
            assert_eq!(clients[&network.parse().unwrap()], expect, "{network}");
        }
    }

    fn counted(connections: usize, texts: &[&str]) -> NetworkClients {
        let clients = Clients { connections, users: 0 };
        networks(texts).into_iter().map(|network| (network, clients)).collect()
    }

    const ONE: &str = "203.0.113.0/24";
    const OTHER: &str = "198.51.100.0/24";

    #[test]
    fn count_is_shown_for_thirty_seconds_and_due_five_after_the_end() {
        let mut last = LastCounts::default();
        assert!(last.is_due(0), "the first one");
        last.end(Some(counted(7, &[ONE, OTHER])), 10_000);
        last.end(None, 12_000);
        for (texts, now_ms, shown, due) in [
            (&[ONE][..], 16_999, 1, false),
            (&[ONE, OTHER], 17_000, 2, true),
            (&[ONE, "192.0.2.0/24"], 39_999, 1, true),
            (&[ONE], 40_000, 0, true),
        ] {
            let found = last.shown(&networks(texts), now_ms);
            assert_eq!((found.len(), last.is_due(now_ms)), (shown, due), "{texts:?} {now_ms}");
        }
    }

    /// A clock whose time a test sets.
    #[derive(Default)]
    struct SetClock(AtomicU64);

    impl Clock for SetClock {
        fn now(&self) -> Now {
            Now { monotonic_ms: self.0.load(Ordering::Relaxed), unix_ms: 0 }
        }
    }

    #[tokio::test]
    async fn count_that_does_not_end_delays_no_caller_and_is_the_only_one() {
        let set = Arc::new(SetClock::default());
        let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(&set);
        let (counts, one) = (Arc::new(ClientCounts::default()), networks(&[ONE]));
        let first = counts.read(&one, &clock, async { Some(counted(7, &[ONE])) }).await;
        assert_eq!(first, counted(7, &[ONE]), "the first caller waits for a short count");
        set.0.store(6_000, Ordering::Relaxed);
        // A shard does not answer until the test says so.
        let (stalled, released) = tokio::sync::oneshot::channel::<NetworkClients>();
        let shown = counts.read(&one, &clock, async { released.await.ok() }).await;
        assert_eq!(shown, first, "the last count");
        for _ in 0..2 {
            let second = async { panic!("a second count at the same time") };
            assert_eq!(counts.read(&one, &clock, second).await, first);
        }
        stalled.send(counted(9, &[ONE])).unwrap();
        let _ended = counts.running.lock().await;
        assert_eq!(counts.last().shown(&one, 6_000), counted(9, &[ONE]));
    }

    #[tokio::test]
    async fn count_is_dropped_after_its_timeout() {
        let clock: Arc<dyn Clock> = Arc::new(SetClock::default());
        let (counts, one) = (Arc::new(ClientCounts::default()), networks(&[ONE]));
        let shown = counts.read(&one, &clock, std::future::pending()).await;
        assert_eq!(shown, NetworkClients::new(), "the offenders show without counts");
        let _ended = counts.running.lock().await;
        assert_eq!(counts.last().ended_ms, Some(0));
    }
}
