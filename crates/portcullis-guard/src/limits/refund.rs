//! Refunds to an address whose client has proved to be a user.
//! Never: a refund for a client without a credential, or for a failed attempt.

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now};

use crate::capacity::address;
use crate::capacity::client_class::ClientClass;
use crate::capacity::pools::ConnectionSlot;
use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::tables::rate_table::RejectionCost;

/// How many times the rate of an address its proven log-ins may reach. Each costs a password hash.
const PROVEN_FACTOR: u32 = 10;

impl Limiter {
    /// Moves a connection from the pool of unauthenticated clients to that of users.
    ///
    /// The handshake is refunded to its address, because the limits of the user count it.
    ///
    /// # Errors
    /// [`Denial::Limit`] when only the slots reserved for administrators are left.
    pub fn sign_in(
        &self,
        slot: &mut ConnectionSlot,
        class: ClientClass,
        now: Now,
    ) -> Result<(), Denial> {
        if slot.is_authenticated() {
            return Ok(());
        }
        self.refund_user(slot, now);
        self.sign_in_anonymous(slot, class)
    }

    /// Refunds the handshake of a user's connection to its address, once.
    ///
    /// This also applies when a limit of the user rejects the connection.
    pub fn refund_user(&self, slot: &mut ConnectionSlot, now: Now) {
        if slot.refund() {
            let (client, class) = (slot.client(), slot.class());
            self.note_done(now, || Attempt::SignIn { client, class });
            self.count_sign_in(client, class);
        }
    }

    /// As [`Limiter::sign_in`], without a credential: the connection stays charged to its address.
    ///
    /// # Errors
    /// As [`Limiter::sign_in`].
    pub fn sign_in_anonymous(
        &self,
        slot: &mut ConnectionSlot,
        class: ClientClass,
    ) -> Result<(), Denial> {
        let moved = slot
            .authenticated(class, &self.policy().options.capacity, |limit| self.lets_pass(limit));
        moved.map_err(|limit| Denial::Limit { limit, retry_after_ms: 0 })
    }

    pub(crate) fn count_sign_in(&self, client: IpAddr, class: ClientClass) {
        let policy = self.policy();
        let options = &policy.options;
        let (limit, rate) = match class {
            ClientClass::Unauthenticated => (Limit::ConnectPerPrefix, &options.connect_per_prefix),
            ClientClass::Returning | ClientClass::Admin => {
                (Limit::ConnectKnownPerPrefix, &options.connect_known_per_prefix)
            }
        };
        address::give_back(&self.rates, limit, client, rate);
    }

    /// Refunds a login with the right password to its address.
    ///
    /// The number of refunds is bounded, because each login costs a password hash.
    pub fn refund_login(&self, client: IpAddr, now: Now) {
        self.note_done(now, || Attempt::LoginProven { client });
        self.count_login_proven(client, now);
    }

    pub(crate) fn count_login_proven(&self, client: IpAddr, now: Now) {
        let rate = &self.policy().options.login_per_prefix;
        let (narrow, _) = address::prefixes(client);
        let key = self.rates.key(("proven", narrow));
        let (limit, most) = (Limit::LoginPerPrefix, rate.times(PROVEN_FACTOR));
        if self.rates.take_prefix(limit, key, &most, RejectionCost::Free, now).is_ok() {
            address::give_back(&self.rates, limit, client, rate);
        }
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
    use crate::limits::login::LoginSource;

    fn gate(options: GateOptions) -> Gate {
        let options = GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            rate_keys_max: 4096,
            ..options
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    fn at(ms: u64) -> Now {
        Now { monotonic_ms: ms, unix_ms: 0 }
    }

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn connections_of_users_are_refunded_to_their_address() {
        let gate = gate(GateOptions::default());
        for _ in 0..200 {
            gate.admission.count_socket(CLIENT, None, at(0)).unwrap();
            let mut slot = gate.limits.reserve(CLIENT, ClientClass::Unauthenticated).unwrap();
            gate.limits.sign_in(&mut slot, ClientClass::Returning, at(0)).unwrap();
            // Further namespaces of a connection cause no further refund.
            gate.limits.sign_in(&mut slot, ClientClass::Returning, at(0)).unwrap();
        }
        let unauthenticated =
            (0..50).filter(|_| gate.admission.count_socket(CLIENT, None, at(0)).is_ok());
        assert_eq!(unauthenticated.count(), 10, "the address has its own rate still");
    }

    #[test]
    fn connections_that_a_limit_of_the_user_rejects_are_refunded_once() {
        let gate = gate(GateOptions::default());
        for _ in 0..50 {
            gate.admission.count_socket(CLIENT, None, at(0)).unwrap();
            let mut slot = gate.limits.reserve(CLIENT, ClientClass::Unauthenticated).unwrap();
            gate.limits.refund_user(&mut slot, at(0));
            gate.limits.refund_user(&mut slot, at(0));
        }
        let unauthenticated =
            (0..50).filter(|_| gate.admission.count_socket(CLIENT, None, at(0)).is_ok());
        assert_eq!(unauthenticated.count(), 10);
    }

    #[test]
    fn connection_without_a_credential_stays_charged_to_its_address() {
        let gate = gate(GateOptions::default());
        let connect = || {
            gate.admission.count_socket(CLIENT, None, at(0))?;
            let mut slot = gate.limits.reserve(CLIENT, ClientClass::Unauthenticated)?;
            gate.limits.sign_in_anonymous(&mut slot, ClientClass::Returning)
        };
        assert_eq!((0..50).filter(|_| connect().is_ok()).count(), 10);
    }

    #[test]
    fn office_loads_the_page_as_often_as_it_logs_in() {
        let gate = gate(GateOptions::default());
        // 200 log-ins a minute, each with the page, three files, the log-in itself and a renewal.
        let requests = (0..3_600).filter(|number| {
            let now = at(number * 50);
            gate.admission.count_request(CLIENT, None, now).is_ok()
        });
        assert_eq!(requests.count(), 3_600);
    }

    #[test]
    fn right_passwords_are_refunded_up_to_ten_times_the_rate() {
        let gate = gate(GateOptions::default());
        let login = |number: usize, ms| {
            let name = format!("user-{number}");
            gate.limits.check_login(CLIENT, &name, LoginSource::Anywhere, at(ms))
        };
        let office = (0..1_000).filter(|number| {
            let allowed = login(*number, 0).is_ok();
            if allowed {
                gate.limits.refund_login(CLIENT, at(0));
            }
            allowed
        });
        assert_eq!(office.count(), 220);
        // Failures are not refunded.
        let failed = (0..1_000).filter(|number| login(*number, 120_000).is_ok());
        assert_eq!(failed.count(), 20);
    }
}
