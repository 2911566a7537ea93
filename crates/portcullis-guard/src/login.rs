//! How often somebody may try to log in.
//! Never: a lock the owner of an account cannot get past from a device of theirs (T-027).

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now, UserId};

use crate::attempt::Attempt;
use crate::gate::Gate;

/// Where a log-in comes from, as far as the account is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFrom<'a> {
    /// A device nobody has logged in from, or one that does not say.
    Anywhere,
    /// A device this user has logged in from before, by its random name.
    KnownDevice(&'a str),
}

impl Gate {
    /// Counts a log-in or registration: per address prefix, and per user name and device. From
    /// anywhere but a known device it needs a place among all as well: [`Gate::login_place`].
    ///
    /// The prefix is asked first, so that an address over its limit uses up nothing of the account
    /// it names. What strangers use up of a name does not touch the devices of its owner.
    ///
    /// # Errors
    /// [`Denial::Limit`], the same for every limit and whether the name exists or not.
    pub fn login_allowed(
        &self,
        client: IpAddr,
        username: &str,
        from: LoginFrom<'_>,
        now: Now,
    ) -> Result<(), Denial> {
        let name = self.name_key(username);
        let device = match from {
            LoginFrom::KnownDevice(device) => Some(self.rates.key((name, device))),
            LoginFrom::Anywhere => None,
        };
        let outcome = self.count_login(client, name, device, now);
        self.note(now, outcome, || Attempt::Login { client, name, device })
    }

    pub(crate) fn count_login(
        &self,
        client: IpAddr,
        name: u64,
        device: Option<u64>,
        now: Now,
    ) -> Result<(), Denial> {
        let options = &self.options;
        let rate = &options.login_per_prefix;
        self.take_of_prefix(Limit::LoginPerPrefix, rate, client, now)?;
        let rate = &options.login_per_user;
        if let Some(device) = device {
            let taken = self.rates.take_own(Limit::LoginPerUser, device, rate, now);
            return self.judged(Limit::LoginPerUser, taken);
        }
        let failed = &options.login_failed_per_user;
        let open = self.rates.look(Limit::LoginFailedPerUser, name, failed, now);
        self.judged(Limit::LoginFailedPerUser, open)?;
        self.take_of_user(Limit::LoginPerUser, rate, name, now)
    }

    /// An account, as a number under a secret of this process, whatever the case it is written in.
    pub(crate) fn name_key(&self, username: &str) -> u64 {
        self.rates.key(username.to_lowercase())
    }

    /// Counts a log-in that failed, from an unknown device; whether the name exists or not.
    ///
    /// Gives whether it was the last one for now: the name is closed to unknown devices.
    pub fn login_failed(&self, username: &str, now: Now) -> bool {
        let name = self.name_key(username);
        self.note_done(now, || Attempt::LoginFailed { name });
        self.count_failed(name, now)
    }

    pub(crate) fn count_failed(&self, name: u64, now: Now) -> bool {
        let rate = &self.options.login_failed_per_user;
        let taken = self.rates.take(Limit::LoginFailedPerUser, name, rate, now).is_ok();
        taken && self.rates.look(Limit::LoginFailedPerUser, name, rate, now).is_err()
    }

    /// Counts a ticket of a user.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn ticket_allowed(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let outcome = self.count_ticket(user, now);
        self.note(now, outcome, || Attempt::Ticket { user: user.to_string() })
    }

    pub(crate) fn count_ticket(&self, user: &UserId, now: Now) -> Result<(), Denial> {
        let key = self.rates.key(user);
        self.take_of_user(Limit::TicketPerUser, &self.options.ticket_per_user, key, now)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::{Directory, DirectoryLimits};
    use crate::gate_options::GateOptions;
    use crate::rate::Rate;

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

    fn tries(gate: &Gate, name: &str, from: LoginFrom<'_>, second: u64, count: u8) -> usize {
        let now = Now { monotonic_ms: second * 1000, unix_ms: 0 };
        let from_many = (0..count).map(|last| IpAddr::from([127, 0, 1, last]));
        from_many.filter(|client| gate.login_allowed(*client, name, from, now).is_ok()).count()
    }

    #[test]
    fn t_027_a_flood_on_a_name_leaves_its_owners_devices_alone() {
        let gate = gate(Rate::per(100, 86_400_000));
        assert_eq!(tries(&gate, "ann", LoginFrom::Anywhere, 1, 50), 3, "however many addresses");
        assert_eq!(tries(&gate, "ANN", LoginFrom::Anywhere, 1, 50), 0, "however it is spelled");
        assert_eq!(tries(&gate, "ann", LoginFrom::KnownDevice("d1"), 1, 50), 3);
        assert_eq!(tries(&gate, "ann", LoginFrom::KnownDevice("d2"), 1, 2), 2);
        assert_eq!(tries(&gate, "bob", LoginFrom::Anywhere, 1, 2), 2, "others are not touched");
        assert_eq!(tries(&gate, "ann", LoginFrom::Anywhere, 61, 50), 3, "and it ends");
    }

    #[test]
    fn t_027_a_slow_guesser_is_held_to_so_many_a_day() {
        let gate = gate(Rate::per(10, 86_400_000));
        let mut closed = 0;
        let mut fail = |minute: u64| {
            let passed = tries(&gate, "ann", LoginFrom::Anywhere, 60 * minute, 3);
            let now = Now { monotonic_ms: 60_000 * minute, unix_ms: 0 };
            closed += (0..passed).filter(|_| gate.login_failed("Ann", now)).count();
            passed
        };
        assert_eq!((0..60_u64).map(&mut fail).sum::<usize>(), 12, "ten and what was under way");
        assert_eq!(closed, 1, "told once");
        assert_eq!(tries(&gate, "ann", LoginFrom::KnownDevice("d"), 3_600, 1), 1);
    }

    #[test]
    fn t_027_both_login_buckets_fire_and_the_owner_gets_back_in() {
        let gate = gate_with(20, 10, Rate::per(1_000, 86_400_000));
        let at = |ms| Now { monotonic_ms: ms, unix_ms: 0 };
        let login = |address: u32, name: &str, ms| {
            let client = IpAddr::from(address.to_be_bytes());
            gate.login_allowed(client, name, LoginFrom::Anywhere, at(ms)).is_ok()
        };
        let many_names = (0..100).filter(|n| login(1, &format!("user{n}"), 0)).count();
        assert_eq!(many_names, 20, "one address, many users");
        let spelled = ["ann", "Ann", "ANN"];
        let many_addresses = (100..200).filter(|n| login(*n, spelled[*n as usize % 3], 0)).count();
        assert_eq!(many_addresses, 10, "one user, many addresses");
        assert!(!login(300, "ann", 5_000) && login(300, "ann", 6_000), "the bucket drains");
        assert!(login(300, "bob", 6_000));
        // An address over its limit uses up nothing of the accounts it names.
        assert!((0..50).all(|_| !login(1, "cat", 7_000)));
        assert_eq!((400..450).filter(|n| login(*n, "cat", 7_000)).count(), 10);
    }
}
