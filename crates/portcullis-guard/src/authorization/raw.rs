//! Events without a payload type: any JSON that a client sends, within the limits.
//! Never: declared by mistake; the method that declares one is called `danger_declare_raw`.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_model::{Denial, Now};

use crate::authentication::principal::Caller;
use crate::authorization::authorize::Authorization;
use crate::authorization::event::{EventDeclaration, Rule, UntypedEvent};
use crate::authorization::replay;
use crate::authorization::request::{EventBody, EventRequest};
use crate::directory::user::User;
use crate::error::GateError;
use crate::payload::attachment;
use crate::payload::json;

/// Proof that a message without a type passed size, rates, JSON limits and session.
#[derive(Debug)]
pub struct RawPermit {
    user: Arc<User>,
    arguments: String,
    attachments: Vec<Bytes>,
}

impl RawPermit {
    /// The user that sent the event.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// The arguments after the event's name: JSON values with commas between them.
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// The binary attachments its placeholders number.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
}

impl Authorization {
    /// Declares an event whose arguments are passed to the handler unchanged.
    ///
    /// # Errors
    /// As [`Gate::declare`].
    pub fn danger_declare_raw(
        &mut self,
        namespace: &str,
        name: &'static str,
        rule: Rule,
    ) -> Result<UntypedEvent, GateError> {
        if let Some(pointer) = rule.sealed.first() {
            return Err(GateError::SealedField {
                event: String::from(name),
                pointer: String::from(*pointer),
                why: "an event without a payload type has no field to seal",
            });
        }
        let event = EventDeclaration::new(namespace, name, &rule);
        let event = EventDeclaration { is_typed: false, ..event };
        let index = self.add(event)?;
        Ok(UntypedEvent { index, name, attachments_max: rule.attachments_max.into() })
    }

    /// Decides about one message of an event without a type.
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects: size, rates, JSON, placeholders, session,
    /// roles. A relation to a room cannot be asked for: no room is named.
    pub fn permit_raw(
        &self,
        rule: &UntypedEvent,
        caller: &Caller,
        ask: &EventRequest<'_>,
        now: Now,
    ) -> Result<RawPermit, Denial> {
        replay::count_unread(&caller.unread);
        let policy = self.policy.load();
        let in_force = policy.event(rule.index)?;
        let rate = self.take_events(caller, Some((rule.name, in_force.rate)), now);
        if ask.size_bytes > in_force.size_max_bytes {
            return Err(Denial::PayloadTooLarge);
        }
        rate?;
        let arguments = match ask.body {
            EventBody::Array(text) => {
                let scan = json::scan(text)?;
                if rule.attachments_max > 0 {
                    attachment::check_placeholders(text, ask.attachments.len())?;
                }
                behind_name(text, scan.elements.first().copied().flatten())
            }
            EventBody::Parts { payload, .. } => {
                let payload = payload.unwrap_or_default();
                if !payload.is_empty() {
                    json::scan(payload)?;
                }
                payload
            }
        };
        caller.principal.is_current(now)?;
        in_force.allowed.check_caller(&caller.principal, None, &self.directory)?;
        caller.principal.touch(now);
        let user = Arc::clone(caller.principal.user());
        let attachments = ask.attachments.to_vec();
        Ok(RawPermit { user, arguments: arguments.to_owned(), attachments })
    }
}

/// The rest of a valid JSON array after its first element.
fn behind_name<'a>(array: &'a str, name: Option<&'a str>) -> &'a str {
    let name_bytes = name.map_or(0, str::len);
    let inner = array.trim().strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let rest = inner.unwrap_or_default().trim_start().get(name_bytes..).unwrap_or_default();
    rest.trim_start().strip_prefix(',').unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_after_the_name_are_returned_as_they_are() {
        let cases = [
            (r#"["message",1,"2",{"3":[true]}]"#, r#"1,"2",{"3":[true]}"#),
            (r#"[ "a" , [1, 2] ]"#, "[1, 2]"),
            (r#"["a"]"#, ""),
        ];
        for (text, expect) in cases {
            let scan = json::scan(text).unwrap();
            assert_eq!(behind_name(text, scan.elements[0]), expect, "{text}");
        }
    }
}
