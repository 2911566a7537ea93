//! One-time tickets: sealed credentials that a client sends once instead of a token.
//! Never: a table of issued tickets; only the use of a ticket is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Now, TokenFault, UserId};
use serde::{Deserialize, Serialize};

use crate::tables::once_table::{OnceError, OnceTable};
use crate::tables::rate::Rate;
use crate::tables::shares::{Owner, ShareUse, Shares};
use crate::tokens::token::{CredentialKeys, LoginEvidence, VerifiedCredential};

/// The beginning of every ticket, so that it is never taken for a token.
pub const TICKET_PREFIX: &str = "wst_";
/// How long a ticket may be shown.
pub const TICKET_LIFE_S: u64 = 30;
/// How long after its issue the use of a ticket is remembered.
const USED_KEPT_MS: u64 = 2 * TICKET_LIFE_S * 1000;
/// Uses remembered at a time, about 8 MiB. The rates of connections keep them far below it.
const USES_MAX: usize = 65_536;
/// A user's part of the free space: 127 uses a minute, more than the default rate allows.
const USES_PART: usize = 512;
/// Longest ticket read, in bytes: a CONNECT payload holds 5 KiB.
const TICKET_MAX_BYTES: usize = 5 * 1024 - 64;
/// The purpose of the key (RFC 5869 section 3.2).
const KEY_INFO: &[u8] = b"portcullis ticket v2";

/// The claims of a ticket. Times are of this process's monotonic clock.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketClaims {
    made_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(rename = "c")]
    credential: CredentialClaims,
}

/// The credential in a ticket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialClaims {
    user: String,
    own: bool,
    iss: String,
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    jti: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    #[serde(rename = "l")]
    login: LoginEvidence,
    #[serde(rename = "k")]
    keys: CredentialKeys,
}

/// Seals and opens tickets, and stores which were used.
///
/// The key belongs to this process, as the stored uses do: no ticket outlives the record of its
/// use. A ticket is encrypted because its claims name the digest of a shared secret.
pub(crate) struct Tickets {
    key: LessSafeKey,
    /// The number of the next ticket: its nonce, and the name of its use.
    next: AtomicU64,
    used: OnceTable,
}

impl Tickets {
    /// `secret` is random, for this process only; `None` when the library rejects the key.
    ///
    /// A user's share holds all uses that the rate of tickets allows, so no honest user fills it.
    pub(crate) fn new(secret: &[u8; 32], rate: &Rate) -> Option<Self> {
        let mut bytes = [0; 32];
        let key = Prk::new_less_safe(HKDF_SHA256, secret);
        key.expand(&[KEY_INFO], HKDF_SHA256).ok()?.fill(&mut bytes).ok()?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?);
        // The content of the bucket, and what it drains while uses are remembered.
        let drained = u64::from(rate.count).saturating_mul(USED_KEPT_MS) / rate.period_ms.max(1);
        let most = u64::from(rate.count).saturating_add(drained).saturating_add(1);
        let most = usize::try_from(most).unwrap_or(USES_MAX);
        let part = (USES_MAX / most.max(1)).saturating_sub(1).clamp(1, USES_PART);
        let shares = Shares::new("ticket_uses", USES_MAX, part, USES_MAX);
        Some(Self { key, next: AtomicU64::new(0), used: OnceTable::new(shares) })
    }

    /// Issues a ticket for a verified credential; stores nothing.
    ///
    /// # Errors
    /// [`Denial::PayloadTooLarge`] when the claims do not fit into a ticket.
    pub(crate) fn issue(
        &self,
        verified: &VerifiedCredential,
        origin: Option<&str>,
        now: Now,
    ) -> Result<String, Denial> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let claims = TicketClaims::new(verified, origin, now);
        let mut text = serde_json::to_vec(&claims).map_err(|_| Denial::Internal("ticket"))?;
        let sealed = self.key.seal_in_place_append_tag(nonce_of(number), Aad::empty(), &mut text);
        sealed.map_err(|_| Denial::Internal("ticket"))?;
        let bytes = [&number.to_be_bytes()[..], &text].concat();
        let ticket = format!("{TICKET_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        if ticket.len() > TICKET_MAX_BYTES { Err(Denial::PayloadTooLarge) } else { Ok(ticket) }
    }

    /// Uses a ticket. A ticket shown by another page, or too late, is used up as well.
    pub(crate) fn redeem(
        &self,
        ticket: &str,
        origin: Option<&str>,
        owner_of: impl FnOnce(&UserId) -> Owner,
        now: Now,
    ) -> Result<VerifiedCredential, Denial> {
        let invalid = Denial::Token(TokenFault::Ticket);
        let (number, claims) = self.open(ticket).ok_or(invalid.clone())?;
        let age_ms = now.monotonic_ms.saturating_sub(claims.made_ms);
        if age_ms >= USED_KEPT_MS {
            return Err(invalid);
        }
        let user = UserId::parse(&claims.credential.user).map_err(|_| invalid.clone())?;
        let mut use_key = [0; 16];
        use_key.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        let until_ms = claims.made_ms.saturating_add(USED_KEPT_MS);
        let label = || user.to_string();
        match self.used.consume(use_key, owner_of(&user), label, until_ms, now) {
            Ok(()) => {}
            Err(OnceError::Used) => return Err(Denial::Token(TokenFault::Used)),
            // A use that cannot be stored could happen twice: this user has to wait.
            Err(OnceError::Full(_)) => return Err(Denial::ShareFull("ticket_uses")),
        }
        if age_ms >= TICKET_LIFE_S * 1000 || claims.origin.as_deref() != origin {
            return Err(invalid);
        }
        Ok(claims.credential.into_verified(user))
    }

    fn open(&self, ticket: &str) -> Option<(u64, TicketClaims)> {
        let text = ticket.strip_prefix(TICKET_PREFIX)?;
        if ticket.len() > TICKET_MAX_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (number, sealed) = bytes.split_first_chunk::<8>()?;
        let number = u64::from_be_bytes(*number);
        let mut sealed = sealed.to_vec();
        let opened = self.key.open_in_place(nonce_of(number), Aad::empty(), &mut sealed).ok()?;
        Some((number, serde_json::from_slice(opened).ok()?))
    }

    pub(crate) fn usage(&self, now: Now) -> ShareUse {
        self.used.usage(now)
    }
}

/// The nonce of a ticket: its number, which no other ticket of this key has.
fn nonce_of(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce.iter_mut().skip(4).zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(nonce)
}

impl TicketClaims {
    fn new(verified: &VerifiedCredential, origin: Option<&str>, now: Now) -> Self {
        Self {
            made_ms: now.monotonic_ms,
            origin: origin.map(String::from),
            credential: CredentialClaims::new(verified),
        }
    }
}

impl CredentialClaims {
    fn new(verified: &VerifiedCredential) -> Self {
        Self {
            user: verified.user.to_string(),
            own: verified.own,
            iss: verified.issuer.to_string(),
            sub: verified.subject.clone(),
            name: verified.name.clone(),
            iat: verified.issued_unix_s,
            exp: verified.expires_unix_s,
            sid: verified.session.clone(),
            jti: verified.token.clone(),
            roles: verified.roles.clone(),
            login: verified.login,
            keys: verified.keys.clone(),
        }
    }

    fn into_verified(self, user: UserId) -> VerifiedCredential {
        VerifiedCredential {
            user,
            own: self.own,
            issuer: Arc::from(self.iss),
            subject: self.sub,
            name: self.name,
            issued_unix_s: self.iat,
            expires_unix_s: self.exp,
            session: self.sid,
            token: self.jti,
            roles: self.roles,
            login: self.login,
            keys: self.keys,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::forge::*;
    use crate::tokens::token::Tokens;

    fn verified() -> VerifiedCredential {
        let token = own(&own_header(), &own_claims());
        Tokens::build(issuers()).unwrap().verify(&token, now()).unwrap()
    }

    fn of_user(name: &str) -> VerifiedCredential {
        VerifiedCredential { user: UserId::parse(name).unwrap(), ..verified() }
    }

    fn after(ms: u64) -> Now {
        Now { monotonic_ms: now().monotonic_ms + ms, ..now() }
    }

    fn tickets() -> Tickets {
        Tickets::new(&[3; 32], &Rate::per(60, 60_000)).unwrap()
    }

    /// A stand-in for the gate's keyed hash.
    fn owner_of(user: &UserId) -> Owner {
        user.as_str().bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte))
    }

    fn redeem(
        tickets: &Tickets,
        ticket: &str,
        origin: Option<&str>,
        at: Now,
    ) -> Result<VerifiedCredential, Denial> {
        tickets.redeem(ticket, origin, owner_of, at)
    }

    #[test]
    fn t_140_t_141_ticket_is_valid_once_soon_and_for_its_page() {
        let invalid = Err(Denial::Token(TokenFault::Ticket));
        type Case = (Option<&'static str>, u64, Result<(), Denial>);
        let cases: [Case; 4] = [
            (Some("https://a"), 29_999, Ok(())),
            (Some("https://a"), 30_000, invalid.clone()),
            (Some("https://b"), 0, invalid.clone()),
            (None, 0, invalid.clone()),
        ];
        for (origin, ms, expect) in cases {
            let tickets = tickets();
            let ticket = tickets.issue(&verified(), Some("https://a"), now()).unwrap();
            let redeemed = redeem(&tickets, &ticket, origin, after(ms)).map(|_| ());
            assert_eq!(redeemed, expect, "{origin:?} {ms}");
            let again = redeem(&tickets, &ticket, Some("https://a"), after(ms)).err();
            assert_eq!(again, Some(Denial::Token(TokenFault::Used)), "used up");
            let late = redeem(&tickets, &ticket, Some("https://a"), after(USED_KEPT_MS)).map(drop);
            assert_eq!(late, invalid);
        }
    }

    #[test]
    fn ticket_carries_all_claims_encrypted() {
        let (tickets, claims) = (tickets(), verified());
        let claims = VerifiedCredential { roles: Some(vec!["admin".into()]), ..claims };
        let login = LoginEvidence { second_factor: true, ..claims.login };
        let claims = VerifiedCredential { login, ..claims };
        let claims = {
            let keys = CredentialKeys { proven: Some(vec![4; 65]), ..claims.keys.clone() };
            VerifiedCredential { keys, ..claims }
        };
        let ticket = tickets.issue(&claims, None, now()).unwrap();
        let text = URL_SAFE_NO_PAD.decode(&ticket[TICKET_PREFIX.len()..]).unwrap();
        assert!(!text.windows(3).any(|part| part == b"ann"), "the claims are encrypted");
        assert_eq!(redeem(&tickets, &ticket, None, now()), Ok(claims));
    }

    #[test]
    fn changed_or_foreign_ticket_is_rejected_and_takes_no_space() {
        let tickets = tickets();
        let ticket = tickets.issue(&verified(), None, now()).unwrap();
        let invalid = Err(Denial::Token(TokenFault::Ticket));
        for at in 0..ticket.len() {
            let mut bytes = ticket.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(redeem(&tickets, &changed, None, now()), invalid, "{at}");
        }
        let long = format!("wst_{}", "A".repeat(TICKET_MAX_BYTES));
        for text in ["", "wst_", "wst_one", &ticket[1..], &long] {
            assert_eq!(redeem(&tickets, text, None, now()), invalid, "{text:.40}");
        }
        let other = Tickets::new(&[4; 32], &Rate::per(60, 60_000)).unwrap();
        assert_eq!(redeem(&other, &ticket, None, now()), invalid, "another process");
        assert_eq!(tickets.usage(now()).used, 0);
        assert!(redeem(&tickets, &ticket, None, now()).is_ok());
    }

    #[test]
    fn fifty_uses_at_once_have_one_winner() {
        let tickets = tickets();
        let ticket = tickets.issue(&verified(), None, now()).unwrap();
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..50)
                .map(|_| scope.spawn(|| redeem(&tickets, &ticket, None, now()).is_ok()))
                .collect();
            tries.into_iter().filter_map(|attempt| attempt.join().ok()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn unused_tickets_of_many_users_take_no_space() {
        let tickets = tickets();
        for number in 0..1_000 {
            let user = of_user(&format!("user{}", number % 183));
            tickets.issue(&user, None, now()).unwrap();
        }
        assert_eq!(tickets.usage(now()).used, 0);
    }

    #[test]
    fn user_that_fills_its_share_blocks_no_other_user() {
        let (tickets, eve) = (tickets(), of_user("eve"));
        let mut accepted = 0;
        let last = loop {
            let ticket = tickets.issue(&eve, None, now()).unwrap();
            match redeem(&tickets, &ticket, None, now()) {
                Ok(_) => accepted += 1,
                Err(denial) => break denial,
            }
        };
        assert_eq!(accepted, USES_MAX / (USES_PART + 1));
        assert_eq!(last, Denial::ShareFull("ticket_uses"));
        let ticket = tickets.issue(&of_user("ann"), None, now()).unwrap();
        assert!(redeem(&tickets, &ticket, None, now()).is_ok());
        let later = after(USED_KEPT_MS);
        let ticket = tickets.issue(&eve, None, later).unwrap();
        assert!(redeem(&tickets, &ticket, None, later).is_ok(), "and it ends");
    }

    #[test]
    fn share_of_a_user_holds_its_rate_of_tickets() {
        for (count, period_ms) in [(1, 60_000), (60, 60_000), (1_000, 60_000), (500, 1_000)] {
            let rate = Rate::per(count, period_ms);
            let tickets = Tickets::new(&[3; 32], &rate).unwrap();
            let allowed =
                (u64::from(count) + u64::from(count) * USED_KEPT_MS / period_ms).min(40_000);
            for number in 0..allowed {
                let ticket = tickets.issue(&of_user("ann"), None, now()).unwrap();
                assert!(redeem(&tickets, &ticket, None, now()).is_ok(), "{count} {number}");
            }
        }
    }
}
