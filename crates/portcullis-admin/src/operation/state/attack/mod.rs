//! Attacks: their sources, the parties and blocks that belong to them, and what helps.
//! Never: a block that is set or removed; the operations on blocks do it.

pub(crate) mod sources; // the users, networks and origins that an attack comes from
pub(crate) mod offenders; // `admin:offenders`, `admin:affected`
pub(crate) mod network_clients; // connections and users of networks
pub(crate) mod remedy; // the operations that the overview offers
pub(crate) mod blocked_parties; // the parties that a block rejects already
pub(crate) mod attack_blocks; // the blocks that an attack has left
pub(crate) mod block_changes; // blocks that began or ended, for marks in charts
