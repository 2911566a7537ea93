//! Door 3: a message becomes a permit, guard by guard, the cheapest first.
//! Never: a handler's input that did not come out of here.

use std::sync::Arc;

use portcullis_model::{Denial, Mid, Now};

use crate::access;
use crate::ask::Ask;
use crate::cleaner::Cleaner;
use crate::directory_user::User;
use crate::event::{Declared, Event, Replay};
use crate::gate::Gate;
use crate::principal::Caller;
use crate::rate::RateKind;
use crate::replay::{self, Envelope};
use crate::schema;

/// Proof that a message may have its effect: typed, cleaned, allowed. Only the gate makes one.
pub struct Permit<E> {
    user: Arc<User>,
    payload: E,
    envelope: Envelope,
}

impl<E> Permit<E> {
    /// Who asks.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// What is asked, cleaned.
    #[must_use]
    pub fn payload(&self) -> &E {
        &self.payload
    }

    /// The idempotency key, if the client sent one and the event takes it.
    #[must_use]
    pub fn mid(&self) -> Option<&Mid> {
        self.envelope.mid.as_ref()
    }

    /// SHA-256 of the payload as sent, to tell a retry from another message; only with a `mid`.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.envelope.digest
    }

    /// Gives up the proof for its payload.
    #[must_use]
    pub fn into_payload(self) -> E {
        self.payload
    }

    /// Gives up the proof for all of its parts.
    #[must_use]
    pub fn into_parts(self) -> (Arc<User>, E, Envelope) {
        (self.user, self.payload, self.envelope)
    }
}

impl<E> std::fmt::Debug for Permit<E> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Permit").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Gate {
    /// Decides about one message; refused ones count like any other.
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that refuses, in this order: size, rates, JSON, schema,
    /// session, replay, access, content.
    pub fn permit<E: Event>(
        &self,
        rule: &Declared<E>,
        caller: &Caller,
        ask: &Ask<'_>,
        now: Now,
    ) -> Result<Permit<E>, Denial> {
        // Taken before anything refuses, so that no malformed message is free.
        let rate = self.take_rates(rule, caller, now);
        if ask.size_bytes > rule.size_max_bytes {
            return Err(Denial::PayloadTooLarge);
        }
        rate?;
        let parts = ask.scan()?;
        let mut payload: E = schema::read(parts.payload, E::RULE.fields)?;
        let mut envelope = parts.envelope()?;
        caller.principal.is_current(now)?;
        replay::check_sequence(envelope.seq, &caller.sequence_min)?;
        let user = caller.principal.user();
        access::check(E::RULE.access, user, payload.room(), &self.directory)?;
        payload.clean(&mut Cleaner::new(&self.options))?;
        match E::RULE.replay {
            Replay::None => envelope.mid = None,
            Replay::Mid => envelope.add_digest(parts.payload),
        }
        Ok(Permit { user: Arc::clone(user), payload, envelope })
    }

    /// Refuses an event nobody declared; it counts toward the limits for all events, and nothing
    /// is remembered of its name.
    #[must_use]
    pub fn refuse_unknown(&self, caller: &Caller, now: Now) -> Denial {
        match self.take_all_events(caller, now) {
            Ok(()) => Denial::EventUnknown,
            Err(denial) => denial,
        }
    }

    /// Takes one from every bucket, also when an earlier one is used up: none is a shelter.
    fn take_rates<E: Event>(
        &self,
        rule: &Declared<E>,
        caller: &Caller,
        now: Now,
    ) -> Result<(), Denial> {
        let all = self.take_all_events(caller, now);
        let user = &caller.principal.user().id;
        let key = self.rates.key((user, E::NAME));
        let event = rule.rate.map_or(Ok(()), |rate| {
            self.rates.take(RateKind::EventPerUser, key, &rate, now).map_err(|retry_after_ms| {
                Denial::MessageRate { retry_after_ms, rule: "event_per_user" }
            })
        });
        if E::RULE.release { Ok(()) } else { all.and(event) }
    }

    fn take_all_events(&self, caller: &Caller, now: Now) -> Result<(), Denial> {
        let denied = |rule| move |retry_after_ms| Denial::MessageRate { retry_after_ms, rule };
        let per_connection = &self.options.message_per_connection;
        let connection = caller.messages.take(per_connection, now);
        let key = self.rates.key(&caller.principal.user().id);
        let per_user = &self.options.message_per_user;
        let user = self.rates.take(RateKind::MessagePerUser, key, per_user, now);
        connection
            .map_err(denied("message_per_connection"))
            .and(user.map_err(denied("message_per_user")))
    }
}
