//! The third stage: from a message to a permit.
//! Never: await, sockets, storage.

pub(crate) mod authorize; // the stage, and its guards in order
pub(crate) mod declare; // events and their rules
pub(crate) mod action; // the table of permissions
pub(crate) mod sealing; // fields that are sealed last
pub(crate) mod permit; // door 3: a message becomes a permit
pub(crate) mod request; // what door 3 is asked
pub(crate) mod event; // what an event declares
pub(crate) mod rules; // what the operator lays over it
pub(crate) mod access; // roles and room relations
pub(crate) mod raw; // events without a payload type
pub(crate) mod answer; // what clients answer to events of the server
pub(crate) mod replay; // envelopes and idempotency keys
