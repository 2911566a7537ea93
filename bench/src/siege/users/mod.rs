//! Honest users of the siege.
//! Never: attacks.

pub(crate) mod polling; // a connection, of one kind or the other
pub(crate) mod client_group; // the honest users
pub(crate) mod arrivals; // those of them who come in meanwhile
pub(crate) mod stock; // a stock client
