//! What an event declares: its payload type and the rule every message of it is held to.
//! Never: an event nobody declared, or a rule that changes while the server runs.

use std::marker::PhantomData;

use portcullis_model::limits::{ATTACHMENTS_MAX, EVENT_NAME_MAX_BYTES};
use portcullis_model::{Denial, Role, RoomId};
use serde::de::DeserializeOwned;

use crate::authorization::access::Allowed;
use crate::content::cleaner::Cleaner;
use crate::gate::{Gate, GateError};
use crate::limits::rate::Rate;
use crate::load::machine::LoadState;

/// An event a client may send; the type is its payload.
///
/// The payload is a JSON object. Derive `Deserialize` with `deny_unknown_fields`, also for every
/// struct inside it: the start fails at a type that takes undeclared members. Read ids with
/// [`crate::field`], and give text to the cleaner in [`Event::clean`]: what is not cleaned is
/// whatever the client wrote.
pub trait Event: DeserializeOwned + 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// What every message of it is held to.
    const RULE: Rule;

    /// The room the message is about; a rule that asks for a relation refuses without one.
    fn room(&self) -> Option<&RoomId> {
        None
    }

    /// Replaces text by what is safe to store and show. Runs last, after access.
    ///
    /// # Errors
    /// What the cleaner refuses, and whatever else about the content the event does not take.
    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        let _ = cleaner;
        Ok(())
    }
}

/// What every message of one event is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Field names that a refusal may tell the peer; no other name is ever told.
    pub fields: &'static [&'static str],
    /// Largest message in bytes, name and envelope included.
    pub size_max_bytes: u32,
    /// How often one user may send it, on top of the limits for all events.
    pub rate: Option<Rate>,
    /// Who may send it.
    pub access: Access,
    /// What keeps a second copy from having a second effect.
    pub replay: Replay,
    /// It gives something back (leave): counted, never refused for its rate.
    pub release: bool,
    /// It says something others hear: refused to whoever is muted.
    pub speaks: bool,
    /// It changes what others may do, or reaches everyone: signed where the server is strict.
    pub sensitive: bool,
    /// How long ago the log-in may be, in seconds; 0 and it does not matter.
    pub login_max_age_s: u32,
    /// What happens to it when the server is hard-pressed.
    pub priority: Priority,
    /// Binary attachments a message may carry, at most 10; their bytes count to its size.
    pub attachments_max: u8,
    /// JSON pointers of the fields that are sealed before the handler gets them, such as `/note`;
    /// exactly those whose type is [`crate::Sealed`].
    pub sealed: &'static [&'static str],
}

impl Rule {
    /// What a rule says where nothing else is asked: signed-in users, 10 KiB, text only.
    pub const DEFAULT: Self = Self {
        fields: &[],
        size_max_bytes: 10 * 1024,
        rate: None,
        access: Access::User,
        replay: Replay::None,
        release: false,
        speaks: false,
        sensitive: false,
        login_max_age_s: 0,
        priority: Priority::Usual,
        attachments_max: 0,
        sealed: &[],
    };
}

/// How much an event matters when not everything can be done. No check is ever left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// It is refused from [`LoadState::Shedding`] on: what nobody misses for a while.
    Light,
    /// It is refused in [`LoadState::Critical`].
    #[default]
    Usual,
    /// It is always taken: what users are here for, and what keeps the server safe.
    Vital,
}

impl Priority {
    /// Whether it is taken in a state.
    pub(crate) fn holds_in(self, state: LoadState) -> bool {
        match self {
            Self::Light => state < LoadState::Shedding,
            Self::Usual => state < LoadState::Critical,
            Self::Vital => true,
        }
    }
}

/// Who may send an event. A room that is not there and one that is not for the user are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone who is signed in.
    User,
    /// Who holds the role now, or a stronger one.
    Role(Role),
    /// Everyone for a public room; who is invited, members and the owner for a private one. Never
    /// who was put out.
    Joinable,
    /// Members of the room; an owner who left is none.
    Member,
    /// The owner of the room.
    Owner,
    /// The owner of the room, and for every room who holds the role or a stronger one.
    OwnerOr(Role),
}

/// What keeps a second copy of a message from having a second effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Nothing: the effect is the same however often. A `mid` must be an id and is dropped.
    None,
    /// A `mid`, when the client sends one, is passed on with the digest of the payload.
    Mid,
    /// A `mid` is asked for.
    MidRequired,
    /// A `mid` and a message number are asked for.
    SeqMid,
    /// Number, time and a signature by the key of the session are asked for; a `mid` is passed on.
    Signed,
}

impl Replay {
    /// All of them, weakest first.
    pub const ALL: [Self; 5] =
        [Self::None, Self::Mid, Self::MidRequired, Self::SeqMid, Self::Signed];

    /// The word used in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mid => "mid-optional",
            Self::MidRequired => "mid",
            Self::SeqMid => "seq+mid",
            Self::Signed => "signed",
        }
    }
}

/// Proof that an event's rule was read and is known to the gate.
pub struct Declared<E> {
    pub(crate) size_max_bytes: usize,
    pub(crate) rate: Option<Rate>,
    pub(crate) allowed: Allowed,
    pub(crate) replay: Replay,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> Declared<E> {
    /// How many binary attachments a message may carry.
    #[must_use]
    pub fn attachments_max(&self) -> usize {
        usize::from(E::RULE.attachments_max)
    }
}

/// Proof that the rule of an event without a payload type was read.
#[derive(Debug, Clone, Copy)]
pub struct Unnamed {
    pub(crate) name: &'static str,
    pub(crate) size_max_bytes: usize,
    pub(crate) rate: Option<Rate>,
    pub(crate) allowed: Allowed,
    pub(crate) attachments_max: usize,
}

impl Unnamed {
    /// How many binary attachments a message may carry.
    #[must_use]
    pub fn attachments_max(&self) -> usize {
        self.attachments_max
    }
}

/// What holds for an event once the operator's options are laid over its rule.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) rate: Option<Rate>,
    pub(crate) allowed: Allowed,
    pub(crate) replay: Replay,
}

/// A declared event, for whoever lists them.
#[derive(Debug)]
pub(crate) struct DeclaredFacts {
    pub(crate) namespace: String,
    pub(crate) name: &'static str,
    pub(crate) allowed: Allowed,
    pub(crate) replay: Replay,
    pub(crate) rate: Option<Rate>,
    /// The same without the operator's options.
    pub(crate) usual: InForce,
}

impl DeclaredFacts {
    fn is_same(&self, other: &Self) -> bool {
        (self.name, &self.namespace) == (other.name, &other.namespace)
    }
}

/// Names Socket.IO keeps for itself.
const RESERVED: [&str; 8] = [
    "connect",
    "connect_error",
    "connection",
    "disconnect",
    "disconnecting",
    "error",
    "newListener",
    "removeListener",
];

impl Gate {
    /// Makes an event of a namespace known; a configured rate takes the place of the declared one.
    ///
    /// `namespace` is a name or a pattern; two namespaces may have events of one name.
    ///
    /// # Errors
    /// [`GateError`] when the name is no event name or is taken, the rule cannot be kept, or the
    /// payload's type takes members that it does not declare.
    pub fn declare<E: Event>(&mut self, namespace: &str) -> Result<Declared<E>, GateError> {
        self.check_payload::<E>()?;
        let known = self.declare_rule(namespace, E::NAME, &E::RULE)?;
        let size_max_bytes = E::RULE.size_max_bytes.min(self.options.message_max_bytes) as usize;
        let InForce { rate, allowed, replay } = known;
        Ok(Declared { size_max_bytes, rate, allowed, replay, event: PhantomData })
    }

    /// Checks a rule and takes its name; gives what is in force.
    pub(crate) fn declare_rule(
        &mut self,
        namespace: &str,
        name: &'static str,
        rule: &Rule,
    ) -> Result<InForce, GateError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
        let sound =
            !name.is_empty() && name.len() <= EVENT_NAME_MAX_BYTES && name.bytes().all(allowed);
        if !sound || RESERVED.contains(&name) {
            return Err(GateError::EventName(String::from(name)));
        }
        let unsound = |why| GateError::EventRule { event: String::from(name), why };
        if rule.size_max_bytes == 0 {
            return Err(unsound("its size limit lets nothing pass"));
        }
        if usize::from(rule.attachments_max) > ATTACHMENTS_MAX {
            return Err(unsound("a message carries 10 attachments at most"));
        }
        let configured = self.options.event_per_user.iter().find(|(known, _)| known == name);
        let rate = configured.map(|(_, rate)| *rate).or(rule.rate);
        if rate.is_some_and(|rate| !rate.is_sound()) {
            return Err(unsound("its rate must let something pass, in 1 ms to 24 h"));
        }
        let replay = self.options.replay.in_force(name, rule);
        if replay == Replay::Signed && rule.attachments_max > 0 {
            return Err(unsound("it takes attachments, which a signature does not cover"));
        }
        let allowed = self.options.roles.in_force(name, rule.access).map_err(unsound)?;
        let usual = InForce {
            rate: rule.rate,
            allowed: Allowed::by_rule(rule.access),
            replay: self.options.replay.usual(rule),
        };
        let namespace = String::from(namespace);
        let entry = DeclaredFacts { namespace, name, allowed, replay, rate, usual };
        if self.declared.iter().any(|known| known.is_same(&entry)) {
            return Err(GateError::EventTwice(String::from(name)));
        }
        self.declared.push(entry);
        Ok(InForce { rate, allowed, replay })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde::Deserialize;

    use super::*;
    use crate::directory::tables::{Directory, DirectoryLimits};
    use crate::gate_options::GateOptions;

    macro_rules! event {
        ($type:ident, $name:expr, $size:expr, $rate:expr) => {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct $type {}
            impl Event for $type {
                const NAME: &'static str = $name;
                const RULE: Rule = Rule {
                    fields: &[],
                    size_max_bytes: $size,
                    rate: $rate,
                    access: Access::User,
                    replay: Replay::None,
                    ..Rule::DEFAULT
                };
            }
        };
    }

    event!(Plain, "test:plain", 512, Some(Rate::per(3, 1000)));
    event!(Huge, "test:huge", u32::MAX, None);
    event!(NoSize, "test:size", 0, None);
    event!(NoRate, "test:rate", 1, Some(Rate::per(0, 1000)));
    event!(Reserved, "disconnect", 1, None);
    event!(Spaced, "test plain", 1, None);
    event!(Unnamed, "", 1, None);

    fn gate(event_per_user: Vec<(String, Rate)>) -> Gate {
        let options = GateOptions {
            hosts: vec![String::from("chat.example")],
            origins: vec![String::from("https://chat.example")],
            event_per_user,
            ..GateOptions::default()
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    #[test]
    fn declared_rules_are_bounded_by_the_options() {
        let mut gate = gate(Vec::new());
        let plain = gate.declare::<Plain>("/").unwrap();
        assert_eq!((plain.size_max_bytes, plain.rate), (512, Some(Rate::per(3, 1000))));
        let huge = gate.declare::<Huge>("/").unwrap();
        assert_eq!((huge.size_max_bytes, huge.rate), (10_240, None));
        let names: Vec<_> = gate.declared.iter().map(|facts| facts.name).collect();
        assert_eq!(names, ["test:plain", "test:huge"]);
    }

    #[test]
    fn a_configured_rate_takes_the_place_of_the_declared_one() {
        let configured = Rate::per(1, 5000);
        let mut gate = gate(vec![(String::from("test:plain"), configured)]);
        assert!(gate.check_declared().is_err(), "nothing is declared yet");
        assert_eq!(gate.declare::<Plain>("/").unwrap().rate, Some(configured));
        assert_eq!(gate.check_declared(), Ok(()));
    }

    #[test]
    fn what_cannot_be_kept_is_no_rule() {
        let mut gate = gate(Vec::new());
        assert!(gate.declare::<Plain>("/").is_ok());
        assert!(gate.declare::<Plain>("/other").is_ok(), "another namespace, another event");
        let is_twice = matches!(gate.declare::<Plain>("/"), Err(GateError::EventTwice(_)));
        assert!(is_twice);
        assert!(matches!(gate.declare::<NoSize>("/"), Err(GateError::EventRule { .. })));
        assert!(matches!(gate.declare::<NoRate>("/"), Err(GateError::EventRule { .. })));
        assert!(matches!(gate.declare::<Reserved>("/"), Err(GateError::EventName(_))));
        assert!(matches!(gate.declare::<Spaced>("/"), Err(GateError::EventName(_))));
        assert!(matches!(gate.declare::<Unnamed>("/"), Err(GateError::EventName(_))));
    }
}
