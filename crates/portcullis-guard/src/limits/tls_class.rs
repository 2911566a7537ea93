//! TLS handshakes: the dearest thing a stranger can ask for, before anybody can show who they are.
//! Never: one lane for all; a flood fills its own.

use std::net::IpAddr;

use portcullis_model::{Denial, Limit, Now};

use crate::capacity::address;
use crate::capacity::pools::NEIGHBOURS_FACTOR;
use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::load::machine::LoadState;
use crate::tables::rate::Rate;
use crate::tables::rate_table::RejectionCost;

/// Those who come too often share this part of what all may.
const OFTEN_PART: u32 = 2;
/// Too often is more than this part of the connections an address may make, at once or on the
/// average: so a flood is known for one after its first moments.
const SELDOM_PART: u32 = 3;

/// Whose TLS handshakes count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsClass {
    /// Of addresses somebody is signed in from.
    UserAddress,
    /// Of addresses that come seldom, as most people do.
    Infrequent,
    /// Of all others: who floods from few addresses, or again and again from many.
    Frequent,
}

impl Limiter {
    /// Counts a TLS handshake, before it costs anything. Addresses somebody is signed in from share
    /// a count of their own, and so do those that come seldom; with all but the first, a pressed
    /// server makes fewer of them.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub fn count_tls_handshake(&self, client: IpAddr, now: Now) -> Result<TlsClass, Denial> {
        let signed_in = self.capacity.has_user(client);
        let outcome = self.count_tls(client, signed_in, now);
        self.note(now, outcome, || Attempt::Tls { client, signed_in })
    }

    /// How far TLS handshakes lie apart at the fastest rate there may be just now, in microseconds;
    /// 0 where that limit is only observed.
    #[must_use]
    pub fn tls_interval_us(&self, lane: TlsClass) -> u64 {
        if self.observed.is(Limit::TlsTotal) {
            return 0;
        }
        self.tls_rate(lane).interval_ns() / 1_000
    }

    fn tls_rate(&self, lane: TlsClass) -> Rate {
        match lane {
            TlsClass::UserAddress => self.options.tls_total,
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
        let options = &self.options;
        let (narrow, _) = address::prefixes(client);
        let key = self.rates.key(("tls", narrow));
        // What is refused below has come as well.
        let Rate { count, period_ms } = options.connect_per_prefix;
        let seldom = Rate { count: count.div_ceil(SELDOM_PART), period_ms };
        let limit = Limit::ConnectPerPrefix;
        let often = self.rates.take_prefix(limit, key, &seldom, RejectionCost::Charged, now);
        let rate = options.tls_per_prefix;
        let rate = if signed_in { rate.times(NEIGHBOURS_FACTOR) } else { rate };
        self.take_of_prefix(Limit::TlsPerPrefix, &rate, client, now)?;
        let lane = match (signed_in, often) {
            (true, _) => TlsClass::UserAddress,
            (false, Ok(())) => TlsClass::Infrequent,
            (false, Err(_)) => TlsClass::Frequent,
        };
        if lane != TlsClass::UserAddress && self.load() >= LoadState::Shedding {
            // Nothing tells yet which page's connection it is.
            self.check_blocked(client, now)?;
        }
        let rate = self.tls_rate(lane);
        let taken = match lane {
            TlsClass::UserAddress => self.rates.take_neighbour(&rate, now),
            TlsClass::Infrequent => self.rates.take(Limit::TlsTotal, 0, &rate, now),
            TlsClass::Frequent => self.rates.take_often(&rate, now),
        };
        self.judged(Limit::TlsTotal, taken)?;
        Ok(lane)
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
    fn who_comes_again_and_again_stands_in_nobodys_way() {
        let gate = gate();
        let mut lanes = Vec::new();
        // Two hundred addresses, three times a second each, for a while.
        for second in 0..10_u64 {
            for turn in 0..600 {
                let now = Now { monotonic_ms: second * 1_000 + turn, unix_ms: 0 };
                lanes.push(gate.limits.count_tls_handshake(address(turn as u32 % 200), now).ok());
            }
        }
        let (begin, end) = lanes.split_at(lanes.len() / 2);
        assert!(begin.contains(&Some(TlsClass::Infrequent)), "each has come for the first time");
        assert!(
            !end.contains(&Some(TlsClass::Infrequent)) && end.contains(&Some(TlsClass::Frequent))
        );
        let let_in = end.iter().flatten().count();
        assert!((100..=160).contains(&let_in), "25 a second, and a burst: {let_in}");
        // Somebody else comes, and finds no crowd.
        let now = Now { monotonic_ms: 10_000, unix_ms: 0 };
        for number in 1_000..1_040 {
            assert_eq!(
                gate.limits.count_tls_handshake(address(number), now),
                Ok(TlsClass::Infrequent),
                "{number}"
            );
        }
        // Handshakes of each lane are spread over the time that lane has.
        let every = [TlsClass::UserAddress, TlsClass::Infrequent, TlsClass::Frequent];
        assert_eq!(every.map(|lane| gate.limits.tls_interval_us(lane)), [20_000, 20_000, 40_000]);
    }
}
