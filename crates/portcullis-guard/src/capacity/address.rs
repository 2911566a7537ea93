//! Addresses in canonical form, and the prefixes that limits count.
//! Never: an address from a header; `admission/proxy.rs` reads those.

use std::net::IpAddr;

use portcullis_model::{Limit, Now};

use crate::tables::buckets::Rates;
use crate::tables::rate::Rate;

/// How many times more a /48 may use than one of its /64s.
pub(crate) const SITE_FACTOR: u32 = 8;

/// The canonical form of an address: `::ffff:1.2.3.4` is `1.2.3.4` (RFC 4291 section 2.5.5.2).
pub(crate) fn canonical(peer: IpAddr) -> IpAddr {
    peer.to_canonical()
}

/// What one customer usually has: an IPv4 address, or a /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Prefix {
    Host([u8; 4]),
    Network([u8; 8]),
    Site([u8; 6]),
}

/// The narrow prefix of an address, and the wide one if its kind has one.
pub(crate) fn prefixes(client: IpAddr) -> (Prefix, Option<Prefix>) {
    match canonical(client) {
        IpAddr::V4(address) => (Prefix::Host(address.octets()), None),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h, ..] = address.octets();
            (Prefix::Network([a, b, c, d, e, f, g, h]), Some(Prefix::Site([a, b, c, d, e, f])))
        }
    }
}

/// Takes one from the buckets of the prefixes of a client. The error is the time to wait, in ms.
///
/// The narrow bucket comes first, so that a network over its limit uses up nothing of its site.
pub(crate) fn take(
    rates: &Rates,
    limit: Limit,
    client: IpAddr,
    rate: &Rate,
    now: Now,
) -> Result<(), u64> {
    let (narrow, wide) = prefixes(client);
    rates.take(limit, rates.key(narrow), rate, now)?;
    match wide {
        Some(site) => rates.take(limit, rates.key(site), &rate.times(SITE_FACTOR), now),
        None => Ok(()),
    }
}

/// Returns one that [`take`] has taken.
pub(crate) fn give_back(rates: &Rates, limit: Limit, client: IpAddr, rate: &Rate) {
    let (narrow, wide) = prefixes(client);
    rates.give_back(limit, rates.key(narrow), rate);
    if let Some(site) = wide {
        rates.give_back(limit, rates.key(site), &rate.times(SITE_FACTOR));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(addresses: impl Iterator<Item = String>) -> usize {
        let rates = Rates::new(4096);
        let rate = Rate::per(10, 60_000);
        let now = Now::default();
        addresses
            .map(|text| text.parse::<IpAddr>().unwrap())
            .filter(|address| take(&rates, Limit::ConnectPerPrefix, *address, &rate, now).is_ok())
            .count()
    }

    #[test]
    fn t_077_t_078_addresses_of_a_prefix_share_a_bucket() {
        let cases: [(&str, Box<dyn Iterator<Item = String>>, usize); 5] = [
            ("one /64", Box::new((0..1000).map(|n| format!("2001:db8:1:2::{n:x}"))), 10),
            ("one /48", Box::new((0..1000).map(|n| format!("2001:db8:1:{:x}::1", n % 100))), 80),
            ("two /48", Box::new((0..1000).map(|n| format!("2001:db8:{:x}:{n:x}::1", n % 2))), 160),
            (
                "mapped and plain",
                Box::new(
                    (0..40).map(|n| {
                        String::from(if n % 2 == 0 { "::ffff:1.2.3.4" } else { "1.2.3.4" })
                    }),
                ),
                10,
            ),
            ("other addresses", Box::new((0..40).map(|n| format!("1.2.3.{n}"))), 40),
        ];
        for (name, addresses, expect) in cases {
            assert_eq!(passes(addresses), expect, "{name}");
        }
    }

    #[test]
    fn network_over_its_limit_takes_no_share_of_its_site() {
        let repeated = (0..500).map(|_| String::from("2001:db8:1:2::1"));
        let neighbours = (3..10).map(|n| format!("2001:db8:1:{n:x}::1"));
        assert_eq!(passes(repeated.chain(neighbours)), 17);
    }
}
