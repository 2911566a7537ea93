//! The third stage: from a message to a permit.
//! Never: await, sockets, storage.

pub(crate) mod permit; // door 3: a message becomes a permit
pub(crate) mod request; // what door 3 is asked
pub(crate) mod event; // what an event declares
pub(crate) mod rules; // what the operator lays over it
pub(crate) mod access; // roles and room relations
pub(crate) mod raw; // events without a payload type
pub(crate) mod answer; // what clients answer to events of the server
pub(crate) mod replay; // envelopes and idempotency keys
pub(crate) mod packets; // what a connection asks for besides events
