//! The declaration of an event: its payload type, and the rule for every message of it.
//! Never: an undeclared event.

use std::marker::PhantomData;

use portcullis_model::{Denial, Role, RoomId};
use serde::de::DeserializeOwned;

use crate::authorization::access::AllowedRoles;
use crate::content::cleaner::Cleaner;
use crate::load::state::LoadState;
use crate::tables::rate::Rate;

/// An event a client may send; the type is its payload.
///
/// The payload is a JSON object. Derive `Deserialize` with `deny_unknown_fields`, also for every
/// struct inside it: the start fails at a type that takes undeclared members. Read ids with
/// [`crate::field`], and pass text to the cleaner in [`Event::clean`]: text that is not cleaned
/// is as the client wrote it.
pub trait Event: DeserializeOwned + 'static {
    /// The name on the wire.
    const NAME: &'static str;
    /// The rule for every message of it.
    const RULE: Rule;

    /// Whether the handler stores `mid` and digest itself, with its effect.
    ///
    /// Otherwise the server keeps the answer to a message with a `mid` for 24 hours, in memory, at
    /// most 256 for each user: a copy gets it, and the handler does not run again. Set this for an
    /// effect that must not happen twice across a restart, and write [`crate::Permit::mid`] and
    /// [`crate::Permit::digest`] in the same transaction as the effect.
    const STORES_MID: bool = false;

    /// The greatest age of the login for this message, in seconds; 0 for any age.
    ///
    /// Override it where the payload can say that the message only reads, such as a preview.
    fn login_max_age_s(&self) -> u32 {
        Self::RULE.login_max_age_s
    }

    /// The room the message is about; a rule with a relation rejects a message without one.
    fn room(&self) -> Option<&RoomId> {
        None
    }

    /// Replaces text by text that is safe to store and display. Runs last, after access.
    ///
    /// # Errors
    /// The errors of the cleaner, and others about content that the event does not accept.
    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        let _ = cleaner;
        Ok(())
    }
}

/// The rule for every message of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Fields of the payload that a rejection names. A member that is not declared is named as
    /// well, cut at 64 characters and escaped.
    pub fields: &'static [&'static str],
    /// Largest message in bytes, name and envelope included.
    pub size_max_bytes: u32,
    /// How often one user may send it, on top of the limits for all events.
    pub rate: Option<Rate>,
    /// Which users may send it.
    pub access: Access,
    /// The protection against a second effect of a copy.
    pub replay: Replay,
    /// It releases something (leave): counted, never rejected for its rate.
    pub release: bool,
    /// It sends something to other users: rejected while the user is muted.
    pub speaks: bool,
    /// It changes permissions, or reaches all users: signed where the server is strict.
    pub sensitive: bool,
    /// The greatest age of the login, in seconds; 0 for any age.
    pub login_max_age_s: u32,
    /// The reaction of an overloaded server.
    pub priority: Priority,
    /// Binary attachments a message may carry, at most 10; their bytes count to its size.
    pub attachments_max: u8,
    /// JSON pointers of the fields that are sealed before the handler gets them, such as `/note`;
    /// exactly those whose type is [`crate::Sealed`].
    pub sealed: &'static [&'static str],
}

impl Rule {
    /// The default rule: signed-in users, 10 KiB, text only.
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

/// The priority of an event at high load. No check is ever left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// It is rejected from [`LoadState::Shedding`] on.
    Light,
    /// It is rejected in [`LoadState::Critical`].
    #[default]
    Usual,
    /// It is always accepted: essential for users, or for the safety of the server.
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

/// Which users may send an event. A missing room and a hidden room are rejected alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every signed-in user.
    User,
    /// Users with the role, or a stronger one.
    Role(Role),
    /// Every user for a public room; invited users, members and the owner for a private one. Never
    /// banned users.
    Joinable,
    /// Members of the room; an owner who left is not one.
    Member,
    /// The owner of the room.
    Owner,
    /// The owner of the room, and users with the role or a stronger one for every room.
    OwnerOr(Role),
}

/// The protection against a second effect of a copy of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Nothing: the effect is the same however often. A `mid` must be an id and is dropped.
    None,
    /// A `mid`, when the client sends one: a copy gets the answer of the first message, and has no
    /// effect. See [`Event::STORES_MID`].
    Mid,
    /// A `mid` is required; a copy is answered as for [`Replay::Mid`].
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
pub struct DeclaredEvent<E> {
    /// The place of its rule among the rules in force.
    pub(crate) index: usize,
    pub(crate) event: PhantomData<fn() -> E>,
}

impl<E: Event> DeclaredEvent<E> {
    /// How many binary attachments a message may carry.
    #[must_use]
    pub fn attachments_max(&self) -> usize {
        usize::from(E::RULE.attachments_max)
    }
}

/// Proof that the rule of an event without a payload type was read.
#[derive(Debug, Clone, Copy)]
pub struct UntypedEvent {
    /// The place of its rule among the rules in force.
    pub(crate) index: usize,
    pub(crate) name: &'static str,
    pub(crate) attachments_max: usize,
}

impl UntypedEvent {
    /// How many binary attachments a message may carry.
    #[must_use]
    pub fn attachments_max(&self) -> usize {
        self.attachments_max
    }
}

/// The rule of an event with the operator's options applied.
#[derive(Debug, Clone)]
pub(crate) struct EffectiveRule {
    pub(crate) rate: Option<Rate>,
    pub(crate) allowed: AllowedRoles,
    pub(crate) replay: Replay,
}

/// An event as the program declares it, before the operator's options.
#[derive(Debug, Clone)]
pub(crate) struct EventDeclaration {
    pub(crate) namespace: String,
    pub(crate) name: &'static str,
    pub(crate) rule: Rule,
    /// Whether it has a payload type.
    pub(crate) is_typed: bool,
}

impl EventDeclaration {
    pub(crate) fn new(namespace: &str, name: &'static str, rule: &Rule) -> Self {
        Self { namespace: String::from(namespace), name, rule: *rule, is_typed: true }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (self.name, &self.namespace) == (other.name, &other.namespace)
    }
}

/// A declared event with the rule in force.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) namespace: String,
    pub(crate) name: &'static str,
    pub(crate) size_max_bytes: usize,
    pub(crate) allowed: AllowedRoles,
    pub(crate) replay: Replay,
    pub(crate) rate: Option<Rate>,
    /// The same without the operator's options.
    pub(crate) usual: EffectiveRule,
}
