//! Public addresses, and the kinds of the other ones.
//! Never: names; the checked address is the one that the client connects to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One range that is not public: its first address, the length of its prefix, its kind.
type Range<A> = (A, u32, &'static str);

/// IPv4 outside the public internet (RFC 6890 and IANA's special-purpose registry).
const RANGES_V4: [Range<Ipv4Addr>; 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a carrier"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // At this public address, a virtual machine reaches a service that returns credentials.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's host service"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// IPv6 outside the public internet, within and outside the allocated range.
const RANGES_V6: [Range<Ipv6Addr>; 18] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 96, "an IPv4-compatible form"),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, "an IPv4-translated form"),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "local NAT64"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "discarded"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "Teredo"),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, "for benchmarks"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, "reserved"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, "for segment routing"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "unique local"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// The range of IPv6 that is allocated to networks so far (RFC 4291 section 2.4, IANA's registry).
const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Kinds of addresses at which virtual machines get credentials.
const LINK_LOCAL: [&str; 2] = ["link-local", "a cloud's host service"];
/// NAT64 of the well-known prefix (RFC 6052 section 2.1): how IPv6-only networks reach IPv4.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// The kind of an address that is not public; `None` for a public address.
///
/// An IPv4 address within an IPv6 address counts as that IPv4 address. 6to4, Teredo and
/// IPv4-compatible forms are always rejected: no public service uses them.
pub(crate) fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

/// The kind of an address that a policy for private addresses can still reject.
pub(crate) fn link_local(address: IpAddr) -> Option<&'static str> {
    not_public(address).filter(|kind| LINK_LOCAL.contains(kind))
}

/// Whether an address is a loopback address, IPv4 within IPv6 included.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let inside = |(first, bits, _): &&Range<Ipv4Addr>| within_v4(address, *first, *bits);
    RANGES_V4.iter().find(inside).map(|(_, _, what)| *what)
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(embedded) = address.to_ipv4_mapped() {
        return not_public_v4(embedded);
    }
    let (prefix, bits) = NAT64;
    if within_v6(address, prefix, bits) {
        return not_public_v4(last_four(address));
    }
    if is_isatap(address) {
        return Some("ISATAP");
    }
    let inside = |(first, bits, _): &&Range<Ipv6Addr>| within_v6(address, *first, *bits);
    if let Some((_, _, what)) = RANGES_V6.iter().find(inside) {
        return Some(what);
    }
    let (prefix, bits) = PUBLIC_V6;
    (!within_v6(address, prefix, bits)).then_some("reserved")
}

/// RFC 5214 section 6.1: `5efe` before an IPv4 address, with or without the universal bit.
fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, global, mark, _, _] = address.segments();
    global & !0x0200 == 0 && mark == 0x5efe
}

fn last_four(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

fn within_v4(address: Ipv4Addr, first: Ipv4Addr, bits: u32) -> bool {
    let differing = u32::from(address) ^ u32::from(first);
    differing.leading_zeros() >= bits
}

fn within_v6(address: Ipv6Addr, first: Ipv6Addr, bits: u32) -> bool {
    let differing = u128::from(address) ^ u128::from(first);
    differing.leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expect: Option<&str>) {
        assert_eq!(not_public(address.parse().unwrap()), expect, "{address}");
    }

    #[test]
    fn t_042_special_ipv4_ranges_are_not_public() {
        let cases = [
            ("0.0.0.0", "0.255.255.255", "unspecified"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "shared by a carrier"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("168.63.129.16", "168.63.129.16", "a cloud's host service"),
            ("169.254.0.0", "169.254.255.255", "link-local"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "reserved for protocols"),
            ("192.0.2.0", "192.0.2.255", "for documentation"),
            ("192.88.99.0", "192.88.99.255", "a 6to4 relay"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "for benchmarks"),
            ("198.51.100.0", "198.51.100.255", "for documentation"),
            ("203.0.113.0", "203.0.113.255", "for documentation"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.254", "reserved"),
            ("255.255.255.255", "255.255.255.255", "broadcast"),
        ];
        for (first, last, what) in cases {
            check(first, Some(what));
            check(last, Some(what));
            // The same addresses, in the two forms of IPv6 that lead to them.
            for prefix in ["::ffff:", "64:ff9b::"] {
                check(&format!("{prefix}{first}"), Some(what));
                check(&format!("{prefix}{last}"), Some(what));
            }
        }
    }

    #[test]
    fn t_042_neighbours_of_special_ranges_are_public() {
        let cases = [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "8.8.8.8",
        ];
        for address in cases {
            check(address, None);
            check(&format!("::ffff:{address}"), None);
            check(&format!("64:ff9b::{address}"), None);
        }
    }

    #[test]
    fn t_042_special_ipv6_ranges_are_not_public() {
        let cases = [
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "an IPv4-compatible form"),
            ("::127.0.0.1", "an IPv4-compatible form"),
            ("::8.8.8.8", "an IPv4-compatible form"),
            ("::ffff:0:127.0.0.1", "an IPv4-translated form"),
            ("::1:0:0:0", "reserved"),
            ("64:ff9b:0:1::1", "reserved"),
            ("64:ff9b:1::", "local NAT64"),
            ("64:ff9b:1:ffff:ffff:ffff:808:808", "local NAT64"),
            ("64:ff9b:2::1", "reserved"),
            ("100::1", "discarded"),
            ("100:0:0:1::1", "reserved"),
            ("1fff:ffff::1", "reserved"),
            ("2001::1", "Teredo"),
            // Teredo holds the client's IPv4 address inverted: 127.0.0.1 here.
            ("2001:0:808:808:0:0:80ff:fffe", "Teredo"),
            ("2001:2::1", "for benchmarks"),
            ("2001:10::1", "reserved for protocols"),
            ("2001:1ff:ffff::1", "reserved for protocols"),
            ("2001:db8::1", "for documentation"),
            ("2002:7f00:1::", "6to4"),
            ("2002:a9fe:a9fe::1", "6to4"),
            ("2002:808:808::1", "6to4"),
            ("3ffe::1", "reserved"),
            ("3fff::1", "for documentation"),
            ("3fff:fff:ffff::1", "for documentation"),
            ("4000::1", "reserved"),
            ("5f00::1", "for segment routing"),
            ("fc00::1", "unique local"),
            ("fd00:ec2::254", "unique local"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("feff::1", "site-local"),
            ("ff02::1", "multicast"),
            ("2600:1::5efe:7f00:1", "ISATAP"),
            ("2600:1::200:5efe:a00:1", "ISATAP"),
        ];
        for (address, what) in cases {
            check(address, Some(what));
        }
        let public = [
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "2a00:1450:4001:829::200e",
            "3ffd::1",
            "3fff:1000::1",
        ];
        for address in public {
            check(address, None);
        }
    }

    #[test]
    fn loopback_is_recognized_in_both_families() {
        let cases = [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::", false),
            ("0.0.0.0", false),
        ];
        for (address, expect) in cases {
            assert_eq!(is_loopback(address.parse().unwrap()), expect, "{address}");
        }
    }
}
