//! Limits by load: an overloaded server first rejects unauthenticated clients, then logins.
//! Never: a check that is left out; only rates and capacities change.

use portcullis_model::{Denial, Limit, Now, ShedKind};

use crate::capacity::client_class::ClientClass;
use crate::limits::attempt::Attempt;
use crate::limits::limiter::Limiter;
use crate::load::state::LoadState;
use crate::tables::rate::Rate;

/// Rate of all logins from [`LoadState::Shedding`] on.
const LOGIN_SHEDDING: Rate = Rate::per(5, 1_000);
/// Unauthenticated clients get this part of the connection rate from [`LoadState::Elevated`] on.
const UNAUTHENTICATED_PART: u32 = 4;
/// TLS handshakes get this part of their rate. Only a later request shows that a client returns.
const TLS_SHEDDING_PART: u32 = 4;
const TLS_CRITICAL_PART: u32 = 10;

impl Limiter {
    /// The load in force: pinned by the operator, otherwise measured.
    #[must_use]
    pub fn load(&self) -> LoadState {
        self.load.state()
    }

    /// The load that was measured last, also while another state is pinned.
    #[must_use]
    pub fn measured_load(&self) -> LoadState {
        self.load.measured()
    }

    /// The load that the operator has pinned.
    #[must_use]
    pub fn pinned_load(&self) -> Option<LoadState> {
        self.load.pinned()
    }

    /// Stores a measured load, and the state that the latest sample alone asks for.
    ///
    /// From [`LoadState::Shedding`] on, the rate of returning clients follows the samples.
    ///
    /// Returns the state whose pin has ended now.
    pub fn record_load(&self, state: LoadState, sampled: LoadState, now: Now) -> Option<LoadState> {
        let has_ended = self.load.pinned_until_ms().is_some_and(|end| now.monotonic_ms >= end);
        let ended = self.load.pinned().filter(|_| has_ended);
        if ended.is_some() {
            self.pin_load(None, now);
        }
        if self.load.measure(state, sampled) {
            self.note_load(now);
        }
        ended
    }

    /// Pins a state, or returns to the measured one.
    pub fn pin_load(&self, state: Option<LoadState>, now: Now) {
        self.load.pin(state, None);
        self.note_load(now);
    }

    /// Pins a state for a time; the pin ends with the next sample of the load after it.
    pub fn pin_load_for(&self, state: LoadState, lasting_ms: u64, now: Now) {
        self.load.pin(Some(state), Some(now.monotonic_ms.saturating_add(lasting_ms)));
        self.note_load(now);
    }

    /// The rest of the time for which a state is pinned; `None` without a pin, or without an end.
    #[must_use]
    pub fn pinned_for_ms(&self, now: Now) -> Option<u64> {
        Some(self.load.pinned_until_ms()?.saturating_sub(now.monotonic_ms))
    }

    /// Takes over the state and the rate of a trace, for a simulation.
    pub(crate) fn follow_load(&self, state: LoadState, returning_permille: u32) {
        self.load.follow(state, returning_permille);
    }

    fn note_load(&self, now: Now) {
        self.note_done(now, || Attempt::Load {
            state: String::from(self.load().name()),
            returning_permille: self.returning_permille(),
        });
    }

    /// The rate of returning clients, in thousandths of `connect_total`.
    #[must_use]
    pub fn returning_permille(&self) -> u32 {
        self.load.returning_permille()
    }

    /// Checks whether clients of a class may connect at the current load.
    pub(crate) fn check_shed(&self, class: ClientClass) -> Result<(), Denial> {
        let overloaded = self.load() >= LoadState::Shedding;
        if overloaded && class == ClientClass::Unauthenticated {
            Err(Denial::Shed(ShedKind::UnauthenticatedConnection))
        } else {
            Ok(())
        }
    }

    /// Checks whether an open connection stays open at the current load. Returning clients stay:
    /// they were admitted to sign in, and have the time for it.
    ///
    /// # Errors
    ///
    /// [`ShedKind::UnauthenticatedConnection`].
    pub fn check_shed_connection(
        &self,
        class: ClientClass,
        is_signed_in: bool,
    ) -> Result<(), Denial> {
        let critical = self.load() == LoadState::Critical;
        if critical && !is_signed_in && class == ClientClass::Unauthenticated {
            Err(Denial::Shed(ShedKind::UnauthenticatedConnection))
        } else {
            Ok(())
        }
    }

    /// Counts a connection of a returning client. From [`LoadState::Shedding`] on, these clients
    /// share a part of `connect_total`.
    pub(crate) fn take_returning(&self, now: Now) -> Result<(), Denial> {
        if self.load() < LoadState::Shedding {
            return Ok(());
        }
        let rate = self.policy().options.connect_total.permille(self.returning_permille());
        self.rates
            .take_returning(&rate, now)
            .map_err(|_| Denial::Shed(ShedKind::ReturningConnection))
    }

    /// Checks whether requests of a class are answered at the current load.
    pub(crate) fn check_shed_request(&self, class: ClientClass) -> Result<(), Denial> {
        let critical = self.load() == LoadState::Critical;
        if critical && class == ClientClass::Unauthenticated {
            Err(Denial::Shed(ShedKind::Request))
        } else {
            Ok(())
        }
    }

    /// The connection rate of all unauthenticated clients.
    pub(crate) fn connect_total(&self) -> Rate {
        let rate = self.policy().options.connect_total;
        if self.load() >= LoadState::Elevated { rate.part(UNAUTHENTICATED_PART) } else { rate }
    }

    /// The rate of all TLS handshakes with unauthenticated clients.
    pub(crate) fn tls_total(&self) -> Rate {
        let rate = self.policy().options.tls_total;
        match self.load() {
            LoadState::Normal | LoadState::Elevated => rate,
            LoadState::Shedding => rate.part(TLS_SHEDDING_PART),
            LoadState::Critical => rate.part(TLS_CRITICAL_PART),
        }
    }

    /// How many connections of unauthenticated clients there may be at the current load.
    #[must_use]
    pub fn pre_auth_max(&self) -> u32 {
        let max = self.policy().options.capacity.pre_auth;
        if self.load() >= LoadState::Elevated { max.div_ceil(2) } else { max }
    }

    /// The message rate of one user at the current load.
    pub(crate) fn message_per_user(&self) -> Rate {
        let rate = self.policy().options.message_per_user;
        if self.load() >= LoadState::Shedding { rate.part(2) } else { rate }
    }

    /// Counts a login toward the rate of all logins, which is lower at high load.
    ///
    /// # Errors
    /// The [`Denial`] of that limit, or that logins are shed.
    pub fn take_login_slot(&self, now: Now) -> Result<(), Denial> {
        self.note(now, self.count_login_slot(now), || Attempt::LoginSlot {})
    }

    /// As [`Limiter::take_login_slot`], for a client that already waits for its turn.
    ///
    /// # Errors
    /// As [`Limiter::take_login_slot`].
    pub fn retry_login_slot(&self, now: Now) -> Result<(), Denial> {
        self.note_again(now, self.count_login_slot(now), || Attempt::LoginSlot {})
    }

    pub(crate) fn count_login_slot(&self, now: Now) -> Result<(), Denial> {
        let rate = self.policy().options.login_total;
        match self.load() {
            LoadState::Normal | LoadState::Elevated => {
                self.take_of_all(Limit::LoginTotal, &rate, now)
            }
            LoadState::Shedding => {
                let rate = rate.slower_of(LOGIN_SHEDDING);
                self.rates
                    .take(Limit::LoginTotal, 0, &rate, now)
                    .map_err(|_| Denial::Shed(ShedKind::Login))
            }
            LoadState::Critical => Err(Denial::Shed(ShedKind::Login)),
        }
    }

    /// The time that a client has to sign in at the current load.
    #[must_use]
    pub fn pre_auth_timeout_ms(&self, configured_ms: u64) -> u64 {
        if self.load() >= LoadState::Elevated { configured_ms.div_ceil(2) } else { configured_ms }
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
    use crate::load::current::RETURNING_RATE_MAX as LEVEL_MAX;
    use crate::load::current::RETURNING_RATE_MIN as LEVEL_MIN;

    fn gate() -> Gate {
        let options = GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            rate_keys_max: 1024,
            ..GateOptions::default()
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    #[test]
    fn each_state_admits_less_and_every_state_admits_some() {
        let gate = gate();
        let seen = LoadState::ALL.map(|state| {
            gate.limits.pin_load(Some(state), Now::default());
            (
                gate.limits.check_shed(ClientClass::Unauthenticated).is_ok(),
                gate.limits.check_shed(ClientClass::Admin).is_ok(),
                gate.limits.check_shed_request(ClientClass::Unauthenticated).is_ok(),
                gate.limits.connect_total().count,
                gate.limits.tls_total().count,
                gate.limits.pre_auth_max(),
                gate.limits.message_per_user().count,
                gate.limits.pre_auth_timeout_ms(10_000),
            )
        });
        let expect = [
            (true, true, true, 500, 500, 2_000, 100, 10_000),
            (true, true, true, 125, 500, 1_000, 100, 5_000),
            (false, true, true, 125, 125, 1_000, 50, 5_000),
            (false, true, false, 125, 50, 1_000, 50, 5_000),
        ];
        assert_eq!(seen, expect);
    }

    #[test]
    fn pin_for_a_time_ends_by_itself() {
        let gate = gate();
        let at = |monotonic_ms| Now { monotonic_ms, unix_ms: 0 };
        let sample = |ms| gate.limits.record_load(LoadState::Normal, LoadState::Normal, at(ms));
        gate.limits.pin_load_for(LoadState::Shedding, 1_000, at(500));
        assert_eq!((sample(1_499), gate.limits.load()), (None, LoadState::Shedding));
        assert_eq!(gate.limits.pinned_for_ms(at(600)), Some(900));
        assert_eq!(
            (sample(1_500), gate.limits.load()),
            (Some(LoadState::Shedding), LoadState::Normal)
        );
        assert_eq!((sample(1_501), gate.limits.pinned_load()), (None, None));
        gate.limits.pin_load_for(LoadState::Shedding, 1_000, at(2_000));
        gate.limits.pin_load(Some(LoadState::Critical), at(2_100));
        assert_eq!(gate.limits.pinned_for_ms(at(2_100)), None, "the later pin has no end");
        assert_eq!((sample(9_000), gate.limits.load()), (None, LoadState::Critical));
    }

    #[test]
    fn only_unauthenticated_connections_end_and_only_at_critical() {
        let gate = gate();
        for state in LoadState::ALL {
            gate.limits.pin_load(Some(state), Now::default());
            let stays = |class, is_signed_in| {
                gate.limits.check_shed_connection(class, is_signed_in).is_ok()
            };
            let is_critical = state == LoadState::Critical;
            assert_eq!(stays(ClientClass::Unauthenticated, false), !is_critical);
            assert!(stays(ClientClass::Unauthenticated, true));
            assert!(stays(ClientClass::Returning, false));
        }
    }

    #[test]
    fn logins_are_limited_then_rejected() {
        let gate = gate();
        let passes = |at_ms| {
            let now = Now { monotonic_ms: at_ms, unix_ms: 0 };
            (0..50).filter(|_| gate.limits.take_login_slot(now).is_ok()).count()
        };
        assert_eq!(passes(0), 50);
        gate.limits.pin_load(Some(LoadState::Shedding), Now::default());
        assert_eq!(passes(10_000), 5);
        gate.limits.pin_load(Some(LoadState::Critical), Now::default());
        assert_eq!(passes(20_000), 0);
        gate.limits.pin_load(None, Now::default());
        assert_eq!(passes(30_000), 50);
    }

    #[test]
    fn rate_of_returning_clients_falls_fast_and_rises_slowly() {
        let gate = gate();
        let mut second = 0;
        let mut passes = || {
            second += 10;
            let now = Now { monotonic_ms: second * 1_000, unix_ms: 0 };
            (0..10_000).filter(|_| gate.limits.take_returning(now).is_ok()).count()
        };
        assert_eq!(passes(), 10_000, "they are not counted at normal load");
        let measured = |state, sampled| {
            assert_eq!(gate.limits.record_load(state, sampled, Now::default()), None);
        };
        for _ in 0..10 {
            measured(LoadState::Shedding, LoadState::Shedding);
        }
        assert_eq!(gate.limits.returning_permille(), 500);
        assert_eq!(passes(), 250, "half of what all may connect in a second");
        for _ in 0..100 {
            measured(LoadState::Critical, LoadState::Critical);
        }
        assert_eq!(gate.limits.returning_permille(), LEVEL_MIN);
        assert_eq!(passes(), 25);
        // The state is left slowly; the rate rises with the first sample of a lower load.
        for _ in 0..10 {
            measured(LoadState::Shedding, LoadState::Elevated);
        }
        assert_eq!(gate.limits.returning_permille(), 150);
        measured(LoadState::Elevated, LoadState::Normal);
        assert_eq!(gate.limits.returning_permille(), LEVEL_MAX);
        assert_eq!(passes(), 10_000);
        // With a pinned state, the samples still set the rate.
        gate.limits.pin_load(Some(LoadState::Shedding), Now::default());
        for _ in 0..2 {
            measured(LoadState::Shedding, LoadState::Shedding);
        }
        measured(LoadState::Normal, LoadState::Normal);
        assert_eq!(gate.limits.returning_permille(), 910);
        assert_eq!(
            (gate.limits.load(), gate.limits.measured_load()),
            (LoadState::Shedding, LoadState::Normal)
        );
    }
}
