//! One record: its fields, its lane, and its line of JSON.
//! Never: a token, a password, or a session id in a line.

pub(crate) mod fields; // what happened
pub(crate) mod client_text; // what may be written of a text that a client sent
pub(crate) mod group; // which party caused it
pub(crate) mod encode; // one record as one line of ECS JSON
pub(crate) mod service; // what every line reports about the server
