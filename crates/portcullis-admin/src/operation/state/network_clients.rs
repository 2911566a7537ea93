//! Connections and signed-in users of networks, counted at most once in five seconds.
//! Never: a count of a part of the shards as if it was all.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use portcullis_model::UserId;
use portcullis_server::{ConnectionFilter, Services, inspect_connections};

use crate::operation::desk::Desk;

/// A count is used again for this time.
const COUNTED_FOR_MS: u64 = 5_000;
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

/// The last count.
#[derive(Debug, Default)]
pub(crate) struct CountedClients {
    at_ms: u64,
    clients: NetworkClients,
}

impl CountedClients {
    /// The count, if it has all these networks and is new enough.
    fn current(&self, networks: &BTreeSet<IpNet>, now_ms: u64) -> Option<NetworkClients> {
        let is_current = now_ms < self.at_ms.saturating_add(COUNTED_FOR_MS)
            && networks.iter().all(|network| self.clients.contains_key(network));
        is_current.then(|| self.clients.clone())
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

/// Counts the clients of networks. There are no counts while a shard does not answer, or when the
/// server has more connections than the parts can compare: the list of offenders shows anyway.
pub(crate) async fn network_clients(
    desk: &Desk,
    services: &Services,
    networks: BTreeSet<IpNet>,
) -> NetworkClients {
    let now_ms = services.clock.now().monotonic_ms;
    if networks.is_empty() {
        return NetworkClients::new();
    }
    let known = desk.network_clients().current(&networks, now_ms);
    if let Some(known) = known {
        return known;
    }
    let filter =
        ConnectionFilter { networks: networks.iter().copied().collect(), ..Default::default() };
    let (mut tally, mut after) = (Tally::new(&networks), None);
    for _ in 0..PARTS_MAX {
        let page = inspect_connections(&services.hub, filter.clone(), after, PART_MAX).await;
        let Ok(page) = page else { break };
        for found in page.connections {
            tally.add(found.address, found.user.as_ref().map(|user| &user.id));
        }
        after = page.next;
        if after.is_none() {
            let clients = tally.clients();
            *desk.network_clients() = CountedClients { at_ms: now_ms, clients: clients.clone() };
            return clients;
        }
    }
    NetworkClients::new()
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn count_is_used_again_for_the_same_networks_within_five_seconds() {
        let known = networks(&["203.0.113.0/24", "198.51.100.0/24"]);
        let counted = CountedClients { at_ms: 10_000, clients: Tally::new(&known).clients() };
        let more = networks(&["203.0.113.0/24", "192.0.2.0/24"]);
        let part = networks(&["203.0.113.0/24"]);
        for (networks, now_ms, expect) in [
            (&known, 14_999, true),
            (&part, 10_000, true),
            (&known, 15_000, false),
            (&more, 10_000, false),
        ] {
            assert_eq!(counted.current(networks, now_ms).is_some(), expect, "{networks:?}");
        }
    }
}
