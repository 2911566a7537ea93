//! One-time tickets: what a client shows once in place of its token.
//! Never: a ticket in the clear, or one that opens two doors.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use portcullis_model::{Denial, Now, TokenFault};

use crate::token::Verified;

/// What every ticket begins with, so that it is never taken for a token.
pub const TICKET_PREFIX: &str = "wst_";
/// How long a ticket may be shown.
pub const TICKET_LIFE_S: u64 = 30;
/// How long a used one is remembered, so that a second use is told from a guess.
const USED_KEPT_MS: u64 = 5 * 60_000;
/// Tickets remembered at a time; about 400 bytes each while they are good.
const TICKETS_MAX: usize = 65_536;
/// Longest ticket looked at, in bytes.
const TICKET_MAX_BYTES: usize = 128;

type Digest = [u8; 32];

struct Ticket {
    /// Gone once it was used.
    verified: Option<Box<Verified>>,
    origin: Option<Arc<str>>,
    made_ms: u64,
}

#[derive(Default)]
struct Table {
    tickets: HashMap<Digest, Ticket>,
    /// In the order they were made.
    order: VecDeque<(Digest, u64)>,
}

/// All tickets of this server, by their digest: a look-up tells nothing of the tickets themselves.
#[derive(Default)]
pub(crate) struct Tickets {
    table: Mutex<Table>,
}

impl Tickets {
    /// Takes in a fresh ticket. The caller has made it of 128 random bits or more.
    pub(crate) fn keep(
        &self,
        ticket: &str,
        verified: Verified,
        origin: Option<Arc<str>>,
        now: Now,
    ) -> Result<(), Denial> {
        let mut table = self.table.lock();
        table.forget_old(now);
        if table.tickets.len() >= TICKETS_MAX {
            return Err(Denial::Busy);
        }
        let (key, made_ms) = (digest_of(ticket), now.monotonic_ms);
        table.order.push_back((key, made_ms));
        table.tickets.insert(key, Ticket { verified: Some(Box::new(verified)), origin, made_ms });
        Ok(())
    }

    /// Uses a ticket up. One that is shown by another page, or too late, is used up as well.
    pub(crate) fn redeem(
        &self,
        ticket: &str,
        origin: Option<&str>,
        now: Now,
    ) -> Result<Verified, TokenFault> {
        if ticket.len() > TICKET_MAX_BYTES {
            return Err(TokenFault::Ticket);
        }
        let mut table = self.table.lock();
        let found = table.tickets.get_mut(&digest_of(ticket)).ok_or(TokenFault::Ticket)?;
        let verified = found.verified.take().ok_or(TokenFault::Used)?;
        let age_ms = now.monotonic_ms.saturating_sub(found.made_ms);
        if age_ms >= TICKET_LIFE_S * 1000 || found.origin.as_deref() != origin {
            return Err(TokenFault::Ticket);
        }
        Ok(*verified)
    }
}

impl Table {
    fn forget_old(&mut self, now: Now) {
        while let Some((key, made_ms)) = self.order.front() {
            if now.monotonic_ms.saturating_sub(*made_ms) < USED_KEPT_MS {
                return;
            }
            self.tickets.remove(key);
            self.order.pop_front();
        }
    }
}

fn digest_of(ticket: &str) -> Digest {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, ticket.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Tokens;
    use crate::token_forge::*;

    fn verified() -> Verified {
        let token = own(&own_header(), &own_claims());
        Tokens::build(issuers()).unwrap().believe(&token, now()).unwrap()
    }

    fn after(ms: u64) -> Now {
        Now { monotonic_ms: now().monotonic_ms + ms, ..now() }
    }

    #[test]
    fn t_140_t_141_a_ticket_is_good_once_soon_and_for_its_page() {
        type Case = (&'static str, Option<&'static str>, u64, Result<(), TokenFault>);
        let cases: [Case; 7] = [
            ("wst_one", Some("https://a"), 29_999, Ok(())),
            ("wst_one", Some("https://a"), 30_000, Err(TokenFault::Ticket)),
            ("wst_one", Some("https://b"), 0, Err(TokenFault::Ticket)),
            ("wst_one", None, 0, Err(TokenFault::Ticket)),
            ("wst_onf", Some("https://a"), 0, Err(TokenFault::Ticket)),
            ("wst_on", Some("https://a"), 0, Err(TokenFault::Ticket)),
            ("", Some("https://a"), 0, Err(TokenFault::Ticket)),
        ];
        for (shown, origin, ms, expect) in cases {
            let tickets = Tickets::default();
            tickets.keep("wst_one", verified(), Some(Arc::from("https://a")), now()).unwrap();
            let redeemed = tickets.redeem(shown, origin, after(ms)).map(|_| ());
            assert_eq!(redeemed, expect, "{shown} {origin:?} {ms}");
            let again = tickets.redeem("wst_one", Some("https://a"), after(ms)).err();
            match (shown, ms) {
                ("wst_one", _) => assert_eq!(again, Some(TokenFault::Used), "used up"),
                _ => assert_eq!(again, None, "a guess uses nothing up"),
            }
        }
    }

    #[test]
    fn fifty_at_once_have_one_winner() {
        let tickets = Tickets::default();
        tickets.keep("wst_one", verified(), None, now()).unwrap();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..50)
                .map(|_| scope.spawn(|| tickets.redeem("wst_one", None, now()).is_ok()))
                .collect();
            tries.into_iter().filter_map(|attempt| attempt.join().ok()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn there_are_only_so_many_and_old_ones_make_room() {
        let (tickets, verified) = (Tickets::default(), verified());
        for number in 0..TICKETS_MAX {
            tickets.keep(&number.to_string(), verified.clone(), None, now()).unwrap();
        }
        assert_eq!(tickets.keep("more", verified.clone(), None, now()), Err(Denial::Busy));
        let later = after(USED_KEPT_MS);
        tickets.keep("more", verified, None, later).unwrap();
        assert!(tickets.redeem("more", None, later).is_ok());
        assert_eq!(tickets.redeem("7", None, later).err(), Some(TokenFault::Ticket));
    }
}
