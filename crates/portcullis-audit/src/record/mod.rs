//! One record: its fields, its group, and its line of JSON.
//! Never: a token, a password, or a session id in a line.

pub(crate) mod fields; // the fields of a record
pub(crate) mod client_text; // masks credentials in texts that a client sent
pub(crate) mod group; // the queue and the budget of a record
pub(crate) mod kind; // code and rule of a record; counts per kind
pub(crate) mod log_events; // the records that the log makes about itself
pub(crate) mod encode; // one record as one line of ECS JSON
pub(crate) mod json_line; // writes and escapes a JSON object
pub(crate) mod timestamp; // times as RFC 3339
pub(crate) mod address; // the form of addresses
pub(crate) mod service; // the members that every line has, and session hashes
