//! What is known to be withdrawn, and whether that knowledge is still good.
//! Never: asked of a database by a decision; who keeps it confirms it here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;
use portcullis_model::{Denial, Now};

/// Without a confirmation for so long every session ends.
pub const UNCONFIRMED_MAX_MS: u64 = 60_000;
/// Most withdrawn tokens and sessions of other issuers known at a time; about 200 bytes each.
const WITHDRAWN_MAX: usize = 100_000;

/// What is withdrawn of another issuer, or one token of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Withdrawn {
    /// A token, by its `jti`.
    Token,
    /// A session, by its `sid`.
    Session,
}

type Key = (String, Withdrawn, String);

/// What was withdrawn before its time, and how fresh that knowledge is.
///
/// Whoever acts remembers the epoch it was looked up at: one load a message, and a look-up only
/// after something was withdrawn.
#[derive(Debug, Default)]
pub struct Authority {
    epoch: AtomicU64,
    withdrawn: RwLock<HashMap<Key, i64>>,
    /// The monotonic time of the last confirmation, plus one; 0 while nobody has to confirm.
    confirmed_ms: AtomicU64,
    failing: AtomicBool,
}

impl Authority {
    /// Counts withdrawals.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Has everybody look again.
    pub(crate) fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Withdraws a token or session until a time after which it would be refused anyway.
    ///
    /// Gives false when the table is full of what has not ended: the caller has to say so.
    pub fn withdraw(
        &self,
        issuer: &str,
        kind: Withdrawn,
        name: &str,
        until_unix_ms: i64,
        now: Now,
    ) -> bool {
        let mut withdrawn = self.withdrawn.write();
        if withdrawn.len() >= WITHDRAWN_MAX {
            withdrawn.retain(|_, until| *until > now.unix_ms);
        }
        let key = (String::from(issuer), kind, String::from(name));
        let room = withdrawn.len() < WITHDRAWN_MAX || withdrawn.contains_key(&key);
        if room {
            withdrawn.insert(key, until_unix_ms);
        }
        drop(withdrawn);
        self.changed();
        room
    }

    /// Whether a token or session was withdrawn.
    pub(crate) fn is_withdrawn(&self, issuer: &str, kind: Withdrawn, name: &str) -> bool {
        let withdrawn = self.withdrawn.read();
        !withdrawn.is_empty()
            && withdrawn.contains_key(&(String::from(issuer), kind, String::from(name)))
    }

    /// Says that what is known was just found to hold. From the first call on, more have to follow.
    pub fn confirm(&self, now: Now) {
        self.confirmed_ms.store(now.monotonic_ms.saturating_add(1), Ordering::Release);
        self.failing.store(false, Ordering::Release);
    }

    /// Says that it could not be found out. Gives whether this is news.
    pub fn doubt(&self) -> bool {
        !self.failing.swap(true, Ordering::AcqRel)
    }

    /// Whether the last look failed.
    pub fn is_doubted(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Whether sessions that are open may go on.
    pub(crate) fn check_open(&self, now: Now) -> Result<(), Denial> {
        match self.confirmed_ms.load(Ordering::Acquire) {
            0 => Ok(()),
            confirmed if now.monotonic_ms >= confirmed.saturating_add(UNCONFIRMED_MAX_MS) => {
                Err(Denial::AuthorityUnconfirmed)
            }
            _ => Ok(()),
        }
    }

    /// Whether somebody new may come in: not while it is in doubt who may.
    pub(crate) fn check_new(&self, now: Now) -> Result<(), Denial> {
        if self.is_doubted() { Err(Denial::AuthorityUnconfirmed) } else { self.check_open(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 1_000 }
    }

    #[test]
    fn t_058_what_is_withdrawn_is_known_by_issuer_kind_and_name() {
        let authority = Authority::default();
        let before = authority.epoch();
        assert!(authority.withdraw("https://id", Withdrawn::Token, "t1", 5_000, at(0)));
        assert_ne!(authority.epoch(), before);
        let cases = [
            ("https://id", Withdrawn::Token, "t1", true),
            ("https://id", Withdrawn::Session, "t1", false),
            ("https://id", Withdrawn::Token, "t2", false),
            ("https://other", Withdrawn::Token, "t1", false),
        ];
        for (issuer, kind, name, expect) in cases {
            assert_eq!(authority.is_withdrawn(issuer, kind, name), expect, "{issuer} {name}");
        }
    }

    #[test]
    fn t_061_doubt_keeps_the_new_out_and_after_a_minute_everybody() {
        let refused = Err(Denial::AuthorityUnconfirmed);
        let authority = Authority::default();
        assert_eq!(authority.check_open(at(10_000_000)), Ok(()), "nobody has to confirm");
        authority.confirm(at(1_000));
        assert_eq!(authority.check_new(at(2_000)), Ok(()));
        assert!(authority.doubt() && !authority.doubt(), "news once");
        assert_eq!(authority.check_new(at(2_000)), refused);
        assert_eq!(authority.check_open(at(61_000)), Ok(()));
        assert_eq!(authority.check_open(at(61_001)), refused);
        authority.confirm(at(62_000));
        assert_eq!(authority.check_new(at(62_000)), Ok(()));
        // Whoever has to confirm and hangs is noticed as well.
        assert_eq!(authority.check_new(at(122_001)), refused);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_what_has_ended() {
        let authority = Authority::default();
        for number in 0..WITHDRAWN_MAX {
            let until = if number < 10 { 500 } else { 5_000 };
            assert!(authority.withdraw("i", Withdrawn::Token, &number.to_string(), until, at(0)));
        }
        assert!(authority.withdraw("i", Withdrawn::Token, "one more", 5_000, at(0)));
        assert!(!authority.is_withdrawn("i", Withdrawn::Token, "3"));
        for number in 0..9 {
            authority.withdraw("i", Withdrawn::Session, &number.to_string(), 5_000, at(0));
        }
        assert!(!authority.withdraw("i", Withdrawn::Session, "too many", 5_000, at(0)));
        assert!(authority.withdraw("i", Withdrawn::Session, "3", 9_000, at(0)), "known ones fit");
    }
}
