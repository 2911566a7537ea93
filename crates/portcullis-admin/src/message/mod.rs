//! An alert as text and JSON.
//! Never: text of clients that a program could read as more than text.

pub(crate) mod json; // JSON of this server
pub(crate) mod shape; // formats of the body of a webhook
pub(crate) mod summary; // a few lines
pub(crate) mod letter; // a mail
pub(crate) mod text; // text that clients chose, made harmless
pub(crate) mod sample; // the alert of a test
