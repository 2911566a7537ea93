//! Login: the route, its limits, known devices and login links.
//! Never: what a session does after it was opened.

pub(crate) mod attempts; // limits and counts of attempts to authenticate
pub(crate) mod failure_counts; // failed logins of each name
pub(crate) mod known_device; // devices on which a user has logged in
pub(crate) mod login_link; // signed links that admit one login
pub(crate) mod link_use; // each login link works once
pub(crate) mod link_request; // POST /auth/door
pub(crate) mod login_counts; // logins by outcome
pub(crate) mod password_login; // POST /auth/login
