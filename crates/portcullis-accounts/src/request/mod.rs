//! Shared parts of all account routes: input types, the signed-in user, records, cookies.
//! Never: the work of one route.

pub(crate) mod input; // members of request bodies
pub(crate) mod view; // members of responses
pub(crate) mod signed_in_user; // the user of an access token, and the age of the login
pub(crate) mod record; // security records of successful requests
pub(crate) mod cookies; // the refresh cookie and the device cookie
