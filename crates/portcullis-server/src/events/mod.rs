//! Events: declared by a product, decoded, permitted, dispatched, acknowledged.
//! Never: sockets, sessions.

pub(crate) mod payload; // what events and acknowledgements carry
pub(crate) mod frame; // an event encoded once in every wire form
pub(crate) mod context; // what a handler gets beside its permit, and what it returns
pub(crate) mod answer_memory; // answers of events with a `mid`, for copies
pub(crate) mod event_table; // declared events and their handlers, by name
pub(crate) mod namespace; // namespaces by name or pattern, with their events and hooks
pub(crate) mod pipeline; // decode, permit, dispatch, answer
pub(crate) mod acks; // acknowledgements that the server waits for
pub(crate) mod raw_engine; // Engine.IO with nothing above it
