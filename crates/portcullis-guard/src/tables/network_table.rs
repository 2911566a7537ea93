//! A table of networks, in which the networks around an address are found by a binary search.
//! Never: a decision; `directory/blocks.rs` makes it.

use std::net::IpAddr;

use ipnet::IpNet;

/// A network: its first and last address as numbers, IPv4 as mapped IPv6 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u128,
    last: u128,
}

/// Values by network. Networks contain each other or have no address in common.
///
/// A lookup takes a binary search over at most twice as many addresses as there are networks.
#[derive(Debug)]
pub(crate) struct NetworkTable<V> {
    /// Where the innermost network changes: the address, and the index of that network.
    bounds: Vec<(u128, Option<usize>)>,
    /// The values, each with the index of the next larger network around it.
    values: Vec<(V, Option<usize>)>,
}

impl<V> NetworkTable<V> {
    /// Builds the table from networks that occur once each.
    pub(crate) fn build(networks: impl IntoIterator<Item = (IpNet, V)>) -> Self {
        let ranges = networks.into_iter().map(|(network, value)| (range(network), value));
        let mut sorted: Vec<_> = ranges.collect();
        // A network comes before the networks that it contains.
        sorted.sort_by_key(|(range, _)| (range.first, std::cmp::Reverse(range.last)));
        let mut table = Self { bounds: Vec::new(), values: Vec::with_capacity(sorted.len()) };
        let mut open: Vec<(u128, usize)> = Vec::new();
        for (range, value) in sorted {
            table.close(&mut open, range.first);
            let outer = open.last().map(|(_, index)| *index);
            let index = table.values.len();
            table.bounds.push((range.first, Some(index)));
            table.values.push((value, outer));
            open.push((range.last, index));
        }
        table.close(&mut open, u128::MAX);
        table
    }

    /// Ends the open networks that lie before an address.
    fn close(&mut self, open: &mut Vec<(u128, usize)>, before: u128) {
        while let Some((last, _)) = open.last().copied().filter(|(last, _)| *last < before) {
            open.pop();
            let outer = open.last().map(|(_, index)| *index);
            self.bounds.push((last.saturating_add(1), outer));
        }
    }

    /// The values of the networks that contain an address, the smallest network first.
    pub(crate) fn around(&self, address: IpAddr) -> impl Iterator<Item = &V> {
        let address = number(address);
        // Of several bounds at one address, the last one holds.
        let after = self.bounds.partition_point(|(first, _)| *first <= address);
        let bound = after.checked_sub(1).and_then(|index| self.bounds.get(index));
        let mut next = bound.and_then(|(_, innermost)| *innermost);
        std::iter::from_fn(move || {
            let (value, outer) = self.values.get(next?)?;
            next = *outer;
            Some(value)
        })
    }

    /// All values.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.values.iter().map(|(value, _)| value)
    }
}

impl<V> Default for NetworkTable<V> {
    fn default() -> Self {
        Self { bounds: Vec::new(), values: Vec::new() }
    }
}

fn range(network: IpNet) -> Range {
    Range { first: number(network.network()), last: number(network.broadcast()) }
}

/// The address as a number; an IPv4 address and its mapped form are the same.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(networks: &[&str]) -> NetworkTable<String> {
        NetworkTable::build(networks.iter().map(|text| (text.parse().unwrap(), text.to_string())))
    }

    #[test]
    fn networks_around_an_address_are_found_from_the_smallest_on() {
        let table = table(&[
            "203.0.113.0/24",
            "203.0.113.128/25",
            "203.0.113.255/32",
            "203.0.112.0/24",
            "0.0.0.0/16",
            "255.255.255.255/32",
            "2001:db8::/32",
            "2001:db8:0:1::/64",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ]);
        let cases: [(&str, &[&str]); 13] = [
            ("203.0.113.255", &["203.0.113.255/32", "203.0.113.128/25", "203.0.113.0/24"]),
            ("203.0.113.254", &["203.0.113.128/25", "203.0.113.0/24"]),
            ("203.0.113.0", &["203.0.113.0/24"]),
            ("::ffff:203.0.113.0", &["203.0.113.0/24"]),
            ("203.0.112.255", &["203.0.112.0/24"]),
            ("203.0.114.0", &[]),
            ("0.0.0.0", &["0.0.0.0/16"]),
            ("255.255.255.255", &["255.255.255.255/32"]),
            ("::", &[]),
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", &["2001:db8:0:1::/64", "2001:db8::/32"]),
            ("2001:db8:0:2::", &["2001:db8::/32"]),
            ("2001:db9::", &[]),
            (
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"],
            ),
        ];
        for (address, expect) in cases {
            let found: Vec<_> = table.around(address.parse().unwrap()).collect();
            assert_eq!(found, expect, "{address}");
        }
        assert_eq!(table.values().count(), 9);
        assert_eq!(NetworkTable::<()>::default().around("::1".parse().unwrap()).count(), 0);
    }

    proptest! {
        #[test]
        fn table_finds_what_a_search_through_all_networks_finds(
            networks in proptest::collection::hash_set((any::<u8>(), 24_u8..=32), 0..40),
            address in any::<u8>(),
        ) {
            let networks: std::collections::HashSet<IpNet> = networks
                .into_iter()
                .map(|(last, length)| {
                    let address = IpAddr::from([203, 0, 113, last]);
                    IpNet::new(address, length).unwrap().trunc()
                })
                .collect();
            let address = IpAddr::from([203, 0, 113, address]);
            let mut expect: Vec<_> =
                networks.iter().copied().filter(|network| network.contains(&address)).collect();
            expect.sort_by_key(|network| std::cmp::Reverse(network.prefix_len()));
            let table = NetworkTable::build(networks.iter().map(|network| (*network, *network)));
            prop_assert_eq!(table.around(address).copied().collect::<Vec<_>>(), expect);
        }
    }
}
