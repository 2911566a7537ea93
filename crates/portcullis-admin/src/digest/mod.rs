//! The weekly digest: what happened in seven days, by mail.
//! Never: text of clients in a subject, or a link.

pub(crate) mod time; // the day and the time of the digest
pub(crate) mod schedule; // when the next one is due
pub(crate) mod week; // the numbers of a week, from the security log
pub(crate) mod text; // the letter
pub(crate) mod run; // sends it in the server
