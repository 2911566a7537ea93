//! The client of a request, as trusted proxies report it.
//! Never: a header of a peer that is not one of the operator's proxies.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::capacity::address::canonical;
use crate::error::GateError;

/// Most hops that are read, from the nearest one on.
const HOPS_MAX: usize = 16;

/// The proxies that are trusted, and the header that they write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyRules {
    /// Networks of the operator's own proxies, such as `10.0.0.0/8` or `192.0.2.1`.
    pub trusted: Vec<String>,
    /// The header they write the client's address in.
    pub header: ForwardedHeader,
}

/// The header that proxies write. Other headers may be the client's own, and are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`; each proxy appends the address of its peer.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// None: they use the PROXY protocol, or report no address.
    None,
}

/// The scheme of the client's request to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientScheme {
    /// Over TLS: `https` or `wss`.
    Https,
    /// In plain text: `http` or `ws`.
    Http,
}

/// Reads the schemes of one header line; what cannot be read is left out.
type ReadSchemes = fn(&[u8]) -> Vec<ClientScheme>;

/// Reads one header line: its addresses from its end, nothing where one cannot be read.
type ReadLine = fn(&[u8]) -> Vec<Option<IpAddr>>;

/// [`ProxyRules`], read.
#[derive(Debug, Default, Clone)]
pub(crate) struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl Proxies {
    pub(crate) fn parse(rules: &ProxyRules) -> Result<Self, GateError> {
        let networks = rules
            .trusted
            .iter()
            .map(|text| network(text).ok_or_else(|| GateError::Proxy(text.clone())));
        Ok(Self { trusted: networks.collect::<Result<_, _>>()?, header: rules.header })
    }

    /// Whether a network has an address in common with a trusted one.
    pub(crate) fn overlaps(&self, network: IpNet) -> bool {
        let is_inside = |own: &IpNet| own.contains(&network) || network.contains(own);
        self.trusted.iter().any(is_inside)
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// See [`Admission::forwarded_scheme`].
    pub(crate) fn scheme(&self, peer: IpAddr, headers: &[(&str, &[u8])]) -> Option<ClientScheme> {
        if !self.trusts(canonical(peer)) {
            return None;
        }
        let (name, read): (_, ReadSchemes) = match self.header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-proto", listed_schemes),
            ForwardedHeader::Forwarded => ("forwarded", forwarded_schemes),
            ForwardedHeader::None => return None,
        };
        let lines = headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let schemes: Vec<_> = lines.flat_map(|(_, value)| read(value)).collect();
        let is_secure = schemes.contains(&ClientScheme::Https);
        if is_secure { Some(ClientScheme::Https) } else { schemes.first().copied() }
    }

    pub(crate) fn client(&self, peer: IpAddr, headers: &[(&str, &[u8])]) -> IpAddr {
        let mut client = canonical(peer);
        if !self.trusts(client) {
            return client;
        }
        let (name, read): (_, ReadLine) = match self.header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", listed),
            ForwardedHeader::Forwarded => ("forwarded", forwarded),
            ForwardedHeader::None => return client,
        };
        // Lines of one name are one list, in their order (RFC 9110 section 5.3).
        let lines = headers.iter().rev().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let hops = lines.flat_map(|(_, value)| read(value));
        for hop in hops.take(HOPS_MAX) {
            // A hop that cannot be parsed is not from a trusted proxy: the last valid hop counts.
            let Some(address) = hop else { return client };
            client = address;
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }
}

/// A network, or one address; with no bit set after its length, which would be a mistake.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(canonical(address)));
    }
    let network = text.parse::<IpNet>().ok()?;
    (network.trunc() == network).then_some(network)
}

/// The addresses of an `X-Forwarded-For` line, from its end.
fn listed(line: &[u8]) -> Vec<Option<IpAddr>> {
    let elements = line.rsplit(|byte| *byte == b',').take(HOPS_MAX);
    elements.map(|element| node(element.trim_ascii())).collect()
}

/// The `for` addresses of a `Forwarded` line, from its end.
///
/// A line outside the grammar of RFC 7239 gives one unreadable address, because the start of its
/// elements is unknown.
fn forwarded(line: &[u8]) -> Vec<Option<IpAddr>> {
    let Some(mut elements) = elements_of(line) else { return vec![None] };
    elements.reverse();
    elements.truncate(HOPS_MAX);
    elements
}

/// The schemes of an `X-Forwarded-Proto` line.
fn listed_schemes(line: &[u8]) -> Vec<ClientScheme> {
    let elements = line.split(|byte| *byte == b',').take(HOPS_MAX);
    elements.filter_map(|element| scheme(element.trim_ascii())).collect()
}

/// The `proto` parameters of a `Forwarded` line, up to what cannot be read.
fn forwarded_schemes(line: &[u8]) -> Vec<ClientScheme> {
    let mut schemes = Vec::new();
    let mut rest = line;
    while let Some((name, value, after)) = pair(rest) {
        if name.eq_ignore_ascii_case(b"proto") && schemes.len() < HOPS_MAX {
            schemes.extend(scheme(value));
        }
        match after.split_first() {
            Some((b';' | b',', after)) => rest = after,
            Some(_) | None => break,
        }
    }
    schemes
}

fn scheme(text: &[u8]) -> Option<ClientScheme> {
    let is = |names: [&[u8]; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    if is([b"https", b"wss"]) {
        Some(ClientScheme::Https)
    } else if is([b"http", b"ws"]) {
        Some(ClientScheme::Http)
    } else {
        None
    }
}

fn elements_of(line: &[u8]) -> Option<Vec<Option<IpAddr>>> {
    let mut elements = Vec::new();
    let mut rest = line;
    loop {
        let mut found = None;
        loop {
            let (name, value, after) = pair(rest)?;
            if name.eq_ignore_ascii_case(b"for") {
                // A parameter that occurs twice in an element has no defined meaning.
                if found.is_some() {
                    return None;
                }
                found = Some(node(value));
            }
            rest = after;
            match rest.split_first() {
                Some((b';', after)) => rest = after,
                _ => break,
            }
        }
        elements.push(found.flatten());
        match rest.split_first() {
            None => return Some(elements),
            Some((b',', after)) => rest = after,
            Some(_) => return None,
        }
    }
}

/// One `name=value`, with the value's quotes taken off, and what follows it.
fn pair(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let input = input.trim_ascii_start();
    let equals = input.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (input.get(..equals)?, input.get(equals + 1..)?);
    if name.is_empty() || !name.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    if let Some(quoted) = value.strip_prefix(b"\"") {
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        let text = quoted.get(..end)?;
        // An escape could hide the end of the text; no address needs one.
        if text.contains(&b'\\') {
            return None;
        }
        return Some((name, text, quoted.get(end + 1..)?.trim_ascii_start()));
    }
    let end = value.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or(value.len());
    Some((name, value.get(..end)?.trim_ascii(), value.get(end..)?))
}

/// An address, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`,
/// `2001:db8::1`.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(canonical(address));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':');
        let is_valid = port.map_or(rest.ends_with(']'), is_port);
        let address = address.parse().ok().map(IpAddr::V6)?;
        return is_valid.then_some(canonical(address));
    }
    let (address, port) = text.split_once(':')?;
    let address = address.parse().ok().map(IpAddr::V4)?;
    is_port(port).then_some(address)
}

fn is_port(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proxies(header: ForwardedHeader) -> Proxies {
        let trusted = ["10.0.0.0/8", "2001:db8:f::/48", "192.0.2.1"].map(String::from).to_vec();
        Proxies::parse(&ProxyRules { trusted, header }).unwrap()
    }

    #[test]
    fn scheme_is_believed_from_trusted_proxies_only() {
        use ClientScheme::{Http, Https};
        let scheme = |header, peer: &str, lines: Lines<'_>| {
            let lines: Vec<_> =
                lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            proxies(header).scheme(peer.parse().unwrap(), &lines)
        };
        let cases: [(ForwardedHeader, &str, Lines<'_>, Option<ClientScheme>); 12] = [
            (ForwardedHeader::XForwardedFor, "10.0.0.1", &[], None),
            (
                ForwardedHeader::XForwardedFor,
                "10.0.0.1",
                &[("X-Forwarded-Proto", "https")],
                Some(Https),
            ),
            (
                ForwardedHeader::XForwardedFor,
                "10.0.0.1",
                &[("x-forwarded-proto", "HTTP")],
                Some(Http),
            ),
            (
                ForwardedHeader::XForwardedFor,
                "10.0.0.1",
                &[("X-Forwarded-Proto", "https, http")],
                Some(Https),
            ),
            (
                ForwardedHeader::XForwardedFor,
                "10.0.0.1",
                &[("X-Forwarded-Proto", "wss")],
                Some(Https),
            ),
            (ForwardedHeader::XForwardedFor, "10.0.0.1", &[("X-Forwarded-Proto", "gopher")], None),
            (ForwardedHeader::XForwardedFor, "10.0.0.1", &[("Forwarded", "proto=https")], None),
            (
                ForwardedHeader::XForwardedFor,
                "198.51.100.1",
                &[("X-Forwarded-Proto", "https")],
                None,
            ),
            (
                ForwardedHeader::Forwarded,
                "10.0.0.1",
                &[("Forwarded", "for=1.2.3.4;proto=https")],
                Some(Https),
            ),
            (
                ForwardedHeader::Forwarded,
                "10.0.0.1",
                &[("Forwarded", "for=1.2.3.4;proto=\"http\", for=x")],
                Some(Http),
            ),
            (ForwardedHeader::Forwarded, "10.0.0.1", &[("X-Forwarded-Proto", "https")], None),
            (ForwardedHeader::None, "10.0.0.1", &[("X-Forwarded-Proto", "https")], None),
        ];
        for (header, peer, lines, expect) in cases {
            assert_eq!(scheme(header, peer, lines), expect, "{header:?} {peer} {lines:?}");
        }
    }

    /// Header lines.
    type Lines<'a> = &'a [(&'a str, &'a str)];

    fn client(header: ForwardedHeader, peer: &str, lines: Lines<'_>) -> String {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        proxies(header).client(peer.parse().unwrap(), &lines).to_string()
    }

    #[test]
    fn t_073_t_074_t_075_last_address_outside_the_proxies_is_the_client() {
        let long = vec!["203.0.113.9"; 100].join(", ");
        let huge = "x".repeat(64 * 1024);
        let cases: [(&str, Lines<'_>, &str); 21] = [
            // Headers of a client that is not a proxy are ignored.
            ("203.0.113.7", &[("X-Forwarded-For", "1.2.3.4")], "203.0.113.7"),
            ("203.0.113.7", &[("X-Forwarded-For", "10.0.0.1")], "203.0.113.7"),
            // A proxy's does, from the end.
            ("10.0.0.1", &[("X-Forwarded-For", "203.0.113.7")], "203.0.113.7"),
            ("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, 203.0.113.7")], "203.0.113.7"),
            ("10.0.0.1", &[("X-Forwarded-For", "1.2.3.4,203.0.113.7 ,10.2.3.4")], "203.0.113.7"),
            (
                "192.0.2.1",
                &[("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "203.0.113.7")],
                "203.0.113.7",
            ),
            ("::ffff:10.0.0.1", &[("X-Forwarded-For", "::ffff:203.0.113.7")], "203.0.113.7"),
            ("10.0.0.1", &[("X-Forwarded-For", "203.0.113.7:1234")], "203.0.113.7"),
            ("10.0.0.1", &[("X-Forwarded-For", "[2001:db8::7]:1234")], "2001:db8::7"),
            ("10.0.0.1", &[("X-Forwarded-For", "[2001:db8::7]")], "2001:db8::7"),
            ("10.0.0.1", &[("X-Forwarded-For", "2001:db8::7, 2001:db8:f::1")], "2001:db8::7"),
            // All addresses are proxies: the farthest one counts.
            ("10.0.0.1", &[("X-Forwarded-For", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            // Nothing, or nothing that can be read: the hop that was last known.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[("X-Forwarded-For", "")], "10.0.0.1"),
            ("10.0.0.1", &[("X-Forwarded-For", "203.0.113.7, unknown")], "10.0.0.1"),
            ("10.0.0.1", &[("X-Forwarded-For", "203.0.113.7, evil, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[("X-Forwarded-For", "[2001:db8::7")], "10.0.0.1"),
            ("10.0.0.1", &[("X-Forwarded-For", "203.0.113.7:99999")], "10.0.0.1"),
            ("10.0.0.1", &[("X-Forwarded-For", &long)], "203.0.113.9"),
            ("10.0.0.1", &[("X-Forwarded-For", &huge)], "10.0.0.1"),
            // Headers that a client could have sent itself are never read.
            (
                "10.0.0.1",
                &[
                    ("X-Real-IP", "1.1.1.1"),
                    ("True-Client-IP", "1.1.1.1"),
                    ("CF-Connecting-IP", "1.1.1.1"),
                    ("Forwarded", "for=1.1.1.1"),
                ],
                "10.0.0.1",
            ),
        ];
        for (peer, lines, expect) in cases {
            assert_eq!(client(ForwardedHeader::XForwardedFor, peer, lines), expect, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_by_its_grammar() {
        let cases = [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:80\";proto=https;by=10.0.0.1", "203.0.113.7"),
            ("for=1.2.3.4, proto=https;for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("for=\"1.2.3.4, for=9.9.9.9\", for=203.0.113.7", "203.0.113.7"),
            ("for=203.0.113.7, for=10.0.0.2;by=10.0.0.1", "203.0.113.7"),
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("proto=https", "10.0.0.1"),
            ("for=1.2.3.4;for=203.0.113.7", "10.0.0.1"),
            ("for=\"1.2.3.4, for=203.0.113.7", "10.0.0.1"),
            ("for=\"1.2.3.4\\\", for=203.0.113.7", "10.0.0.1"),
            ("for=203.0.113.7,", "10.0.0.1"),
            ("203.0.113.7", "10.0.0.1"),
            ("", "10.0.0.1"),
        ];
        for (line, expect) in cases {
            let lines = [("Forwarded", line), ("X-Forwarded-For", "1.1.1.1")];
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &lines), expect, "{line:?}");
            assert_eq!(client(ForwardedHeader::None, "10.0.0.1", &lines), "10.0.0.1");
        }
    }

    #[test]
    fn networks_are_read_strictly() {
        for text in ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert!(network(text).is_some(), "{text}");
        }
        for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0", "localhost", "", "10.0.0.0/8 "] {
            let rules = ProxyRules { trusted: vec![text.into()], ..ProxyRules::default() };
            assert_eq!(Proxies::parse(&rules).unwrap_err(), GateError::Proxy(text.into()));
        }
    }

    proptest! {
        #[test]
        fn addresses_added_by_clients_are_ignored(
            before in "[ -~]{0,60}", hop in any::<[u8; 4]>(), quoted in any::<bool>()
        ) {
            let real = IpAddr::from(hop);
            prop_assume!(!proxies(ForwardedHeader::XForwardedFor).trusts(real));
            let line = format!("{before}, {real}");
            let lines = [("X-Forwarded-For", line.as_str())];
            let found = client(ForwardedHeader::XForwardedFor, "10.0.0.1", &lines);
            prop_assert_eq!(found, real.to_string());
            let real = if quoted { format!("\"{real}\"") } else { real.to_string() };
            let line = format!("{before}, for={real}");
            let found = client(ForwardedHeader::Forwarded, "10.0.0.1", &[("Forwarded", &line)]);
            // Either the real one or, where the grammar is broken, the proxy itself.
            prop_assert!(found == real.trim_matches('"') || found == "10.0.0.1", "{}", found);
        }
    }
}
