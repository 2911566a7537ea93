//! The networks that an administrator can block.
//! Never: the operator's own machines, or so many clients that it is an outage.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::admission::proxy::{Proxies, ProxyRules};
use crate::error::GateError;

/// Widest IPv4 network that can be blocked.
const IPV4_LENGTH_MIN: u8 = 16;
/// Widest IPv6 network that can be blocked.
const IPV6_LENGTH_MIN: u8 = 32;
/// Bits before the IPv4 address in a mapped address (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;
/// Longest text that is read, in bytes.
const TEXT_MAX_BYTES: usize = 64;

/// The reason why a network cannot be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// The text is not a network.
    #[error("the prefix is not an address or a network: write 203.0.113.0/24 or 2001:db8::/48")]
    Malformed,
    /// Bits are set after the length.
    #[error("the prefix has bits set after its length: write the first address of the network")]
    HostBits,
    /// The network is too wide.
    #[error("the prefix is too wide: block at most a /16 of IPv4 or a /32 of IPv6")]
    TooWide,
    /// The network contains loopback addresses.
    #[error("the prefix contains loopback addresses: local programs need them")]
    Loopback,
    /// The network contains a trusted proxy.
    #[error("the prefix contains a trusted proxy: a block would reject all its clients")]
    Proxy,
    /// The network contains the address of the private listener.
    #[error("the prefix contains the address of the private listener: choose a smaller prefix")]
    Private,
    /// The network contains the address of the administrator.
    #[error("the prefix contains your own address: choose a smaller prefix")]
    Own,
}

/// A network that can be blocked, in canonical form.
///
/// A mapped IPv6 network is an IPv4 network, and an address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockedNetwork(IpNet);

impl BlockedNetwork {
    /// Reads an address or a network.
    ///
    /// # Errors
    /// [`BlockFault`] for other texts, for networks that are too wide, and for loopback.
    pub fn parse(text: &str) -> Result<Self, BlockFault> {
        let network = canonical(read(text)?)?;
        if network.trunc() != network {
            return Err(BlockFault::HostBits);
        }
        let length_min = match network {
            IpNet::V4(_) => IPV4_LENGTH_MIN,
            IpNet::V6(_) => IPV6_LENGTH_MIN,
        };
        if network.prefix_len() < length_min {
            return Err(BlockFault::TooWide);
        }
        let is_loopback =
            network.network().is_loopback() || network.contains(&IpAddr::V6(Ipv6Addr::LOCALHOST));
        if is_loopback {
            return Err(BlockFault::Loopback);
        }
        // An IPv6 network around all mapped addresses would be all of IPv4.
        if network.contains(&IpAddr::V6(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped())) {
            return Err(BlockFault::TooWide);
        }
        Ok(Self(network))
    }

    /// The network.
    #[must_use]
    pub fn network(self) -> IpNet {
        self.0
    }

    /// Whether the network contains an address.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for BlockedNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

fn read(text: &str) -> Result<IpNet, BlockFault> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(BlockFault::Malformed);
    }
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse::<IpNet>()).map_err(|_| BlockFault::Malformed)
}

/// The IPv4 form of a mapped network; other networks as they are.
fn canonical(network: IpNet) -> Result<IpNet, BlockFault> {
    let IpNet::V6(wide) = network else { return Ok(network) };
    match (wide.addr().to_ipv4_mapped(), wide.prefix_len().checked_sub(MAPPED_BITS)) {
        (Some(address), Some(length)) => {
            IpNet::new(IpAddr::V4(address), length).map_err(|_| BlockFault::Malformed)
        }
        (Some(_), None) => Err(BlockFault::TooWide),
        (None, _) => Ok(network),
    }
}

/// The operator's own addresses, which cannot be blocked.
#[derive(Debug)]
pub struct BlockRules {
    proxies: Proxies,
    private: Option<IpAddr>,
}

impl BlockRules {
    /// Rules that protect the trusted proxies and the private listener.
    ///
    /// # Errors
    /// [`GateError::Proxy`] for a trusted proxy that is not a network.
    pub fn new(proxies: &ProxyRules, private: Option<IpAddr>) -> Result<Self, GateError> {
        Ok(Self { proxies: Proxies::parse(proxies)?, private })
    }

    /// Checks that a network can be blocked; `own` is the address of the administrator.
    ///
    /// # Errors
    /// [`BlockFault`] for the operator's own addresses.
    pub fn check(&self, network: BlockedNetwork, own: Option<IpAddr>) -> Result<(), BlockFault> {
        if self.proxies.overlaps(network.network()) {
            return Err(BlockFault::Proxy);
        }
        if self.private.is_some_and(|private| network.contains(private)) {
            return Err(BlockFault::Private);
        }
        if own.is_some_and(|own| network.contains(own)) {
            return Err(BlockFault::Own);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_405_networks_are_canonical_and_narrow() {
        let cases = [
            ("203.0.113.7", Ok("203.0.113.7/32")),
            ("203.0.113.0/24", Ok("203.0.113.0/24")),
            ("10.1.0.0/16", Ok("10.1.0.0/16")),
            ("::ffff:203.0.113.7", Ok("203.0.113.7/32")),
            ("::ffff:203.0.113.0/120", Ok("203.0.113.0/24")),
            ("::FFFF:cb00:7100/120", Ok("203.0.113.0/24")),
            ("2001:DB8:0:0::/48", Ok("2001:db8::/48")),
            ("2001:db8::/32", Ok("2001:db8::/32")),
            ("64:ff9b::/96", Ok("64:ff9b::/96")),
            ("fe80::1", Ok("fe80::1/128")),
            ("10.0.0.0/8", Err(BlockFault::TooWide)),
            ("0.0.0.0/0", Err(BlockFault::TooWide)),
            ("2001:db8::/31", Err(BlockFault::TooWide)),
            ("8000::/1", Err(BlockFault::TooWide)),
            ("::ffff:0:0/96", Err(BlockFault::TooWide)),
            ("::ffff:203.0.0.0/104", Err(BlockFault::TooWide)),
            ("::fffe:0:0/95", Err(BlockFault::TooWide)),
            ("::8000:0:0/81", Err(BlockFault::TooWide)),
            ("::/0", Err(BlockFault::TooWide)),
            ("::/64", Err(BlockFault::Loopback)),
            ("::1", Err(BlockFault::Loopback)),
            ("127.0.0.1", Err(BlockFault::Loopback)),
            ("127.7.0.0/16", Err(BlockFault::Loopback)),
            ("::ffff:127.0.0.1", Err(BlockFault::Loopback)),
            ("203.0.113.7/24", Err(BlockFault::HostBits)),
            ("2001:db8::1/48", Err(BlockFault::HostBits)),
            ("::ffff:203.0.113.7/120", Err(BlockFault::HostBits)),
            ("fe80::1%eth0", Err(BlockFault::Malformed)),
            ("203.0.113.0/33", Err(BlockFault::Malformed)),
            ("0313.0.0161.7", Err(BlockFault::Malformed)),
            ("203.0.113", Err(BlockFault::Malformed)),
            (" 203.0.113.7", Err(BlockFault::Malformed)),
            ("example.com", Err(BlockFault::Malformed)),
            ("", Err(BlockFault::Malformed)),
        ];
        for (text, expect) in cases {
            let found = BlockedNetwork::parse(text).map(|network| network.to_string());
            assert_eq!(found, expect.map(String::from), "{text}");
        }
    }

    #[test]
    fn t_405_addresses_of_the_operator_are_rejected_in_every_spelling() {
        let trusted = vec![String::from("192.0.2.0/28"), String::from("2001:db8:9::/64")];
        let proxies = ProxyRules { trusted, ..ProxyRules::default() };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let rules = BlockRules::new(&proxies, Some(address("10.0.0.5"))).unwrap();
        let cases = [
            ("192.0.2.0/24", Err(BlockFault::Proxy)),
            ("192.0.2.3", Err(BlockFault::Proxy)),
            ("::ffff:192.0.2.3", Err(BlockFault::Proxy)),
            ("2001:db8::/32", Err(BlockFault::Proxy)),
            ("2001:db8:9::7", Err(BlockFault::Proxy)),
            ("10.0.0.0/16", Err(BlockFault::Private)),
            ("203.0.113.0/24", Err(BlockFault::Own)),
            ("::ffff:203.0.113.0/120", Err(BlockFault::Own)),
            ("192.0.2.16/28", Ok(())),
            ("203.0.114.0/24", Ok(())),
        ];
        for (text, expect) in cases {
            let network = BlockedNetwork::parse(text).unwrap();
            for own in ["203.0.113.9", "::ffff:203.0.113.9"] {
                assert_eq!(rules.check(network, Some(address(own))), expect, "{text} {own}");
            }
        }
    }
}
