//! What all account routes share: input types, the signed-in user, cookies.
//! Never: the work of one route.

pub(crate) mod input; // what clients send, and what every route does first
pub(crate) mod cookies; // the two cookies
