//! Experiments with many users behind one address and no attacker.
//! Never: attacks.

pub(crate) mod outcome; // constants, counts and outcomes
pub(crate) mod experiments; // users behind one address, without an attacker
pub(crate) mod restart; // they come back
pub(crate) mod browser; // what they ask for over HTTPS
pub(crate) mod office; // they log in and work
