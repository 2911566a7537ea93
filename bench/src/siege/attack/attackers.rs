//! Addresses and accounts of attackers.
//! Never: addresses of honest users.

use std::net::Ipv4Addr;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::clients::client::Visit;
use crate::clients::token::{Signer, unix_s};
use crate::siege::server::target::Target;
use crate::siege::users::polling::{Connection, Way};

/// The address block of attackers.
const LAIR: u8 = 66;
/// Users of attackers have numbers from here on.
pub(crate) const ATTACKERS_FROM: usize = 1_000_000;

/// Their other address block, if the command line names one.
static BLOCK: OnceLock<[u8; 2]> = OnceLock::new();

/// Attackers come from this address block, which the machine must have on its loopback device. An
/// operator cannot block addresses of the machine itself, such as `127.*.*.*`.
pub(crate) fn come_from(block: [u8; 2]) {
    let _set_once = BLOCK.set(block);
}

/// The first two numbers of their addresses.
pub(crate) fn block() -> [u8; 2] {
    BLOCK.get().copied().unwrap_or([127, LAIR])
}

/// The addresses of attackers: two thousand.
fn lair(number: u32) -> Ipv4Addr {
    let [.., high, low] = (number % 2_000).to_be_bytes();
    let [first, second] = block();
    Ipv4Addr::new(first, second, high, low)
}

pub(crate) fn from(number: u32) -> Visit {
    Visit { source: Some(lair(number)), ..Visit::default() }
}

/// An attacker who has an account.
pub(crate) fn user(number: u32) -> Result<Visit> {
    let token = Some(Signer::Hs256.token(ATTACKERS_FROM + number as usize, unix_s()?));
    Ok(Visit { token, ..from(number) })
}

/// Returning clients with invalid tokens: forged, expired, revoked, in turn.
pub(crate) async fn intruders(target: &Target, known: &[Visit]) -> Result<Vec<Visit>> {
    let now_s = unix_s()?;
    let mut intruders = Vec::new();
    for (number, visit) in known.iter().enumerate() {
        let token = |at_s| Signer::Hs256.token(2 * ATTACKERS_FROM + number, at_s);
        let token = match number % 3 {
            0 => format!(
                "{}.{}",
                token(now_s).rsplit_once('.').context("a token")?.0,
                "A".repeat(43)
            ),
            1 => token(now_s - 7_200),
            _ => token(now_s),
        };
        let intruder = Visit { token: Some(token), ..visit.clone() };
        if number % 3 == 2 {
            // It was valid: it is rejected only because it is revoked.
            drop(Connection::sign_in(&target.door, &intruder, Way::Socket).await?);
            target.revoke(&intruder).await?;
        }
        intruders.push(intruder);
    }
    Ok(intruders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attackers_have_two_thousand_addresses() {
        assert_eq!(lair(1_999), Ipv4Addr::new(127, LAIR, 7, 207));
        assert_eq!(lair(2_000), lair(0));
    }
}
