//! What a hard-pressed server does without: strangers first, then log-ins, then what can wait.
//! Never: a check; only how much is let in changes.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use portcullis_model::{Denial, Limit, Now, Shed};

use crate::gate::Gate;
use crate::limits::attempt::Attempt;
use crate::limits::capacity::Class;
use crate::limits::rate::Rate;
use crate::load::machine::LoadState;

/// Log-ins in all from Shedding on.
const LOGIN_SHEDDING: Rate = Rate::per(5, 1_000);
/// What strangers get less of in Elevated.
const STRANGERS_PART: u32 = 4;
/// What strangers get less of TLS handshakes: whoever has been here before shows that only after.
const TLS_SHEDDING_PART: u32 = 4;
const TLS_CRITICAL_PART: u32 = 10;
/// Those who have been here before come in as fast as anybody may: a thousand of a thousand.
const LEVEL_MAX: u32 = 1_000;
/// How the level of those who have been here before falls and rises, a look.
const LEVEL_DOWN: u32 = 50;
const LEVEL_UP: u32 = 10;
/// Whatever the load, some of them come in.
const LEVEL_MIN: u32 = 50;

/// How hard-pressed the server is, as all threads see it.
pub(crate) struct Pressed {
    measured: AtomicU8,
    /// 0 where the operator has not pinned a state, otherwise that state plus one.
    pinned: AtomicU8,
    /// How fast those come in who have been here before, in thousandths of what all may.
    level: AtomicU32,
}

impl Pressed {
    pub(crate) fn pinned_to(state: Option<LoadState>) -> Self {
        let pinned = state.map_or(0, |state| state as u8 + 1);
        let (measured, pinned) = (AtomicU8::new(0), AtomicU8::new(pinned));
        Self { measured, pinned, level: AtomicU32::new(LEVEL_MAX) }
    }
}

fn state_of(number: u8) -> LoadState {
    LoadState::ALL.get(usize::from(number)).copied().unwrap_or_default()
}

impl Gate {
    /// How hard-pressed the server is: as the operator says, otherwise as it was measured.
    #[must_use]
    pub fn load(&self) -> LoadState {
        match self.pinned_load() {
            Some(pinned) => pinned,
            None => self.measured_load(),
        }
    }

    /// As it was measured last, whatever the operator says.
    #[must_use]
    pub fn measured_load(&self) -> LoadState {
        state_of(self.pressed.measured.load(Ordering::Relaxed))
    }

    /// What the operator says, if anything.
    #[must_use]
    pub fn pinned_load(&self) -> Option<LoadState> {
        self.pressed.pinned.load(Ordering::Relaxed).checked_sub(1).map(state_of)
    }

    /// Takes over what was measured: the state, and the one that the last look alone asks for.
    /// While that is Shedding, those who have been here before come in at a falling level.
    pub fn measured(&self, state: LoadState, asked: LoadState, now: Now) {
        let before = (self.load(), self.known_level());
        self.pressed.measured.store(state as u8, Ordering::Relaxed);
        let pressed = self.load() >= LoadState::Shedding;
        let busy = asked >= LoadState::Shedding;
        let level = match (pressed, busy) {
            (false, _) => LEVEL_MAX,
            (true, true) => self.known_level().saturating_sub(LEVEL_DOWN).max(LEVEL_MIN),
            (true, false) => self.known_level().saturating_add(LEVEL_UP).min(LEVEL_MAX),
        };
        self.pressed.level.store(level, Ordering::Relaxed);
        if before != (self.load(), level) {
            self.note_load(now);
        }
    }

    fn note_load(&self, now: Now) {
        self.note_done(now, || Attempt::Load {
            state: String::from(self.load().name()),
            known_level: self.known_level(),
        });
    }

    /// Goes by another's state and level.
    pub(crate) fn follow_load(&self, state: LoadState, known_level: u32) {
        self.pressed.pinned.store(state as u8 + 1, Ordering::Relaxed);
        self.pressed.level.store(known_level.min(LEVEL_MAX), Ordering::Relaxed);
    }

    /// Keeps to a state whatever is measured, or goes by the measurements again.
    pub fn pin_load(&self, state: Option<LoadState>, now: Now) {
        let number = state.map_or(0, |state| state as u8 + 1);
        self.pressed.pinned.store(number, Ordering::Relaxed);
        self.note_load(now);
    }

    /// How fast those come in who have been here before, in thousandths of what all may connect
    /// (`connect_total`).
    #[must_use]
    pub fn known_level(&self) -> u32 {
        self.pressed.level.load(Ordering::Relaxed)
    }

    /// Whether anybody of a class may connect at all.
    pub(crate) fn check_shed(&self, class: Class) -> Result<(), Denial> {
        let pressed = self.load() >= LoadState::Shedding;
        if pressed && class == Class::Stranger { Err(Denial::Shed(Shed::Stranger)) } else { Ok(()) }
    }

    /// Counts one who has been here before: from Shedding on, they share what all may connect in
    /// calmer times, by the level.
    pub(crate) fn take_known(&self, now: Now) -> Result<(), Denial> {
        if self.load() < LoadState::Shedding {
            return Ok(());
        }
        let rate = self.options.connect_total.permille(self.known_level());
        self.rates.take_known(&rate, now).map_err(|_| Denial::Shed(Shed::Known))
    }

    /// Whether a page or request of a stranger is answered.
    pub(crate) fn check_shed_request(&self, class: Class) -> Result<(), Denial> {
        let critical = self.load() == LoadState::Critical;
        if critical && class == Class::Stranger { Err(Denial::Shed(Shed::Request)) } else { Ok(()) }
    }

    /// What strangers may connect in all.
    pub(crate) fn connect_total(&self) -> Rate {
        let rate = self.options.connect_total;
        if self.load() >= LoadState::Elevated { rate.part(STRANGERS_PART) } else { rate }
    }

    /// How many TLS handshakes strangers may begin in all.
    pub(crate) fn tls_total(&self) -> Rate {
        let rate = self.options.tls_total;
        match self.load() {
            LoadState::Normal | LoadState::Elevated => rate,
            LoadState::Shedding => rate.part(TLS_SHEDDING_PART),
            LoadState::Critical => rate.part(TLS_CRITICAL_PART),
        }
    }

    /// How many of them may be there at a time, in this state.
    #[must_use]
    pub fn pre_auth_max(&self) -> u32 {
        let max = self.options.places.pre_auth;
        if self.load() >= LoadState::Elevated { max.div_ceil(2) } else { max }
    }

    /// What one user may send.
    pub(crate) fn message_per_user(&self) -> Rate {
        let rate = self.options.message_per_user;
        if self.load() >= LoadState::Shedding { rate.part(2) } else { rate }
    }

    /// Counts a log-in against what all may, which is little when the server is hard-pressed.
    ///
    /// # Errors
    /// [`Denial`] of the limit, or that log-ins are shed.
    pub fn login_place(&self, now: Now) -> Result<(), Denial> {
        self.note(now, self.count_login_place(now), || Attempt::LoginPlace {})
    }

    /// The same of one who has asked before and waits.
    ///
    /// # Errors
    /// As [`Gate::login_place`].
    pub fn login_place_again(&self, now: Now) -> Result<(), Denial> {
        self.note_again(now, self.count_login_place(now), || Attempt::LoginPlace {})
    }

    pub(crate) fn count_login_place(&self, now: Now) -> Result<(), Denial> {
        let rate = self.options.login_total;
        match self.load() {
            LoadState::Normal | LoadState::Elevated => {
                self.take_of_all(Limit::LoginTotal, &rate, now)
            }
            LoadState::Shedding => {
                let rate = rate.slower_of(LOGIN_SHEDDING);
                self.rates
                    .take(Limit::LoginTotal, 0, &rate, now)
                    .map_err(|_| Denial::Shed(Shed::Login))
            }
            LoadState::Critical => Err(Denial::Shed(Shed::Login)),
        }
    }

    /// How long somebody may take to sign in, of what is configured.
    #[must_use]
    pub fn pre_auth_ms(&self, configured_ms: u64) -> u64 {
        if self.load() >= LoadState::Elevated { configured_ms.div_ceil(2) } else { configured_ms }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::directory::tables::{Directory, DirectoryLimits};
    use crate::gate_options::GateOptions;

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
    fn each_state_lets_in_less_and_no_state_lets_in_nobody() {
        let gate = gate();
        let seen = LoadState::ALL.map(|state| {
            gate.pin_load(Some(state), Now::default());
            (
                gate.check_shed(Class::Stranger).is_ok(),
                gate.check_shed(Class::Admin).is_ok(),
                gate.check_shed_request(Class::Stranger).is_ok(),
                gate.connect_total().count,
                gate.tls_total().count,
                gate.pre_auth_max(),
                gate.message_per_user().count,
                gate.pre_auth_ms(10_000),
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
    fn log_ins_are_few_then_none() {
        let gate = gate();
        let passes = |at_ms| {
            let now = Now { monotonic_ms: at_ms, unix_ms: 0 };
            (0..50).filter(|_| gate.login_place(now).is_ok()).count()
        };
        assert_eq!(passes(0), 50);
        gate.pin_load(Some(LoadState::Shedding), Now::default());
        assert_eq!(passes(10_000), 5);
        gate.pin_load(Some(LoadState::Critical), Now::default());
        assert_eq!(passes(20_000), 0);
        gate.pin_load(None, Now::default());
        assert_eq!(passes(30_000), 50);
    }

    #[test]
    fn those_who_have_been_here_come_in_by_a_level_that_falls_fast_and_rises_slowly() {
        let gate = gate();
        let mut second = 0;
        let mut passes = || {
            second += 10;
            let now = Now { monotonic_ms: second * 1_000, unix_ms: 0 };
            (0..10_000).filter(|_| gate.take_known(now).is_ok()).count()
        };
        assert_eq!(passes(), 10_000, "nobody counts them in calm times");
        let measured = |state, asked| gate.measured(state, asked, Now::default());
        for _ in 0..10 {
            measured(LoadState::Shedding, LoadState::Shedding);
        }
        assert_eq!(gate.known_level(), 500);
        assert_eq!(passes(), 250, "half of what all may connect in a second");
        for _ in 0..100 {
            measured(LoadState::Critical, LoadState::Critical);
        }
        assert_eq!(gate.known_level(), LEVEL_MIN);
        assert_eq!(passes(), 25);
        // It is left slowly, and they come in faster as soon as a look is calmer.
        for _ in 0..10 {
            measured(LoadState::Shedding, LoadState::Elevated);
        }
        assert_eq!(gate.known_level(), 150);
        measured(LoadState::Elevated, LoadState::Normal);
        assert_eq!(gate.known_level(), LEVEL_MAX);
        assert_eq!(passes(), 10_000);
        // Pinned, the measurements still say how many come in.
        gate.pin_load(Some(LoadState::Shedding), Now::default());
        for _ in 0..2 {
            measured(LoadState::Shedding, LoadState::Shedding);
        }
        measured(LoadState::Normal, LoadState::Normal);
        assert_eq!(gate.known_level(), 910);
        assert_eq!((gate.load(), gate.measured_load()), (LoadState::Shedding, LoadState::Normal));
    }
}
