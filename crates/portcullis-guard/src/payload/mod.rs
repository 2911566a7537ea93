//! Payloads of events: JSON, types, sealed fields, attachments.
//! Never: decisions about users.

pub mod json; // one-pass structure scan
pub(crate) mod schema; // typed payloads that name the field at fault
pub mod field; // readers of single fields
pub(crate) mod attachment; // binary data and where a message names it
pub(crate) mod reference; // references that explain themselves
pub(crate) mod open_type; // payload types that take undeclared members
pub(crate) mod inspect; // a type along every path
pub(crate) mod type_walk; // a walk through a type, run by run
pub(crate) mod type_probe; // a deserializer that supplies each value that a type requests
pub(crate) mod type_access; // its members, elements and variants
pub(crate) mod type_sample; // values before those that are walked
pub(crate) mod sealed; // fields that are sealed before a handler gets them
