//! Events: declared by a product, decoded, authorized, handled, acknowledged.
//! Never: bytes of a client; sessions.

pub(crate) mod payload; // the content of events and acknowledgements
pub(crate) mod frame; // an event encoded once in every wire form
pub(crate) mod reply; // the answer of a handler
pub(crate) mod context; // the second argument of a handler, beside its permit
pub(crate) mod answer_memory; // answers of events with a `mid`, for copies
pub(crate) mod event_table; // declared events and their handlers, by name
pub(crate) mod namespace; // namespaces by name or pattern, with their events and hooks
pub(crate) mod handling; // authorize, start the handler, acknowledge
pub(crate) mod completion; // handlers that run to their end
pub(crate) mod pending_acks; // acknowledgements that the server awaits
pub(crate) mod raw_engine; // Engine.IO without Socket.IO
