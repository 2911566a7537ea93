//! Honest users of the siege.
//! Never: attacks.

pub(crate) mod polling; // a WebSocket or long-polling connection
pub(crate) mod client_group; // the honest users
pub(crate) mod arrivals; // honest users who arrive during the attack
pub(crate) mod stock; // a stock client
