//! Rate classes of TLS handshakes, the most expensive request of an unauthenticated client.
//! Never: one class for all clients; a flood uses up only its own class.

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now};

use crate::capacity::address;
use crate::capacity::pools::USER_ADDRESS_FACTOR;
use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::load::state::LoadState;
use crate::tables::rate::Rate;
use crate::tables::rate_table::RejectionCost;

/// Addresses that connect often share this part of the rate.
const OFTEN_PART: u32 = 2;
/// An address connects often above this part of its connection rate, so that a flood is recognized
/// at once.
const SELDOM_PART: u32 = 3;

/// The rate class of a TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsClass {
    /// Addresses from which a user is signed in.
    UserAddress,
    /// Addresses that connect seldom, as most clients do.
    Infrequent,
    /// All other addresses: floods from few addresses, or repeated ones from many.
    Frequent,
}

impl Limiter {
    /// Counts a TLS handshake before it starts.
    ///
    /// Each rate class has its own count. At high load, only addresses of users keep their rate.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn count_tls_handshake(&self, client: IpAddr, now: Now) -> Result<TlsClass, Denial> {
        let signed_in = self.capacity.has_user(client);
        let outcome = self.count_tls(client, signed_in, now);
        self.note(now, outcome, || Attempt::Tls { client, signed_in })
    }

    /// The interval of TLS handshakes at the current rate, in microseconds; 0 in observe mode.
    #[must_use]
    pub fn tls_interval_us(&self, class: TlsClass) -> u64 {
        if self.policy().observed.is(Limit::TlsTotal) {
            return 0;
        }
        self.tls_rate(class).interval_ns() / 1_000
    }

    fn tls_rate(&self, class: TlsClass) -> Rate {
        match class {
            TlsClass::UserAddress => self.policy().options.tls_total,
            TlsClass::Infrequent => self.tls_total(),
            TlsClass::Frequent => self.tls_total().part(OFTEN_PART),
        }
    }

    pub(crate) fn count_tls(
        &self,
        client: IpAddr,
        signed_in: bool,
        now: Now,
    ) -> Result<TlsClass, Denial> {
        let policy = self.policy();
        let options = &policy.options;
        let (narrow, _) = address::prefixes(client);
        let key = self.rates.key(("tls", narrow));
        // An attempt that is rejected below counts too.
        let Rate { count, period_ms } = options.connect_per_prefix;
        let seldom = Rate { count: count.div_ceil(SELDOM_PART), period_ms };
        let limit = Limit::ConnectPerPrefix;
        let frequent = self.rates.take_prefix(limit, key, &seldom, RejectionCost::Charged, now);
        let rate = options.tls_per_prefix;
        let rate = if signed_in { rate.times(USER_ADDRESS_FACTOR) } else { rate };
        self.take_of_prefix(Limit::TlsPerPrefix, &rate, client, now)?;
        let class = match (signed_in, frequent) {
            (true, _) => TlsClass::UserAddress,
            (false, Ok(())) => TlsClass::Infrequent,
            (false, Err(_)) => TlsClass::Frequent,
        };
        if class != TlsClass::UserAddress && self.load() >= LoadState::Shedding {
            // It is not known yet which page has caused the connection.
            self.check_blocked(client, now)?;
        }
        let rate = self.tls_rate(class);
        let taken = match class {
            TlsClass::UserAddress => self.rates.take_neighbour(&rate, now),
            TlsClass::Infrequent => self.rates.take(Limit::TlsTotal, 0, &rate, now),
            TlsClass::Frequent => self.rates.take_often(&rate, now),
        };
        self.judged(Limit::TlsTotal, taken)?;
        Ok(class)
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

    fn gate() -> Gate {
        let options = GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            rate_keys_max: 8192,
            connect_per_prefix: Rate::per(5, 60_000),
            tls_per_prefix: Rate::per(1_000, 1_000),
            tls_total: Rate::per(50, 1_000),
            ..GateOptions::default()
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + number).to_be_bytes())
    }

    #[test]
    fn frequent_addresses_do_not_affect_other_clients() {
        let gate = gate();
        let mut classes = Vec::new();
        // Two hundred addresses, three times a second each, for a while.
        for second in 0..10_u64 {
            for turn in 0..600 {
                let now = Now { monotonic_ms: second * 1_000 + turn, unix_ms: 0 };
                classes.push(gate.limits.count_tls_handshake(address(turn as u32 % 200), now).ok());
            }
        }
        let (first, end) = classes.split_at(classes.len() / 2);
        assert!(first.contains(&Some(TlsClass::Infrequent)), "each connects for the first time");
        assert!(
            !end.contains(&Some(TlsClass::Infrequent)) && end.contains(&Some(TlsClass::Frequent))
        );
        let admitted = end.iter().flatten().count();
        assert!((100..=160).contains(&admitted), "25 a second, and a burst: {admitted}");
        // Other clients connect, and are not affected.
        let now = Now { monotonic_ms: 10_000, unix_ms: 0 };
        for number in 1_000..1_040 {
            assert_eq!(
                gate.limits.count_tls_handshake(address(number), now),
                Ok(TlsClass::Infrequent),
                "{number}"
            );
        }
        // Handshakes of each class are spread over the interval of that class.
        let every = [TlsClass::UserAddress, TlsClass::Infrequent, TlsClass::Frequent];
        assert_eq!(every.map(|class| gate.limits.tls_interval_us(class)), [20_000, 20_000, 40_000]);
    }
}
