//! The sources of an attack: a user, networks, or the origin of pages.
//! Never: a network that can be blocked only together with most of the internet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use portcullis_server::{PartyKind, RejectedParty};

/// The share of all rejections from which one party is a source.
const PARTY_SHARE: f64 = 0.2;
/// The smallest share of a source beside blocked networks: others are bystanders.
const BYSTANDER_SHARE: f64 = 0.05;
/// The share from which a wider network is a source.
const WIDER_SHARE: f64 = 0.5;
/// The part of a neighbourhood's rejections that a wider network holds, at least.
const JOINED_PART: f64 = 0.9;
/// Fewer networks are sources on their own.
const JOINED_MIN: usize = 4;
/// Most networks that are named as sources.
const NETWORKS_MAX: usize = 3;
/// The widest networks that can be blocked.
const WIDEST_V4: u8 = 16;
const WIDEST_V6: u8 = 32;

/// A source of a large part of the rejections, and its part in percent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    User(RejectedParty, u64),
    Network(SourceNetwork),
    Origin(RejectedParty, u64),
}

/// A network that an operator can block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceNetwork {
    pub(crate) network: IpNet,
    pub(crate) percent: u64,
    /// The limit or rule that rejects it.
    pub(crate) rule: &'static str,
}

/// A network with its share of all rejections and its strongest rule.
type SharedNetwork = (IpNet, f64, &'static str);

/// The sources of an attack, at most three; none when it comes from everywhere.
///
/// A user comes before the network that the requests of the user come from, unless most of that
/// network's requests are of others. A wider network comes before the single ones in it if twice
/// as many rejections come from it as from the strongest of them.
///
/// `whole` is the share of all rejections that these parties can cause: less than 1 where blocked
/// networks cause the others.
pub(crate) fn sources(parties: &[RejectedParty], whole: f64) -> Vec<Source> {
    let of_kind = |kind: PartyKind| {
        let found = parties.iter().filter(move |party| party.kind == kind);
        let least = (PARTY_SHARE * whole).max(BYSTANDER_SHARE);
        let mut named: Vec<_> = found.filter(|party| party.share >= least).collect();
        named.sort_by(|one, other| other.share.total_cmp(&one.share));
        named
    };
    let single = of_kind(PartyKind::Prefix);
    let strongest = single.first().map_or(0.0, |party| party.share);
    if let Some(user) = of_kind(PartyKind::User).first()
        && user.share * 2.0 >= strongest
    {
        return vec![Source::User((*user).clone(), percent(user.share))];
    }
    let wider = wider(parties, whole).filter(|(_, share, _)| *share >= strongest * 2.0);
    let single = single
        .into_iter()
        .filter_map(|party| Some((party.value.parse().ok()?, party.share, party.rule)));
    let networks: Vec<_> = wider.into_iter().chain(single).take(NETWORKS_MAX).collect();
    if !networks.is_empty() {
        let source =
            |(network, share, rule)| SourceNetwork { network, percent: percent(share), rule };
        return networks.into_iter().map(|found| Source::Network(source(found))).collect();
    }
    let origin = of_kind(PartyKind::Origin).into_iter().next();
    origin.map(|party| Source::Origin(party.clone(), percent(party.share))).into_iter().collect()
}

fn percent(share: f64) -> u64 {
    (share.min(1.0) * 100.0).round() as u64
}

/// The smallest network that holds nearly all of one neighbourhood, if most rejections come from
/// it. The weakest neighbours are left out: they are bystanders, and would make it wider.
fn wider(parties: &[RejectedParty], whole: f64) -> Option<SharedNetwork> {
    let mut neighbourhoods: BTreeMap<IpNet, Vec<SharedNetwork>> = BTreeMap::new();
    for party in parties.iter().filter(|party| party.kind == PartyKind::Prefix) {
        let Ok(network) = party.value.parse::<IpNet>() else { continue };
        let widest = if network.addr().is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
        let Some(neighbourhood) = shortened(network, widest) else { continue };
        let member = (network, party.share, party.rule);
        neighbourhoods.entry(neighbourhood).or_default().push(member);
    }
    let joined = neighbourhoods.into_values().filter_map(join);
    let strongest = joined.max_by(|one, other| one.1.total_cmp(&other.1));
    let least = (WIDER_SHARE * whole).max(BYSTANDER_SHARE);
    strongest.filter(|(_, share, _)| *share >= least)
}

/// The smallest network that holds the strongest of these networks.
fn join(mut networks: Vec<SharedNetwork>) -> Option<SharedNetwork> {
    networks.sort_by(|one, other| other.1.total_cmp(&one.1));
    let total: f64 = networks.iter().map(|(_, share, _)| share).sum();
    let (mut common, mut share, rule) = *networks.first()?;
    let mut count = 1;
    for (network, more, _) in networks.iter().skip(1) {
        if share >= total * JOINED_PART {
            break;
        }
        common = enclosing(common, *network)?;
        share += more;
        count += 1;
    }
    let inside = networks.iter().filter(|(network, ..)| common.contains(network));
    let share = inside.map(|(_, share, _)| share).sum();
    (count >= JOINED_MIN).then_some((common, share, rule))
}

/// The smallest network that holds both.
fn enclosing(one: IpNet, other: IpNet) -> Option<IpNet> {
    let equal_bits = match (one.network(), other.network()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => equal_bits_v4(one, other),
        (IpAddr::V6(one), IpAddr::V6(other)) => equal_bits_v6(one, other),
        _ => return None,
    };
    let bits = u32::from(one.prefix_len().min(other.prefix_len())).min(equal_bits);
    shortened(one, u8::try_from(bits).ok()?)
}

fn equal_bits_v4(one: Ipv4Addr, other: Ipv4Addr) -> u32 {
    (one.to_bits() ^ other.to_bits()).leading_zeros()
}

fn equal_bits_v6(one: Ipv6Addr, other: Ipv6Addr) -> u32 {
    (one.to_bits() ^ other.to_bits()).leading_zeros()
}

fn shortened(network: IpNet, bits: u8) -> Option<IpNet> {
    IpNet::new(network.addr(), bits).ok().map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(kind: PartyKind, value: &str, percent: f64) -> RejectedParty {
        let (value, rule, share) = (String::from(value), "connect_per_prefix", percent / 100.0);
        RejectedParty { kind, value, rule, rejected: 1, per_s: 1.0, share, wait_ms: 0 }
    }

    fn networks(parties: &[RejectedParty]) -> Vec<(String, u64)> {
        let found = sources(parties, 1.0);
        let networks = found.into_iter().map(|source| match source {
            Source::Network(found) => (found.network.to_string(), found.percent),
            other => panic!("not a network: {other:?}"),
        });
        networks.collect()
    }

    #[test]
    fn each_strong_network_is_a_source_up_to_three() {
        let rates = [22.0, 21.0, 24.0, 23.0, 10.0];
        let parties: Vec<_> = (0..)
            .zip(rates)
            .map(|(number, rate)| party(PartyKind::Prefix, &format!("10.{number}.0.0/24"), rate))
            .collect();
        let found = networks(&parties);
        let expect = [("10.2.0.0/24", 24), ("10.3.0.0/24", 23), ("10.0.0.0/24", 22)];
        assert_eq!(found, expect.map(|(network, percent)| (String::from(network), percent)));
    }

    #[test]
    fn weak_neighbours_make_one_source_as_narrow_as_possible() {
        let of = |network: &str| party(PartyKind::Prefix, network, 6.0);
        let neighbours = |numbers: std::ops::Range<u8>| -> Vec<RejectedParty> {
            numbers.map(|number| of(&format!("198.18.{number}.0/24"))).collect()
        };
        let found = networks(&neighbours(16..26));
        assert_eq!(found, [(String::from("198.18.16.0/20"), 60)]);
        // Strong neighbours: the one network that holds them comes first.
        let strong: Vec<_> = (0..4)
            .map(|number| party(PartyKind::Prefix, &format!("10.0.{number}.0/24"), 25.0))
            .collect();
        let found = networks(&strong);
        assert_eq!(found.len(), NETWORKS_MAX);
        assert_eq!(found[0], (String::from("10.0.0.0/22"), 100));
        assert_eq!(found[1], (String::from("10.0.0.0/24"), 25));
        // A bystander makes it no wider, and two networks are two sources.
        let mut all = neighbours(16..32);
        all.push(party(PartyKind::Prefix, "198.18.200.0/24", 0.1));
        assert_eq!(networks(&all), [(String::from("198.18.16.0/20"), 96)]);
        let two = ["198.18.0.0/24", "198.18.255.0/24"];
        let two = two.map(|network| party(PartyKind::Prefix, network, 30.0));
        let singles = two.each_ref().map(|party| (party.value.clone(), 30));
        assert_eq!(networks(&two), singles);
        // A part that is too small, or spread beyond what can be blocked.
        assert_eq!(networks(&neighbours(16..24)), []);
        let spread: Vec<_> = (0..10).map(|number| of(&format!("198.{number}.0.0/24"))).collect();
        assert_eq!(networks(&spread), []);
    }

    #[test]
    fn neighbours_in_ipv6_make_one_source() {
        let parties: Vec<_> = (0..10)
            .map(|number| party(PartyKind::Prefix, &format!("2001:db8:{number}::/48"), 6.0))
            .collect();
        assert_eq!(networks(&parties), [(String::from("2001:db8::/44"), 60)]);
        let spread: Vec<_> = (0..10)
            .map(|number| party(PartyKind::Prefix, &format!("2001:{number}::/48"), 6.0))
            .collect();
        assert_eq!(networks(&spread), []);
    }

    #[test]
    fn user_comes_before_a_network_and_a_network_before_an_origin() {
        let origin = party(PartyKind::Origin, "https://evil.example", 99.0);
        let network = party(PartyKind::Prefix, "203.0.113.0/24", 95.0);
        let user = party(PartyKind::User, "u_1", 90.0);
        let all = [origin.clone(), network.clone(), user.clone()];
        assert_eq!(sources(&all, 1.0), [Source::User(user, 90)]);
        let weak = party(PartyKind::User, "u_2", 40.0);
        assert_eq!(networks(&[network.clone(), weak]), [(String::from("203.0.113.0/24"), 95)]);
        assert_eq!(networks(&[origin.clone(), network]), [(String::from("203.0.113.0/24"), 95)]);
        let weak = [party(PartyKind::Prefix, "203.0.113.0/24", 5.0)];
        assert_eq!(sources(&weak, 1.0), []);
        assert_eq!(sources(&weak, 0.1).len(), 1, "the other rejections are of blocked networks");
        let bystander = [party(PartyKind::Prefix, "203.0.113.0/24", 4.0)];
        assert_eq!(sources(&bystander, 0.05), []);
        let alone = std::slice::from_ref(&origin);
        assert_eq!(sources(alone, 1.0), [Source::Origin(origin.clone(), 99)]);
    }
}
