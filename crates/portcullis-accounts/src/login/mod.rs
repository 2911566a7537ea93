//! Logging in: the route, its limits, known devices and login links.
//! Never: what a session does after it was opened.

pub(crate) mod password_login; // POST /auth/login
pub(crate) mod attempts; // attempts to prove a secret, counted
pub(crate) mod known_device; // devices somebody has logged in from
pub(crate) mod link_request; // POST /auth/door
pub(crate) mod login_link; // one-time login links
pub(crate) mod failure_counts; // how often a name was tried in vain
