//! Experiments with many users behind one address and no attacker.
//! Never: attacks.

pub(crate) mod outcome; // constants, counts and outcomes
pub(crate) mod experiments; // users behind one address, without an attacker
pub(crate) mod restart; // users reconnect after a restart of the server
pub(crate) mod browser; // HTTPS requests of a user's browser
pub(crate) mod office; // users log in and work
