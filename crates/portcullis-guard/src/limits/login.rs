//! Counts attempts to log in: passwords, one-time codes, tickets.
//! Never: a lock that the owner cannot pass with a known device, link or recovery code (T-027).

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::tables::rate::Rate;

/// The source of a login attempt, as the account sees it.
///
/// Every failure counts toward the account. Only attempts from anywhere are limited by the count of
/// the account, which attackers can use up. The other sources have separate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginSource<'a> {
    /// An unknown device, or a client that names none.
    Anywhere,
    /// A device this user has logged in from before, by its random name.
    KnownDevice(&'a str),
    /// A client that shows a login link which the user made; all such links count together.
    Link,
    /// A client that shows a login link which an operator made; all such links count together, and
    /// links of the user, which an attacker in a session can make, do not close them.
    OperatorLink,
    /// A client that shows a recovery code of this user; all codes count together.
    RecoveryCode,
    /// The user, signed in; all sessions count together.
    SignedIn,
}

/// The keys of the counts of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoginKeys {
    pub(crate) name: u64,
    pub(crate) own: Option<u64>,
}

impl Limiter {
    /// Counts a log-in or registration: per address prefix, and per user name or by the count of
    /// its own. From anywhere it needs a place among all as well: [`Limiter::take_login_slot`].
    ///
    /// The prefix is asked first, so that an address over its limit uses up nothing of the account
    /// it names. Attempts from anywhere use up nothing of the owner's devices, links and sessions.
    ///
    /// # Errors
    /// [`Denial::Limit`], the same for every limit and whether the name exists or not.
    pub fn check_login(
        &self,
        client: IpAddr,
        username: &str,
        from: LoginSource<'_>,
        now: Now,
    ) -> Result<(), Denial> {
        let keys = self.login_keys(username, from);
        let outcome = self.count_login(client, keys, now);
        let LoginKeys { name, own: device } = keys;
        self.note(now, outcome, || Attempt::Login { client, name, device })
    }

    pub(crate) fn count_login(
        &self,
        client: IpAddr,
        keys: LoginKeys,
        now: Now,
    ) -> Result<(), Denial> {
        let policy = self.policy();
        let options = &policy.options;
        let rate = &options.login_per_prefix;
        self.take_of_prefix(Limit::LoginPerPrefix, rate, client, now)?;
        let failed = &options.login_failed_per_user;
        self.check_failures(Limit::LoginFailedPerUser, failed, keys, now)?;
        let rate = &options.login_per_user;
        match keys.own {
            Some(own) => {
                let taken = self.rates.take_own(Limit::LoginPerUser, own, rate, now);
                self.judged(Limit::LoginPerUser, taken)
            }
            None => self.take_of_user(Limit::LoginPerUser, rate, keys.name, now),
        }
    }

    fn login_keys(&self, username: &str, from: LoginSource<'_>) -> LoginKeys {
        let name = self.name_key(username);
        let own = match from {
            LoginSource::Anywhere => None,
            LoginSource::KnownDevice(device) => Some(self.rates.key((name, device))),
            LoginSource::Link => Some(self.rates.key((name, "link", ""))),
            LoginSource::OperatorLink => Some(self.rates.key((name, "operator link", ""))),
            LoginSource::RecoveryCode => Some(self.rates.key((name, "recovery code", ""))),
            LoginSource::SignedIn => Some(self.rates.key((name, "signed in", ""))),
        };
        LoginKeys { name, own }
    }

    /// Checks whether earlier failures permit another attempt; takes nothing.
    fn check_failures(
        &self,
        limit: Limit,
        rate: &Rate,
        keys: LoginKeys,
        now: Now,
    ) -> Result<(), Denial> {
        let open = match keys.own {
            Some(own) => self.rates.check_own(limit, own, rate, now),
            None => self.rates.check(limit, keys.name, rate, now),
        };
        self.judged(limit, open)
    }

    /// The key of an account: a keyed hash of the name in lower case.
    pub(crate) fn name_key(&self, username: &str) -> u64 {
        self.rates.key(username.to_lowercase())
    }

    /// Counts a wrong password, also for a name that does not exist.
    ///
    /// Returns whether it was the last permitted one: further attempts from here are rejected.
    pub fn count_failed_login(&self, username: &str, from: LoginSource<'_>, now: Now) -> bool {
        let keys = self.login_keys(username, from);
        let LoginKeys { name, own: device } = keys;
        self.note_done(now, || Attempt::LoginFailed { name, device });
        self.count_failed(keys, now)
    }

    /// Counts an attempt toward the wrong codes of an account, before the code is checked. So
    /// concurrent attempts cannot exceed the limit. A right code is refunded.
    ///
    /// Only clients that have shown the right password call this. Recovery codes are not
    /// counted here: they cannot be guessed, so they stay usable.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn take_code_attempt(
        &self,
        username: &str,
        from: LoginSource<'_>,
        now: Now,
    ) -> Result<(), Denial> {
        let keys = self.login_keys(username, from);
        let outcome = self.count_code(keys, now);
        let LoginKeys { name, own: device } = keys;
        self.note(now, outcome, || Attempt::Code { name, device })
    }

    pub(crate) fn count_code(&self, keys: LoginKeys, now: Now) -> Result<(), Denial> {
        let (limit, rate) = (Limit::CodeFailedPerUser, &self.policy().options.code_failed_per_user);
        let taken = match keys.own {
            Some(own) => self.rates.take_own(limit, own, rate, now),
            None => self.rates.take(limit, keys.name, rate, now),
        };
        self.judged(limit, taken)
    }

    /// Returns the attempt of [`Limiter::take_code_attempt`]: the code was correct.
    pub fn return_code_attempt(&self, username: &str, from: LoginSource<'_>, now: Now) {
        let keys = self.login_keys(username, from);
        let LoginKeys { name, own: device } = keys;
        self.note_done(now, || Attempt::CodeAccepted { name, device });
        self.return_code(keys);
    }

    pub(crate) fn return_code(&self, keys: LoginKeys) {
        let (limit, rate) = (Limit::CodeFailedPerUser, &self.policy().options.code_failed_per_user);
        match keys.own {
            Some(own) => self.rates.give_back_own(limit, own, rate),
            None => self.rates.give_back(limit, keys.name, rate),
        }
    }

    /// Counts a wrong code toward the account, unless [`Limiter::take_code_attempt`] has. Returns
    /// whether it was the last one for now.
    pub fn count_failed_code(&self, username: &str, from: LoginSource<'_>, now: Now) -> bool {
        let keys = self.login_keys(username, from);
        let LoginKeys { name, own: device } = keys;
        self.note_done(now, || Attempt::CodeFailed { name, device });
        self.count_wrong_code(keys, now);
        let rate = &self.policy().options.code_failed_per_user;
        self.check_failures(Limit::CodeFailedPerUser, rate, keys, now).is_err()
    }

    pub(crate) fn count_wrong_code(&self, keys: LoginKeys, now: Now) {
        if keys.own.is_some() {
            let (limit, rate) =
                (Limit::CodeFailedPerUser, &self.policy().options.code_failed_per_user);
            let _full_stays_full = self.rates.take(limit, keys.name, rate, now);
        }
    }

    pub(crate) fn count_failed(&self, keys: LoginKeys, now: Now) -> bool {
        let (limit, rate) =
            (Limit::LoginFailedPerUser, &self.policy().options.login_failed_per_user);
        let taken = self.rates.take(limit, keys.name, rate, now).is_ok();
        let Some(own) = keys.own else {
            return taken && self.rates.check(limit, keys.name, rate, now).is_err();
        };
        self.rates.take_own(limit, own, rate, now).is_ok()
            && self.rates.check_own(limit, own, rate, now).is_err()
    }

    /// Counts a ticket of a user.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn check_ticket_rate(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let outcome = self.count_ticket(user, now);
        self.note(now, outcome, || Attempt::Ticket { user: user.to_string() })
    }

    pub(crate) fn count_ticket(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let key = self.rates.key(user);
        self.take_of_user(Limit::TicketPerUser, &self.policy().options.ticket_per_user, key, now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;

    fn gate(failed: Rate) -> Gate {
        gate_with(1_000, 3, failed)
    }

    fn gate_with(per_prefix: u32, per_user: u32, failed: Rate) -> Gate {
        let options = GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            rate_keys_max: 1024,
            login_per_prefix: Rate::per(per_prefix, 60_000),
            login_per_user: Rate::per(per_user, 60_000),
            login_failed_per_user: failed,
            ..GateOptions::default()
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    fn tries(gate: &Gate, name: &str, from: LoginSource<'_>, second: u64, count: u8) -> usize {
        let now = Now { monotonic_ms: second * 1000, unix_ms: 0 };
        let from_many = (0..count).map(|last| IpAddr::from([127, 0, 1, last]));
        from_many.filter(|client| gate.limits.check_login(*client, name, from, now).is_ok()).count()
    }

    #[test]
    fn t_027_flood_on_a_name_does_not_block_known_devices() {
        let gate = gate(Rate::per(100, 86_400_000));
        assert_eq!(tries(&gate, "ann", LoginSource::Anywhere, 1, 50), 3, "however many addresses");
        assert_eq!(tries(&gate, "ANN", LoginSource::Anywhere, 1, 50), 0, "however it is spelled");
        assert_eq!(tries(&gate, "ann", LoginSource::KnownDevice("d1"), 1, 50), 3);
        assert_eq!(tries(&gate, "ann", LoginSource::KnownDevice("d2"), 1, 2), 2);
        assert_eq!(tries(&gate, "bob", LoginSource::Anywhere, 1, 2), 2, "others are not touched");
        assert_eq!(tries(&gate, "ann", LoginSource::Anywhere, 61, 50), 3, "and it ends");
    }

    #[test]
    fn t_027_slow_guesses_are_limited_a_day() {
        let gate = gate(Rate::per(10, 86_400_000));
        let mut closed = 0;
        let mut fail = |minute: u64| {
            let passed = tries(&gate, "ann", LoginSource::Anywhere, 60 * minute, 3);
            let now = Now { monotonic_ms: 60_000 * minute, unix_ms: 0 };
            let failed =
                |_: &usize| gate.limits.count_failed_login("Ann", LoginSource::Anywhere, now);
            closed += (0..passed).filter(failed).count();
            passed
        };
        assert_eq!((0..60_u64).map(&mut fail).sum::<usize>(), 12, "ten and what was under way");
        assert_eq!(closed, 1, "told once");
        assert_eq!(tries(&gate, "ann", LoginSource::KnownDevice("d"), 3_600, 1), 1);
    }

    #[test]
    fn wrong_password_of_any_origin_counts_toward_the_account() {
        let now = Now { monotonic_ms: 0, unix_ms: 0 };
        let own = [
            LoginSource::KnownDevice("d"),
            LoginSource::Link,
            LoginSource::OperatorLink,
            LoginSource::RecoveryCode,
            LoginSource::SignedIn,
        ];
        for from in own {
            let gate = gate_with(1_000, 1_000, Rate::per(3, 86_400_000));
            let closed: Vec<_> =
                (0..3).map(|_| gate.limits.count_failed_login("ann", from, now)).collect();
            assert_eq!(closed, [false, false, true], "{from:?}");
            assert_eq!(tries(&gate, "ann", from, 0, 1), 0, "{from:?} is closed");
            assert_eq!(tries(&gate, "ann", LoginSource::Anywhere, 0, 1), 0, "and the account");
            let others = own.into_iter().filter(|other| *other != from);
            let open = others.filter(|other| tries(&gate, "ann", *other, 0, 1) == 1).count();
            assert_eq!(open, 4, "the owner's other ways in stay open");
            assert_eq!(tries(&gate, "bob", from, 0, 1), 1);
        }
    }

    #[test]
    fn code_guesses_are_bounded_a_day_and_by_password_holders_alone() {
        let now = |minute: u64| Now { monotonic_ms: minute * 60_000, unix_ms: 0 };
        let gate = gate_with(1_000, 1_000, Rate::per(3, 86_400_000));
        // Wrong passwords close no code.
        for _ in 0..10 {
            gate.limits.count_failed_login("ann", LoginSource::Anywhere, now(0));
        }
        for from in [LoginSource::Anywhere, LoginSource::KnownDevice("d"), LoginSource::SignedIn] {
            let mut guesses = 0;
            for minute in 0..24 * 60 {
                if gate.limits.take_code_attempt("ann", from, now(minute)).is_ok() {
                    guesses += 1;
                    gate.limits.count_failed_code("ann", from, now(minute));
                }
            }
            // At once so many as the rate says, and as many again in a day.
            let most = 2 * gate.options().code_failed_per_user.count;
            assert!(guesses <= most, "{from:?} {guesses}");
        }
    }

    #[test]
    fn concurrent_code_attempts_are_within_the_limit() {
        let now = Now { monotonic_ms: 0, unix_ms: 0 };
        let gate = gate_with(1_000, 1_000, Rate::per(100, 86_400_000));
        let most = gate.options().code_failed_per_user.count as usize;
        for from in [LoginSource::Anywhere, LoginSource::KnownDevice("d"), LoginSource::SignedIn] {
            let allowed = || gate.limits.take_code_attempt("ann", from, now).is_ok();
            // All are allowed before the first is known to be wrong.
            assert_eq!((0..500).filter(|_| allowed()).count(), most, "{from:?}");
            gate.limits.return_code_attempt("ann", from, now);
            assert!(allowed() && !allowed(), "a right code gives one back");
            assert!(gate.limits.count_failed_code("ann", from, now), "{from:?} is closed");
        }
    }

    #[test]
    fn t_027_both_login_buckets_fire_and_the_owner_gets_back_in() {
        let gate = gate_with(20, 10, Rate::per(1_000, 86_400_000));
        let at = |ms| Now { monotonic_ms: ms, unix_ms: 0 };
        let login = |address: u32, name: &str, ms| {
            let client = IpAddr::from(address.to_be_bytes());
            gate.limits.check_login(client, name, LoginSource::Anywhere, at(ms)).is_ok()
        };
        let many_names = (0..100).filter(|n| login(1, &format!("user{n}"), 0)).count();
        assert_eq!(many_names, 20, "one address, many users");
        let spelled = ["ann", "Ann", "ANN"];
        let many_addresses = (100..200).filter(|n| login(*n, spelled[*n as usize % 3], 0)).count();
        assert_eq!(many_addresses, 10, "one user, many addresses");
        assert!(!login(300, "ann", 5_000) && login(300, "ann", 6_000), "the bucket drains");
        assert!(login(300, "bob", 6_000));
        // An address over its limit uses up nothing of the accounts it names.
        assert!((0..50).all(|_| !login(1, "cat", 2_999)));
        assert!(login(1, "dan", 3_000), "rejected attempts cost nothing");
        assert_eq!((400..450).filter(|n| login(*n, "cat", 7_000)).count(), 10);
    }
}
