//! Requests of browsers: origins, CORS, host names, security headers.
//! Never: a sleep; every wait has a deadline.

mod origin; // which pages get in
mod cors; // what other pages may read
mod host; // by which name the server is asked
mod reports; // reports about the policy of a page
pub(crate) mod headers; // security headers on every answer
