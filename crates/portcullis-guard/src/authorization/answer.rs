//! A client's acknowledgement of an event the server sent, after its guards.
//! Never: text of a client that was not counted, measured and scanned.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_model::{Denial, Now};
use serde::de::DeserializeOwned;

use crate::authentication::principal::Caller;
use crate::authorization::authorize::Authorization;
use crate::directory::user::User;
use crate::payload::attachment;
use crate::payload::{json, schema};

/// The acknowledgement of one client. Only the gate makes one.
#[derive(Debug, Clone)]
pub struct Answer {
    user: Arc<User>,
    arguments: String,
    attachments: Vec<Bytes>,
}

impl Answer {
    /// The user that answered.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// The first argument as a value of the type: an object, checked like an event's payload.
    ///
    /// # Errors
    /// [`Denial::Schema`] when there is none, or it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Denial> {
        let [first, ..] = json::scan(&self.arguments)?.elements;
        schema::read(first.unwrap_or("null"), &[])
    }

    /// All arguments: a JSON array within the limits of any message.
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// The binary attachments, in the order their placeholders number them.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }
}

impl Authorization {
    /// Decides about an acknowledgement; it counts like any message.
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it: rates, size, JSON, placeholders, session.
    pub fn permit_answer(
        &self,
        caller: &Caller,
        arguments: &str,
        attachments: &[Bytes],
        now: Now,
    ) -> Result<Answer, Denial> {
        let rate = self.take_events(caller, None, now);
        let bytes: usize = attachments.iter().map(Bytes::len).sum();
        if arguments.len() + bytes > self.policy.load().options.message_max_bytes as usize {
            return Err(Denial::PayloadTooLarge);
        }
        rate?;
        json::scan(arguments)?;
        if !attachments.is_empty() {
            attachment::check_placeholders(arguments, attachments.len())?;
        }
        caller.principal.is_current(now)?;
        let user = Arc::clone(caller.principal.user());
        Ok(Answer { user, arguments: arguments.to_owned(), attachments: attachments.to_vec() })
    }
}
