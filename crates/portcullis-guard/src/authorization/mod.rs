//! The third stage: from a message to a permit.
//! Never: await, sockets, storage.

pub(crate) mod authorize; // the stage, and its guards in order
pub(crate) mod declare; // events and their rules
pub(crate) mod action; // the table of permissions
pub(crate) mod sealing; // fields that are sealed last
pub(crate) mod permit; // the proof that a message may have its effect
pub(crate) mod request; // one event as it was received
pub(crate) mod event; // the declaration of an event
pub(crate) mod rules; // the operator's rules for events
pub(crate) mod access; // roles and room relations
pub(crate) mod raw; // events without a type
pub(crate) mod answer; // acknowledgements of clients
pub(crate) mod replay; // envelopes and idempotency keys
