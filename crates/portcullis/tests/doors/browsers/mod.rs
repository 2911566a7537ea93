//! Requests of browsers: origins, CORS, host names, security headers.
//! Never: a sleep; every wait has a deadline.

mod origin; // the check of origins
mod cors; // answers that other pages may read
mod host; // the host name of a request
mod reports; // reports about the policy of a page
mod dashboard; // where the dashboard exists
pub(crate) mod headers; // security headers on every answer
