//! The first key that a token of another issuer was shown with.
//! Never: the token itself, or a second key for one token.

use std::collections::{BTreeSet, HashMap};

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use portcullis_model::{Denial, Now, TokenFault};

use crate::tables::once_table::OnceKey;
use crate::tables::shares::{Owner, ShareUse, Shares};

/// Tokens remembered at a time, about 20 MiB.
const TOKENS_MAX: usize = 131_072;
/// A user's part of the free space: 510 tokens that have not expired.
const TOKENS_PART: usize = 256;

/// The keys of tokens that their issuer has bound to none.
///
/// The first key a token is shown with becomes its key, so a copy that is shown later is rejected.
/// An entry is evicted when the token has expired by the wall clock and by the monotonic clock. The
/// table ends with the process.
pub(crate) struct FirstKeys {
    state: Mutex<State>,
}

struct State {
    tokens: HashMap<OnceKey, Holder>,
    ends: BTreeSet<(u64, OnceKey)>,
    shares: Shares,
}

#[derive(Clone, Copy)]
struct Holder {
    key: OnceKey,
    owner: Owner,
    expires_unix_s: i64,
}

impl FirstKeys {
    pub(crate) fn new() -> Self {
        let shares = Shares::new("token_keys", TOKENS_MAX, TOKENS_PART, TOKENS_MAX);
        let (tokens, ends) = (HashMap::new(), BTreeSet::new());
        Self { state: Mutex::new(State { tokens, ends, shares }) }
    }

    /// Makes a key the token's, unless it has another one.
    ///
    /// # Errors
    /// [`Denial::Token`] for another key, [`Denial::ShareFull`] when the owner holds too many.
    pub(crate) fn hold(
        &self,
        (token, expires_unix_s): (&str, i64),
        point: &[u8],
        owner: Owner,
        label: impl FnOnce() -> String,
        now: Now,
    ) -> Result<(), Denial> {
        // Without the signature: ES256 has two for one content (T-049), and a thief could make the
        // other one.
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        let (token, key) = (name_of(signed.as_bytes()), name_of(point));
        let mut state = self.state.lock();
        state.evict_ended(now);
        match state.tokens.get(&token) {
            Some(holder) if holder.key == key => return Ok(()),
            Some(_) => return Err(Denial::Token(TokenFault::Used)),
            None => {}
        }
        // A token whose key cannot be remembered could be shown with another one.
        let taken = state.shares.take(owner, label);
        taken.map_err(|_| Denial::ShareFull("token_keys"))?;
        state.tokens.insert(token, Holder { key, owner, expires_unix_s });
        state.ends.insert((ends_ms(expires_unix_s, now), token));
        Ok(())
    }

    pub(crate) fn usage(&self, now: Now) -> ShareUse {
        let mut state = self.state.lock();
        state.evict_ended(now);
        state.shares.usage()
    }
}

impl State {
    fn evict_ended(&mut self, now: Now) {
        while let Some((until_ms, token)) = self.ends.first().copied() {
            if now.monotonic_ms < until_ms {
                return;
            }
            self.ends.pop_first();
            let Some(holder) = self.tokens.get(&token).copied() else { continue };
            if now.unix_s() < holder.expires_unix_s {
                // The wall clock was set back, so the token is accepted for longer.
                self.ends.insert((ends_ms(holder.expires_unix_s, now), token));
                continue;
            }
            self.tokens.remove(&token);
            self.shares.give_back(holder.owner);
        }
    }
}

/// When a token expires, on the monotonic clock; at least a millisecond from now.
fn ends_ms(expires_unix_s: i64, now: Now) -> u64 {
    let left_ms = expires_unix_s.saturating_mul(1000).saturating_sub(now.unix_ms);
    now.monotonic_ms.saturating_add(u64::try_from(left_ms).unwrap_or(0).max(1))
}

/// SHA-256, cut to 128 bits.
fn name_of(bytes: &[u8]) -> OnceKey {
    let mut name = [0; 16];
    name.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, unix_s: i64) -> Now {
        Now { monotonic_ms: ms, unix_ms: unix_s * 1000 }
    }

    #[test]
    fn token_keeps_its_first_key_until_it_expires_by_both_clocks() {
        let keys = FirstKeys::new();
        let hold = |key: &[u8], now| keys.hold(("token", 1_300), key, 1, String::new, now);
        let used = Err(Denial::Token(TokenFault::Used));
        assert_eq!(hold(b"ann", at(0, 1_000)), Ok(()));
        assert_eq!(hold(b"ann", at(1, 1_000)), Ok(()));
        assert_eq!(hold(b"eve", at(299_999, 1_299)), used);
        assert_eq!(hold(b"eve", at(400_000, 1_200)), used, "the clock was set back");
        assert_eq!(hold(b"eve", at(499_999, 1_400)), used, "the clock was set forward");
        assert_eq!(keys.usage(at(500_000, 1_300)).used, 0);
    }

    #[test]
    fn t_049_token_with_another_signature_is_the_same_token() {
        let keys = FirstKeys::new();
        let hold = |token, key: &[u8]| keys.hold((token, 60), key, 1, String::new, at(0, 0));
        assert_eq!(hold("header.claims.one", b"ann"), Ok(()));
        assert_eq!(hold("header.claims.other", b"eve"), Err(Denial::Token(TokenFault::Used)));
        assert_eq!(hold("header.claims2.one", b"eve"), Ok(()));
    }

    #[test]
    fn user_that_fills_its_share_blocks_no_other_user() {
        let keys = FirstKeys::new();
        let hold = |number: usize, owner| {
            keys.hold((&number.to_string(), 60), b"key", owner, String::new, at(0, 0))
        };
        let accepted = (0..1_000).filter(|number| hold(*number, 1).is_ok()).count();
        assert_eq!(accepted, TOKENS_MAX / (TOKENS_PART + 1));
        assert_eq!(hold(2_000, 1), Err(Denial::ShareFull("token_keys")));
        assert_eq!(hold(2_000, 2), Ok(()));
    }
}
