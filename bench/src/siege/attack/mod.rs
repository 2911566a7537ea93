//! Attackers of the siege.
//! Never: honest users.

pub(crate) mod schedule; // the times of operations, and the shared state of attackers
pub(crate) mod attackers; // their addresses and accounts
pub(crate) mod reader; // a client that never reads
pub(crate) mod strikes; // one operation of an attacker
pub(crate) mod rejections; // connections that the server rejects
pub(crate) mod speaker; // signed-in attackers that send packets
pub(crate) mod floods; // kinds of attacks, and the thread that runs them
