//! Seals the fields that a rule names, as the last step of authorization.
//! Never: an event whose fields and rule differ, or a field that is left in plain text.

use std::sync::Arc;

use portcullis_model::{Denial, RoomId, UserId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::authorization::authorize::Authorization;
use crate::authorization::event::{Event, Rule};
use crate::authorization::request::EventRequest;
use crate::error::GateError;
use crate::payload::inspect::inspect;
use crate::payload::schema;
use crate::payload::sealed::{Sealables, SealedPlace, collect, mark};

/// Most sealed fields of one event.
const FIELDS_MAX: usize = 16;

/// The fields of an event that are read and not yet sealed.
#[derive(Default)]
pub(crate) struct PlainFields {
    fields: Sealables,
    /// The payload without its sealed fields, for the digest that a handler stores.
    rest: Option<String>,
}

impl PlainFields {
    /// The text that the digest of the message covers. It reveals nothing about sealed fields.
    pub(crate) fn digested<'a>(&'a self, text: &'a str) -> &'a str {
        self.rest.as_deref().unwrap_or(text)
    }
}

/// Reads the payload of an event with sealed fields, each marked with its number in the rule.
pub(crate) fn read<T: DeserializeOwned>(
    text: &str,
    rule: &Rule,
) -> Result<(T, PlainFields), Denial> {
    schema::check_object(text)?;
    let mut value = schema::read_value(text)?;
    let mut rest = value.clone();
    for (number, pointer) in rule.sealed.iter().enumerate() {
        if let Some(field) = rest.pointer_mut(pointer) {
            *field = Value::Null;
        }
        // A field that is `null` is absent.
        if let Some(field) = value.pointer_mut(pointer).filter(|field| !field.is_null()) {
            let plain = field.take();
            *field = json!([mark(), number, plain]);
        }
    }
    let (read, fields) = collect(|| schema::read_out(value, rule.fields, rule.sealed));
    Ok((read?, PlainFields { fields, rest: Some(rest.to_string()) }))
}

impl Authorization {
    /// Checks that a payload's type is closed, and that its sealed fields are those of the rule.
    pub(crate) fn check_payload<E: Event>(&self) -> Result<(), GateError> {
        let event = || String::from(E::NAME);
        let payload = std::any::type_name::<E>();
        let found = inspect::<E>();
        let facts =
            found.map_err(|fault| GateError::PayloadOpen { event: event(), payload, fault })?;
        if facts.has_attachment && E::RULE.attachments_max == 0 {
            let why = "its payload has a field of type Attachment, and attachments_max is 0";
            return Err(GateError::EventRule { event: event(), why });
        }
        // Events can share a rule, so names of other events are allowed.
        let is_foreign = facts.has_members() && E::RULE.fields.iter().all(|name| facts.lacks(name));
        if let Some(field) = E::RULE.fields.first().filter(|_| is_foreign) {
            return Err(GateError::EventField { event: event(), field });
        }
        let found = &facts.sealed;
        let wrong = |pointer: &str, why| {
            Err(GateError::SealedField { event: event(), pointer: String::from(pointer), why })
        };
        for pointer in found {
            if pointer.split('/').any(|part| part == "*") {
                return wrong(pointer, "it is in a list or map, where no pointer can name it");
            }
            if !E::RULE.sealed.contains(&pointer.as_str()) {
                return wrong(pointer, "its type is Sealed: add the pointer to the rule's sealed");
            }
        }
        for (number, pointer) in E::RULE.sealed.iter().enumerate() {
            if !found.iter().any(|known| known == pointer) {
                return wrong(pointer, "the payload has no field of type Sealed there");
            }
            if number >= FIELDS_MAX || E::RULE.sealed.iter().take(number).any(|one| one == pointer)
            {
                return wrong(pointer, "a rule names at most 16 sealed fields, each once");
            }
        }
        match (found.first(), &self.sealer) {
            (Some(pointer), None) => wrong(
                pointer,
                "the server has no keys to seal it with: call ServerBuilder::field_keys",
            ),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Seals the fields that were read, so that the handler gets no plain text.
    pub(crate) fn seal_fields<E: Event>(
        &self,
        unsealed: &PlainFields,
        ask: &EventRequest<'_>,
        user: &UserId,
        room: Option<&RoomId>,
    ) -> Result<(), Denial> {
        let seal = |number: usize, plain: &[u8]| {
            let fault = Denial::Internal("seal");
            let field = E::RULE.sealed.get(number).copied().ok_or(fault.clone())?;
            let sealer = self.sealer.as_deref().ok_or(fault.clone())?;
            let place = SealedPlace { namespace: ask.namespace, event: E::NAME, user, room, field };
            sealer.seal(&place, plain).map_err(|_| fault)
        };
        // A field that nothing else holds belongs to an attempt at reading that failed.
        let kept = unsealed.fields.iter().filter(|field| Arc::strong_count(field) > 1);
        kept.into_iter().try_for_each(|field| field.seal_by(&seal))
    }
}
