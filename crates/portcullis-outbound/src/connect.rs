//! From a host's name to a socket, through the check of addresses.
//! Never: a second look-up after the check; an address that was not checked.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::address;
use crate::error::OutboundError;
use crate::policy::Policy;
use crate::target::{Scheme, Target};

/// Most addresses of a host that are tried.
const TRIED_MAX: usize = 4;

/// Connects to the first allowed address that answers.
pub(crate) async fn connect(target: &Target, policy: &Policy) -> Result<TcpStream, OutboundError> {
    let found = resolve(target).await?;
    let addresses = allowed(target, policy, found)?;
    // An address that drops packets must not use up the time of the others.
    let tries = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let share = policy.deadline / tries;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    Err(OutboundError::Connect { host: target.host_text(), source: last })
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, OutboundError> {
    if let Some(address) = target.literal() {
        return Ok(vec![SocketAddr::new(address, target.port())]);
    }
    let host = target.host_text();
    let found = lookup_host((host.as_str(), target.port())).await.map(Iterator::collect);
    found.map_err(|source| OutboundError::Resolve { host, source })
}

/// The resolved addresses that are allowed; an error if there are none.
fn allowed(
    target: &Target,
    policy: &Policy,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, OutboundError> {
    let mut allowed = Vec::with_capacity(found.len());
    let mut refused = None;
    for address in found {
        match fault(target, policy, address) {
            None => allowed.push(address),
            Some(range) => refused = refused.or(Some((address.ip(), range))),
        }
    }
    if !allowed.is_empty() {
        return Ok(in_turns(allowed));
    }
    let host = target.host_text();
    Err(match refused {
        // The advice to allow private addresses would not help if they are already allowed.
        Some(_) if policy.private_allowed && target.scheme() == Scheme::Http => {
            OutboundError::Plain(host)
        }
        Some((address, range)) => OutboundError::Private { host, address, range },
        None => OutboundError::NoAddress(host),
    })
}

/// The first addresses, alternating between the families, in case one family does not work.
///
/// Within a family, the order of the resolver stays; the family of its first address begins
/// (RFC 8305 section 4).
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (mut fours, mut sixes) = (0_usize, 0_usize);
    let ranked = addresses.into_iter().map(|address| {
        let turn = if address.is_ipv4() { &mut fours } else { &mut sixes };
        *turn += 1;
        (*turn, address)
    });
    let mut ranked: Vec<(usize, SocketAddr)> = ranked.collect();
    // The sort is stable, so the preferred family stays first within each pair.
    ranked.sort_by_key(|(turn, _)| *turn);
    ranked.into_iter().take(TRIED_MAX).map(|(_, address)| address).collect()
}

/// The reason why a connection to the address is not allowed.
fn fault(target: &Target, policy: &Policy, address: SocketAddr) -> Option<&'static str> {
    match target.scheme() {
        // `localhost` is an ordinary name until its address is known.
        Scheme::Http if !address::is_loopback(address.ip()) => Some("another machine"),
        Scheme::Http | Scheme::Https => policy.rejected(address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Policy = Policy {
        private_allowed: false,
        link_local_allowed: true,
        deadline: std::time::Duration::from_secs(1),
        body_max_bytes: 1,
        roots_pem: None,
    };
    const LOOSE: Policy = Policy { private_allowed: true, ..STRICT };

    /// Expects the addresses that are tried, or the first words of the error.
    fn check(url: &str, policy: &Policy, found: &[&str], expect: &str) {
        let target = Target::parse(url, &LOOSE).unwrap();
        let found = found.iter().map(|it| SocketAddr::new(it.parse().unwrap(), 443)).collect();
        match allowed(&target, policy, found) {
            Ok(tried) => {
                let tried: Vec<String> = tried.iter().map(|it| it.ip().to_string()).collect();
                assert_eq!(tried.join(" "), expect);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.starts_with(expect) && expect.contains(&target.host_text()), "{text}");
            }
        }
    }

    #[test]
    fn t_042_of_mixed_addresses_only_public_ones_are_tried() {
        let url = "https://a.example/";
        let mixed = ["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111", "169.254.169.254"];
        check(url, &STRICT, &mixed, "8.8.8.8 2606:4700::1111");
        check(url, &STRICT, &["::ffff:8.8.8.8", "::ffff:10.0.0.1"], "::ffff:8.8.8.8");
        check(url, &STRICT, &["10.0.0.1", "::1"], "a.example is at 10.0.0.1, private, ");
        check(url, &STRICT, &["64:ff9b::7f00:1"], "a.example is at 64:ff9b::7f00:1, loopback, ");
        check(url, &STRICT, &[], "a.example has no address: ");
        check(url, &LOOSE, &["10.0.0.1", "8.8.8.8"], "10.0.0.1 8.8.8.8");
        check(url, &STRICT, &["8.8.8.8"; 9], "8.8.8.8 8.8.8.8 8.8.8.8 8.8.8.8");
    }

    #[test]
    fn addresses_alternate_between_families() {
        let url = "https://a.example/";
        let sixes = ["2606::1", "2606::2", "2606::3", "2606::4", "2606::5", "8.8.8.8", "8.8.4.4"];
        check(url, &STRICT, &sixes, "2606::1 8.8.8.8 2606::2 8.8.4.4");
        let fours = ["8.8.8.8", "2606::1", "2606::2", "2606::3", "2606::4"];
        check(url, &STRICT, &fours, "8.8.8.8 2606::1 2606::2 2606::3");
        // A rejected address uses no turn.
        let mixed = ["fd00::1", "2606::1", "10.0.0.1", "2606::2", "8.8.8.8"];
        check(url, &STRICT, &mixed, "2606::1 8.8.8.8 2606::2");
    }

    #[test]
    fn t_042_remote_localhost_gets_no_plain_request() {
        let url = "http://localhost/";
        check(url, &LOOSE, &["8.8.8.8", "127.0.0.1", "10.0.0.1"], "127.0.0.1");
        check(url, &LOOSE, &["8.8.8.8"], "http:// to localhost is not safe");
    }
}
